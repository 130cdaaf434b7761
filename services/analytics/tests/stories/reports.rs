//! Weekly reports.

use std::time::Duration;

use chassis::Clock;
use contracts::{Timestamp, analytics::ReportGenerated, auth::UserDisabled};

use crate::world::{App, Team, comment, deleted, deliver, published, tell};

const DAY: Duration = Duration::from_secs(24 * 3600);
const MONDAY: i64 = 4 * 24 * 3600 * 1_000_000;

/// A clock that stands at ten minutes to midnight of a Sunday, and the first moment of the week that ends then.
fn sunday() -> (Clock, Timestamp) {
    let clock = Clock::stopped();
    let week = 7 * 24 * 3600 * 1_000_000;
    let monday = clock.now().as_micros() - (clock.now().as_micros() - MONDAY).rem_euclid(week) + week;
    let sunday = Timestamp::from_micros(monday - 600 * 1_000_000);
    clock.advance(sunday.since(clock.now()));
    (clock, Timestamp::from_micros(monday - week))
}

async fn reports(app: &App) -> Vec<ReportGenerated> {
    app.step_workers().await;
    app.published_of::<ReportGenerated>().await
}

#[tokio::test]
async fn everybody_who_did_something_in_the_week_gets_one_report_when_it_is_over() {
    let (clock, week) = sunday();
    let app = App::at("", clock.clone()).await;
    let team = Team::new(&app).await;
    let (ada, bob, eve) = (team.owner.id, app.user().id, app.user().id);
    let time = |days: u32| (week + DAY * days).to_string();
    for (index, story) in [["todo", "done"], ["todo", "in_progress"]].iter().enumerate() {
        let due = (index == 1).then(|| time(3));
        let story = [(time(1), story[0]), (time(2), story[1])];
        let story: Vec<(&str, &str)> = story.iter().map(|(time, status)| (time.as_str(), *status)).collect();
        for event in team.task_of(ada, due.as_deref(), &story) {
            deliver(&app, &event).await;
        }
    }
    tell(&app, &comment(&team, bob, "well done"), &time(6)).await;
    // The week before: nothing of this one.
    let earlier = (week - DAY).to_string();
    tell(&app, &comment(&team, eve, "hm"), &earlier).await;
    let of_before = reports(&app).await;
    assert!(
        of_before.iter().all(|report| report.to == week),
        "the week is not over: {of_before:?}"
    );

    clock.advance(Duration::from_secs(20 * 60));
    assert_eq!(reports(&app).await.len(), of_before.len(), "late events are waited for");
    clock.advance(Duration::from_secs(3600));
    let reports_now = reports(&app).await;
    let of_week: Vec<_> = reports_now.iter().filter(|report| report.from == week).collect();
    assert_eq!(of_week.len(), 2, "{of_week:?}");
    let adas = of_week.iter().find(|report| report.user_id == ada).unwrap();
    assert_eq!((adas.tasks_created, adas.tasks_completed, adas.comments), (2, 1, 0));
    assert_eq!((adas.overdue, adas.to), (1, week + DAY * 7));
    let bobs = of_week.iter().find(|report| report.user_id == bob).unwrap();
    assert_eq!((bobs.comments, bobs.overdue), (1, 0));

    // Something of the week comes late, and the scheduler looks again.
    tell(&app, &comment(&team, bob, "and this"), &time(6)).await;
    clock.advance(DAY);
    assert_eq!(reports(&app).await.len(), reports_now.len());
}

#[tokio::test]
async fn two_replicas_make_one_report() {
    let (clock, week) = sunday();
    let app = App::at("", clock.clone()).await;
    let team = Team::new(&app).await;
    for _ in 0..30 {
        let time = (week + DAY).to_string();
        tell(&app, &comment(&team, app.user().id, "here"), &time).await;
    }
    clock.advance(DAY);
    let replica = || analytics::workers::report::Reports::new(app.db.clone(), clock.clone(), Duration::ZERO);
    let (mut one, mut other) = (replica(), replica());
    let (first, second) = tokio::join!(
        chassis::worker::Worker::step(&mut one),
        chassis::worker::Worker::step(&mut other)
    );
    first.unwrap();
    second.unwrap();
    let mut users: Vec<_> = app
        .published_of::<ReportGenerated>()
        .await
        .iter()
        .map(|report| report.user_id)
        .collect();
    users.sort();
    users.dedup();
    assert_eq!(users.len(), 30);
    assert_eq!(app.published_of::<ReportGenerated>().await.len(), 30);
}

#[tokio::test]
async fn closed_and_shut_accounts_get_no_report() {
    let (clock, week) = sunday();
    let app = App::at("", clock.clone()).await;
    let team = Team::new(&app).await;
    let (gone, shut) = (app.user().id, app.user().id);
    let time = (week + DAY).to_string();
    for user in [gone, shut] {
        tell(&app, &comment(&team, user, "bye"), &time).await;
    }
    tell(&app, &deleted(gone, &time), &time).await;
    let disabled = UserDisabled {
        user_id: shut,
        version: 2,
    };
    deliver(&app, &published(&disabled, week + DAY)).await;
    clock.advance(DAY);
    assert_eq!(reports(&app).await, []);
}
