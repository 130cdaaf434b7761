//! Nothing is kept for ever.

use std::time::Duration;

use contracts::notification::NotificationRead;
use serde_json::json;

use crate::world::{App, World, badge, inbox, types};

const DAY: Duration = Duration::from_secs(24 * 3600);
const SETTINGS: &str = "[notification]\nkeep_read_days = 10\nkeep_unread_days = 20";

#[tokio::test]
async fn what_was_read_goes_sooner_than_what_was_not() {
    let app = App::with(SETTINGS).await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    app.deliver(&world.assigned(bo.id, ada.id, 1)).await;
    bo.post("/v1/notifications/read", json!({ "all": true }))
        .await
        .expect(200);
    app.deliver(&world.added(bo.id, ada.id, 1)).await;
    app.clock.advance(9 * DAY);
    app.step_workers().await;
    assert_eq!(inbox(&bo).await.len(), 2);
    app.clock.advance(2 * DAY);
    app.step_workers().await;
    assert_eq!(types(&bo).await, ["project_invited"]);
    assert_eq!(badge(&bo).await, 1);
}

#[tokio::test]
async fn what_nobody_read_leaves_the_badge_when_it_goes_and_clients_hear_of_it() {
    let app = App::with(SETTINGS).await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    for version in 1..=3 {
        app.deliver(&world.assigned(bo.id, ada.id, version)).await;
    }
    let old: Vec<_> = inbox(&bo).await.iter().rev().map(crate::world::id_of).collect();
    app.clock.advance(19 * DAY);
    app.deliver(&world.assigned(bo.id, ada.id, 4)).await;
    app.clock.advance(2 * DAY);
    app.step_workers().await;
    assert_eq!(badge(&bo).await, 1);
    let read = NotificationRead {
        user_id: bo.id,
        notification_ids: old,
        up_to: None,
        unread_count: 1,
    };
    assert_eq!(app.published_of::<NotificationRead>().await, [read]);
    app.step_workers().await;
    assert_eq!(app.published_of::<NotificationRead>().await.len(), 1);
}

#[tokio::test]
async fn more_than_one_step_can_do_is_done_in_several() {
    let app = App::with(SETTINGS).await;
    let (ada, world) = (app.user(), World::new());
    let readers: Vec<_> = (0..600).map(|_| contracts::id::UserId::new()).collect();
    app.deliver(&world.comment(ada.id, &readers, &[])).await;
    app.clock.advance(21 * DAY);
    app.step_workers().await;
    let events = app.published_of::<NotificationRead>().await;
    assert_eq!(events.len(), 600);
    assert!(events.iter().all(|event| event.unread_count == 0));
}
