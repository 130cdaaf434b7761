//! Making the projections again.

use std::time::Duration;

use analytics::rebuild::{Order, RebuildError, Report, rebuild};
use chassis::worker::Step;
use contracts::{Timestamp, analytics::MilestoneReached};
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::Value;

use crate::world::{App, Team, after_the_stories, at, comment, deleted, registered, start, tell};

const RANGE: &str = "from=2026-03-01&to=2026-03-08";

async fn run(app: &App, order: Order) -> Result<Report, RebuildError> {
    rebuild(&app.db, &app.clock, order, |_, _| {}).await
}

async fn damage(app: &App, sql: &str) {
    let damaged: Result<(), DbErr> = app
        .db
        .write(async |tx| tx.execute_unprepared(sql).await.map(drop))
        .await;
    damaged.unwrap();
}

async fn figures(team: &Team) -> Vec<Value> {
    let mut all = Vec::new();
    for figure in ["throughput", "cumulative-flow", "cycle-time"] {
        all.push(team.figures(figure, RANGE).await);
    }
    let mine = team.owner.get(format!("/v1/analytics/me?{RANGE}")).await.expect(200);
    all.push(mine.json);
    all
}

/// Something of every sort: a finished milestone, a member who left, somebody who closed their account.
async fn busy(app: &App) -> Team {
    let team = Team::new(app).await;
    let (bob, eve) = (app.user(), app.user());
    tell(app, &registered(team.owner.id), "2026-02-01T00:00:00Z").await;
    tell(app, &registered(eve.id), "2026-02-01T00:00:00Z").await;
    tell(app, &team.added(bob.id, 1), "2026-02-02T00:00:00Z").await;
    tell(app, &team.removed(bob.id, 2), "2026-02-03T00:00:00Z").await;
    tell(app, &comment(&team, eve.id, "bye"), "2026-03-01T00:00:00Z").await;
    tell(app, &deleted(eve.id, "2026-03-02T00:00:00Z"), "2026-03-02T00:00:00Z").await;
    for day in 1..=6 {
        let (made, begun, done) = (
            format!("2026-03-0{day}T08:00:00Z"),
            format!("2026-03-0{day}T12:00:00Z"),
            format!("2026-03-0{}T09:30:00Z", day + 1),
        );
        for _ in 0..2 {
            let story = [
                (made.as_str(), "todo"),
                (begun.as_str(), "in_progress"),
                (done.as_str(), "done"),
            ];
            team.work(app, &story).await;
        }
    }
    // Not the janitor, who would cut the log where a story keeps little of it.
    while app.step("analytics-erasure").await.unwrap() == Step::Full {}
    team
}

fn all_equal(report: &Report) -> bool {
    report.parity.iter().all(analytics::store::rebuild::Parity::holds)
}

#[tokio::test]
async fn what_is_rebuilt_is_what_was_there() {
    let app = start().await;
    let team = busy(&app).await;
    let before = figures(&team).await;
    let mut told = Vec::new();
    let report = rebuild(&app.db, &app.clock, Order::default(), |done, total| {
        told.push((done, total))
    })
    .await
    .unwrap();
    assert!(report.swapped && all_equal(&report), "{report:?}");
    let rows: u64 = report.parity.iter().map(|one| one.equal).sum();
    assert!(rows > 30, "{report:?}");
    assert_eq!(told.last(), Some(&(report.events, report.events)));
    assert_eq!(figures(&team).await, before);
    // And once more, on tables that were shadows; events go on being folded.
    assert!(all_equal(&run(&app, Order::default()).await.unwrap()));
    tell(&app, &comment(&team, team.owner.id, "on"), "2026-03-05T00:00:00Z").await;
    assert_ne!(figures(&team).await, before);
    assert_eq!(
        app.published_of::<MilestoneReached>().await.len(),
        1,
        "nothing is published again"
    );
}

#[tokio::test]
async fn damage_is_told_and_mended() {
    let app = start().await;
    let team = busy(&app).await;
    let before = figures(&team).await;
    damage(
        &app,
        "UPDATE activity SET count = count + 7 WHERE kind = 'task_created'",
    )
    .await;
    damage(&app, "DELETE FROM tasks").await;
    damage(&app, "INSERT INTO volume (slot, type, count) VALUES (0, 'nothing', 1)").await;
    let order = Order {
        compare_only: true,
        ..Order::default()
    };
    let compared = run(&app, order).await.unwrap();
    let of = |report: &Report, table: &str| *report.parity.iter().find(|one| one.table == table).unwrap();
    assert_eq!(of(&compared, "tasks").added, 12);
    assert!(of(&compared, "activity").different > 0 && of(&compared, "volume").missing == 1);
    assert!(!compared.swapped);
    assert_ne!(figures(&team).await, before, "comparing changes nothing");
    let report = run(&app, Order::default()).await.unwrap();
    assert_eq!(report.parity, compared.parity);
    assert_eq!(figures(&team).await, before);
}

#[tokio::test]
async fn since_a_time_only_what_happened_from_then_on_is_made_again() {
    let app = start().await;
    let team = busy(&app).await;
    let before = figures(&team).await;
    let since = Order {
        since: Some(at("2026-03-04T08:05:00Z")),
        ..Order::default()
    };
    let report = run(&app, since).await.unwrap();
    assert_eq!(report.since, Some(at("2026-03-04T08:00:00Z")));
    assert!(all_equal(&report), "{report:?}");
    assert_eq!(figures(&team).await, before);
    // Damage from before stays, damage from after is mended.
    let at = at("2026-03-04T08:00:00Z").as_micros();
    damage(
        &app,
        &format!("UPDATE activity SET count = count + 1 WHERE slot >= {at}"),
    )
    .await;
    damage(&app, "UPDATE projects SET finished = 99").await;
    assert!(!all_equal(&run(&app, since).await.unwrap()));
    assert_eq!(figures(&team).await, before);
    assert!(all_equal(&run(&app, Order::default()).await.unwrap()));
}

#[tokio::test]
async fn a_log_that_was_cut_loses_no_figure_and_no_rebuild_reaches_before_it() {
    let app = App::with("[analytics]\nkeep_events_days = 30").await;
    let team = Team::new(&app).await;
    let old = app.clock.now() - Duration::from_secs(40 * 24 * 3600);
    team.work(&app, &[(&old.to_string(), "todo")]).await;
    app.step("analytics-retention").await.unwrap();
    let report = run(&app, Order::default()).await.unwrap();
    assert!(
        report.since.is_some_and(|since| since > old) && all_equal(&report),
        "{report:?}"
    );
    let figures = team.figures("throughput", &format!("from={old}")).await;
    assert_eq!(figures["whole"]["created"], 1);
    let too_early = Order {
        since: Some(old),
        ..Order::default()
    };
    assert!(matches!(run(&app, too_early).await, Err(RebuildError::TooEarly(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_that_come_during_a_rebuild_are_in_what_it_makes() {
    let app = start().await;
    let team = busy(&app).await;
    let events = async {
        for _ in 0..40 {
            team.work(
                &app,
                &[("2026-03-03T08:00:00Z", "todo"), ("2026-03-04T08:00:00Z", "done")],
            )
            .await;
        }
    };
    let rebuilds = async {
        for _ in 0..4 {
            let report = run(&app, Order::default()).await.unwrap();
            assert!(all_equal(&report), "{report:?}");
        }
    };
    tokio::join!(events, rebuilds);
    let figures = team.figures("throughput", RANGE).await;
    assert_eq!(figures["whole"]["completed"], 52);
}

#[tokio::test]
async fn two_rebuilds_at_once_are_refused_and_a_killed_one_leaves_the_old_tables() {
    let app = App::at("[analytics]\nkeep_events_days = 30", after_the_stories()).await;
    let team = busy(&app).await;
    let before = figures(&team).await;
    // Killed after its first piece of work: the future is dropped.
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let mut sender = Some(sender);
    {
        let killed = rebuild(&app.db, &app.clock, Order::default(), |done, _| {
            if done > 0
                && let Some(sender) = sender.take()
            {
                sender.send(()).unwrap();
            }
        });
        tokio::select! {
            biased;
            _ = receiver => {}
            done = killed => panic!("it was not killed: {done:?}"),
        }
    }
    assert_eq!(figures(&team).await, before);
    let Err(RebuildError::Busy(until)) = run(&app, Order::default()).await else {
        panic!("a second one began");
    };
    assert!(until > app.clock.now());
    // While it may still be running, the log stays as it is.
    app.clock.advance(Duration::from_secs(10));
    let log = || async { team.owner.get("/v1/personal-data/analytics").await.expect(200).json["events"].clone() };
    let held = log().await;
    app.step("analytics-retention").await.unwrap();
    assert_eq!(log().await, held);
    app.clock.advance(until.since(app.clock.now()) + Duration::from_secs(1));
    app.step("analytics-retention").await.unwrap();
    damage(&app, "CREATE TABLE shadow_tasks (what TEXT)").await;
    assert!(all_equal(&run(&app, Order::default()).await.unwrap()));
    assert_eq!(figures(&team).await, before);
}

#[tokio::test]
async fn an_empty_log_can_be_rebuilt() {
    let app = start().await;
    let report = run(&app, Order::default()).await.unwrap();
    assert_eq!((report.events, report.since), (0, None::<Timestamp>));
    assert!(all_equal(&report));
}
