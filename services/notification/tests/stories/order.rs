//! Duplicates, replays and events in another order than they happened.

use std::time::Duration;

use contracts::{Event, notification::NotificationCreated};
use serde_json::json;
use testkit::Outcome;

use crate::world::{App, World, badge, disabled, inbox, registered, renamed, signed_in, titles, types};

fn bytes<E: Event>(event: &E) -> Vec<u8> {
    serde_json::to_vec(event).unwrap()
}

#[tokio::test]
async fn an_event_that_comes_twice_counts_once() {
    let app = App::start().await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    let event = world.assigned(bo.id, ada.id, 1);
    let envelope = app.envelope(&event);
    app.deliver_as(&envelope, bytes(&event)).await;
    assert_eq!(app.deliver_as(&envelope, bytes(&event)).await, Outcome::Duplicate);
    assert_eq!(badge(&bo).await, 1);
    assert_eq!(app.published_of::<NotificationCreated>().await.len(), 1);
}

#[tokio::test]
async fn an_event_replayed_after_it_was_read_and_forgotten_by_the_inbox_brings_nothing_back() {
    let app = App::start().await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    let comment = world.comment(ada.id, &[bo.id], &[bo.id]);
    app.deliver(&world.assigned(bo.id, ada.id, 1)).await;
    app.deliver(&comment).await;
    bo.post("/v1/notifications/read", json!({ "all": true }))
        .await
        .expect(200);
    // Other event ids: as if the record of the first handling had been pruned.
    app.deliver(&world.assigned(bo.id, ada.id, 1)).await;
    app.deliver(&comment).await;
    assert_eq!(badge(&bo).await, 0);
    assert_eq!(types(&bo).await, ["mentioned", "task_assigned"]);
    assert_eq!(app.published_of::<NotificationCreated>().await.len(), 2);
}

#[tokio::test]
async fn an_edit_that_overtakes_its_comment_leaves_one_mention() {
    let app = App::start().await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    let comment = world.comment(ada.id, &[], &[bo.id]);
    app.deliver(&world.edited(&comment, "@bo look", &[bo.id])).await;
    app.deliver(&comment).await;
    assert_eq!(types(&bo).await, ["mentioned"]);
    assert_eq!(badge(&bo).await, 1);
}

#[tokio::test]
async fn a_comment_that_comes_after_the_end_of_its_task_or_project_is_not_told() {
    let app = App::start().await;
    let (ada, bo) = (app.user(), app.user());
    let (task_gone, project_gone) = (World::new(), World::new());
    app.deliver(&task_gone.task_deleted(ada.id)).await;
    app.deliver(&project_gone.deleted(ada.id)).await;
    for world in [task_gone, project_gone] {
        app.deliver(&world.comment(ada.id, &[bo.id], &[])).await;
        app.deliver(&world.assigned(bo.id, ada.id, 1)).await;
        app.deliver(&world.due("2026-03-03T17:00:00Z", &[bo.id])).await;
    }
    assert_eq!(badge(&bo).await, 0);
}

#[tokio::test]
async fn an_assignment_from_before_a_removal_is_not_told_and_one_from_after_a_return_is() {
    let app = App::start().await;
    let (ada, bo, cleo, world) = (app.user(), app.user(), app.user(), World::new());
    let before = world.assigned(bo.id, ada.id, 1);
    let before_envelope = app.envelope(&before);
    app.clock.advance(Duration::from_secs(60));
    app.deliver(&world.removed(bo.id, ada.id, 2)).await;
    app.deliver_as(&before_envelope, bytes(&before)).await;
    assert_eq!(badge(&bo).await, 0);
    app.deliver(&world.assigned(cleo.id, ada.id, 1)).await;
    assert_eq!(badge(&cleo).await, 1);
    // The return itself, on another key, comes last.
    app.clock.advance(Duration::from_secs(60));
    app.deliver(&world.assigned(bo.id, ada.id, 5)).await;
    app.deliver(&world.added(bo.id, ada.id, 3)).await;
    assert_eq!(types(&bo).await, ["project_invited", "task_assigned"]);
}

#[tokio::test]
async fn an_old_name_or_status_that_comes_late_changes_nothing() {
    let app = App::start().await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    app.deliver(&renamed(ada.id, "Ada Lovelace", 3)).await;
    app.deliver(&registered(ada.id, "Ada")).await;
    app.deliver(&disabled(bo.id, 5)).await;
    app.deliver(&contracts::auth::UserEnabled {
        user_id: bo.id,
        version: 4,
    })
    .await;
    app.deliver(&renamed(bo.id, "Bo", 3)).await;
    app.deliver(&world.assigned(bo.id, ada.id, 1)).await;
    assert_eq!(badge(&bo).await, 0, "the newest word on the account is that it is shut");
    let cleo = app.user();
    app.deliver(&world.assigned(cleo.id, ada.id, 1)).await;
    app.deliver(&world.assigned(cleo.id, bo.id, 2)).await;
    assert_eq!(
        titles(&cleo).await,
        [
            "Bo assigned “Fix the valve” to you",
            "Ada Lovelace assigned “Fix the valve” to you"
        ]
    );
}

#[tokio::test]
async fn the_first_sign_in_is_the_earliest_even_when_it_is_heard_of_last() {
    let app = App::start().await;
    let ada = app.user();
    let at = |second: i64| contracts::Timestamp::from_micros(1_700_000_000_000_000 + second * 1_000_000);
    app.deliver(&signed_in(ada.id, "curl", true, at(120))).await;
    assert!(inbox(&ada).await.is_empty());
    app.deliver(&signed_in(ada.id, "Firefox on Linux", true, at(0))).await;
    assert_eq!(titles(&ada).await, ["New sign-in with curl"]);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_put_aside_and_leaves_the_badge_alone() {
    let app = App::start().await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    let event = world.assigned(bo.id, ada.id, 1);
    let envelope = app.envelope(&event);
    let mut value = serde_json::to_value(&event).unwrap();
    value["assignee_id"] = json!("nobody");
    assert_eq!(
        app.deliver_as(&envelope, value.to_string()).await,
        Outcome::DeadLettered
    );
    let letters = app.dead_letters().await;
    assert!(letters[0].error.contains("usr_"), "{}", letters[0].error);
    assert_eq!(badge(&bo).await, 0);
}

#[tokio::test]
async fn events_that_do_not_concern_anybodys_inbox_are_passed_over() {
    let app = App::start().await;
    let event = contracts::project::ProjectUpdated {
        project_id: contracts::id::ProjectId::new(),
        project: contracts::project::ProjectSnapshot {
            project_id: contracts::id::ProjectId::new(),
            name: "Apollo".to_owned(),
            description: String::new(),
            archived_at: None,
            version: 2,
        },
        changed: vec!["name".to_owned()],
        actor_id: app.user().id,
    };
    app.deliver(&event).await;
    assert!(app.published().await.is_empty());
}
