//! How fast webhooks leave: a measurement, not a check. Run it with
//! `cargo test --release -p notification --test stories speed -- --ignored --nocapture`.

use std::time::Instant;

use contracts::id::UserId;
use serde_json::json;

use crate::{
    target::Target,
    world::{App, World},
};

const MESSAGES: usize = 10_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn ten_thousand_messages_to_one_target() {
    let settings = "[notification.webhooks]\nallow_private_targets = true";
    let (app, target, world) = (App::with(settings).await, Target::start().await, World::new());
    let ada = app.user();
    ada.post(
        "/v1/webhooks",
        json!({ "url": target.url(), "event_types": ["task.*"] }),
    )
    .await
    .expect(201);
    let written = Instant::now();
    for version in 0..MESSAGES {
        let version = i64::try_from(version).unwrap();
        app.deliver(&world.assigned(UserId::new(), ada.id, version)).await;
    }
    println!("{MESSAGES} events written down in {:?}", written.elapsed());
    let sent = Instant::now();
    while target.count() < MESSAGES {
        app.step("deliveries").await.unwrap();
    }
    println!("{MESSAGES} webhooks delivered and recorded in {:?}", sent.elapsed());
}
