//! The master key is exchanged, and nobody has to give a secret again.

use notification::Notification;
use serde_json::json;
use testkit::TestService;

use crate::{
    target::Target,
    webhooks::verifies,
    world::{App, World},
};

const HERE: &str = "[notification.webhooks]\nallow_private_targets = true";
const OLD: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="; // pragma: allowlist secret
const NEW: &str = "//////////////////////////////////////////8=";

async fn replica(app: &App, key: &str, other: &str) -> TestService<Notification> {
    let own = format!("master_key = \"{key}\"\nmaster_key_other = \"{other}\"\nmail_url = \"file:///nowhere\"");
    app.twin(&format!("[notification]\n{own}\n{HERE}")).await
}

#[tokio::test]
async fn webhooks_and_slack_work_on_after_the_master_key_was_exchanged() {
    let (app, target, world) = (App::with(HERE).await, Target::start().await, World::new());
    let ada = app.user();
    let webhook = ada
        .post("/v1/webhooks", json!({ "url": target.url() }))
        .await
        .expect(201)
        .json;
    ada.put("/v1/slack", json!({ "url": target.url() })).await.expect(200);

    // A replica that knows the next key leaves everything under the one in use.
    replica(&app, OLD, NEW).await.step_workers().await;
    app.deliver(&world.assigned(ada.id, ada.id, 1)).await;
    app.step_workers().await;
    let before = target.received().len();
    assert!(before >= 1);

    // One that seals under the new key seals what there is anew, and then the old key is needed by nobody.
    replica(&app, NEW, OLD).await.step_workers().await;
    let alone = replica(&app, NEW, "").await;
    alone.deliver(&world.assigned(ada.id, ada.id, 2)).await;
    alone.step_workers().await;
    let received = target.received();
    assert_eq!(received.len(), 2 * before, "as much as before");
    let secret = webhook["secret"].as_str().unwrap();
    assert!(received[before..].iter().any(|message| verifies(message, secret)));
}
