//! The badge is what is unread, whatever happens in whatever order.

use contracts::notification::{NotificationCreated, NotificationRead};
use proptest::prelude::*;
use serde_json::json;

use crate::world::{App, World, badge, id_of, inbox};

#[derive(Debug, Clone)]
enum Happening {
    Assigned { task: usize, version: i64 },
    Comment { comment: usize },
    Edit { comment: usize, mention: bool },
    TaskDeleted { task: usize },
    ReadOne { position: usize },
    ReadAll { up_to: Option<usize> },
    Mute { mentions: bool, comments: bool },
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        (0..3_usize, 1..4_i64).prop_map(|(task, version)| Happening::Assigned { task, version }),
        (0..4_usize).prop_map(|comment| Happening::Comment { comment }),
        (0..4_usize, any::<bool>()).prop_map(|(comment, mention)| Happening::Edit { comment, mention }),
        (0..3_usize).prop_map(|task| Happening::TaskDeleted { task }),
        (0..6_usize).prop_map(|position| Happening::ReadOne { position }),
        proptest::option::of(0..6_usize).prop_map(|up_to| Happening::ReadAll { up_to }),
        any::<(bool, bool)>().prop_map(|(mentions, comments)| Happening::Mute { mentions, comments }),
    ];
    proptest::collection::vec(one, 1..25)
}

/// Everything is delivered under new event ids, so that repetitions are replays which the inbox has forgotten.
async fn live(happenings: Vec<Happening>) {
    let app = App::start().await;
    let (ada, bo) = (app.user(), app.user());
    let worlds = [World::new(), World::new(), World::new()];
    let comments: Vec<_> = (0..4)
        .map(|n| (worlds[n % 3], worlds[n % 3].comment(ada.id, &[], &[bo.id])))
        .collect();
    for happening in happenings {
        match happening {
            Happening::Assigned { task, version } => {
                app.deliver(&worlds[task].assigned(bo.id, ada.id, version)).await;
            }
            Happening::Comment { comment } => {
                app.deliver(&comments[comment].1).await;
            }
            Happening::Edit { comment, mention } => {
                let (world, comment) = &comments[comment];
                let mentioned = if mention { vec![bo.id] } else { vec![] };
                app.deliver(&world.edited(comment, "changed", &mentioned)).await;
            }
            Happening::TaskDeleted { task } => {
                app.deliver(&worlds[task].task_deleted(ada.id)).await;
            }
            Happening::ReadOne { position } => {
                if let Some(one) = inbox(&bo).await.get(position) {
                    bo.post("/v1/notifications/read", json!({ "ids": [one["id"]] }))
                        .await
                        .expect(200);
                }
            }
            Happening::ReadAll { up_to } => {
                let up_to = match up_to {
                    Some(position) => inbox(&bo).await.get(position).map(id_of),
                    None => None,
                };
                let body = up_to.map_or(json!({ "all": true }), |up_to| json!({ "all": true, "up_to": up_to }));
                bo.post("/v1/notifications/read", body).await.expect(200);
            }
            Happening::Mute { mentions, comments } => {
                let one = |kind: &str, in_app: bool| json!({ "type": kind, "in_app": in_app });
                let body = json!({ "preferences": [one("mentioned", !mentions), one("task_commented", !comments)] });
                bo.request("PUT", "/v1/notification-preferences")
                    .header("if-match", "*")
                    .json(&body)
                    .await
                    .expect(200);
            }
        }
        let unread = badge(&bo).await;
        assert_eq!(last_told(&app).await, unread, "what clients were told last");
    }
}

/// The number in the newest event.
async fn last_told(app: &App) -> u64 {
    app.published().await.last().map_or(0, |event| {
        let created = event.as_event::<NotificationCreated>().map(|event| event.unread_count);
        created
            .or_else(|| event.as_event::<NotificationRead>().map(|event| event.unread_count))
            .expect("an event of ours")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_badge_is_what_is_unread_and_what_clients_were_told_last(happenings in happenings()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(live(happenings));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reading_while_notifications_come_loses_no_count() {
    let app = App::start().await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    let events = async {
        for version in 1..=30 {
            app.deliver(&world.assigned(bo.id, ada.id, version)).await;
        }
    };
    let reads = async {
        for _ in 0..15 {
            tokio::join!(
                async {
                    bo.post("/v1/notifications/read", json!({ "all": true }))
                        .await
                        .expect(200)
                },
                async {
                    bo.post("/v1/notifications/read", json!({ "all": true }))
                        .await
                        .expect(200)
                },
            );
        }
    };
    tokio::join!(events, reads);
    let unread = badge(&bo).await;
    assert_eq!(last_told(&app).await, unread);
    let marked: u64 = 30 - unread;
    let read = inbox(&bo).await.iter().filter(|one| one["read_at"].is_string()).count() as u64;
    assert_eq!(read, marked);
}
