//! Events that come twice, late, or out of order.

use messaging::inbox::Outcome;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{Published, Team, deliver, published, start};

const RANGE: &str = "from=2026-03-01&to=2026-03-08";
const FIGURES: [&str; 6] = [
    "throughput",
    "cumulative-flow",
    "cycle-time",
    "burndown",
    "overdue",
    "work-in-progress",
];

async fn all(team: &Team) -> Vec<Value> {
    let mut all = Vec::new();
    for figure in FIGURES {
        all.push(team.figures(figure, RANGE).await);
    }
    all
}

fn story(team: &Team) -> Vec<Published> {
    let stories: [&[(&str, &str)]; 4] = [
        &[
            ("2026-03-01T08:00:00Z", "todo"),
            ("2026-03-02T08:00:00Z", "in_progress"),
            ("2026-03-04T08:00:00Z", "done"),
            ("2026-03-05T08:00:00Z", "in_progress"),
            ("2026-03-06T08:00:00Z", "done"),
        ],
        &[("2026-03-01T09:00:00Z", "todo"), ("2026-03-03T09:00:00Z", "cancelled")],
        &[
            ("2026-03-02T09:00:00Z", "in_review"),
            ("2026-03-07T09:00:00Z", "deleted"),
        ],
        &[("2026-03-02T10:00:00Z", "todo")],
    ];
    stories
        .iter()
        .flat_map(|story| team.task_of(team.owner.id, Some("2026-03-03T12:00:00Z"), story))
        .collect()
}

#[tokio::test]
async fn an_event_that_comes_again_changes_no_figure() {
    let app = start().await;
    let team = Team::new(&app).await;
    let events = story(&team);
    for event in &events {
        deliver(&app, event).await;
    }
    let once = all(&team).await;
    for event in &events {
        assert_eq!(
            app.deliver_as(&event.envelope, event.value.clone()).await,
            Outcome::Duplicate
        );
    }
    // Also when the inbox has forgotten it: the log has not.
    app.db
        .write(async |tx| {
            sea_orm::ConnectionTrait::execute_unprepared(tx, "DELETE FROM inbox")
                .await
                .map(drop)
        })
        .await
        .map_err(|error: sea_orm::DbErr| error)
        .unwrap();
    for event in &events {
        assert_eq!(
            app.deliver_as(&event.envelope, event.value.clone()).await,
            Outcome::Applied
        );
    }
    assert_eq!(all(&team).await, once);
    let mine = team
        .owner
        .get(format!("/v1/analytics/me?{RANGE}"))
        .await
        .expect(200)
        .json;
    assert_eq!(mine["whole"]["actions"], events.len());
}

#[tokio::test]
async fn a_day_late_is_not_too_late() {
    let app = start().await;
    let team = Team::new(&app).await;
    let events = team.task(&[
        ("2026-03-02T08:00:00Z", "todo"),
        ("2026-03-03T08:00:00Z", "in_progress"),
        ("2026-03-05T08:00:00Z", "done"),
    ]);
    deliver(&app, &events[0]).await;
    deliver(&app, &events[2]).await;
    let before = team.figures("cycle-time", RANGE).await;
    assert_eq!(
        (&before["whole"]["completed"], &before["whole"]["begun"]),
        (&json!(1), &json!(0))
    );
    deliver(&app, &events[1]).await;
    let after = team.figures("cycle-time", RANGE).await;
    assert_eq!(after["whole"]["cycle_p50_s"], 48 * 3600);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_waits_for_the_operator_and_spoils_no_other() {
    let app = start().await;
    let team = Team::new(&app).await;
    let events = team.task(&[("2026-03-02T08:00:00Z", "todo")]);
    let outcome = app.deliver_as(&events[0].envelope, b"{\"task_id\":7}".to_vec()).await;
    assert_eq!(outcome, Outcome::DeadLettered);
    let strange = String::from_utf8(events[0].value.clone())
        .unwrap()
        .replace("\"todo\"", "\"dreaming\"");
    let mut again = published(&team.created(), events[0].envelope.time).envelope;
    again.event_type.clone_from(&events[0].envelope.event_type);
    assert_eq!(
        app.deliver_as(&again, strange.into_bytes()).await,
        Outcome::DeadLettered
    );
    let letters = app.dead_letters().await;
    assert!(letters[1].error.contains("dreaming"), "{}", letters[1].error);
    team.work(&app, &[("2026-03-02T08:00:00Z", "todo")]).await;
    assert_eq!(team.figures("throughput", RANGE).await["whole"]["created"], 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_whatever_order_events_come_the_figures_are_the_same(order in Just((0..10_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let app = start().await;
            let (straight, shuffled) = (Team::new(&app).await, Team::new(&app).await);
            for event in &story(&straight) {
                deliver(&app, event).await;
            }
            let events = story(&shuffled);
            assert_eq!(events.len(), order.len());
            for index in order {
                deliver(&app, &events[index]).await;
            }
            assert_eq!(all(&straight).await, all(&shuffled).await);
        });
    }
}
