//! Round numbers of finished tasks.

use contracts::analytics::MilestoneReached;
use sea_orm::EntityTrait;

use crate::world::{Team, deliver, start, tell};

#[tokio::test]
async fn a_team_hears_of_its_tenth_finished_task_once() {
    let app = start().await;
    let team = Team::new(&app).await;
    let bob = app.user();
    tell(&app, &team.added(bob.id, 1), "2026-01-02T00:00:00Z").await;
    let mut tenth = None;
    for _ in 0..10 {
        assert!(app.published_of::<MilestoneReached>().await.is_empty());
        let events = team.task(&[("2026-03-02T08:00:00Z", "todo"), ("2026-03-03T08:00:00Z", "done")]);
        for event in &events {
            deliver(&app, event).await;
        }
        tenth = events.last().map(|event| event.envelope.id);
    }
    // Reopened and done again: no task was finished that was not before.
    team.work(
        &app,
        &[
            ("2026-03-02T08:00:00Z", "done"),
            ("2026-03-03T08:00:00Z", "todo"),
            ("2026-03-04T08:00:00Z", "done"),
        ],
    )
    .await;
    let reached = app.published_of::<MilestoneReached>().await;
    assert_eq!(reached.len(), 1, "{reached:?}");
    let mut members = vec![team.owner.id, bob.id];
    members.sort();
    assert_eq!(reached[0].member_ids, members);
    assert_eq!((reached[0].value, reached[0].measure.as_str()), (10, "tasks_completed"));
    assert_eq!(
        (reached[0].project_id, reached[0].project_name.as_str()),
        (team.project, "Apollo")
    );
    let causes: Vec<_> = messaging::outbox::Entity::find()
        .all(app.db.read())
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.causation_id)
        .collect();
    assert_eq!(causes, [tenth], "the milestone names what brought it about");
}
