//! Webhooks: making them, what they hear, and who may touch them.

use std::time::Duration;

use contracts::{
    id::UserId,
    project::{ProjectCreated, ProjectSnapshot},
};
use serde_json::{Value, json};
use testkit::Actor;

use crate::{
    target::Target,
    world::{App, World},
};

const HERE: &str = "[notification.webhooks]\nallow_private_targets = true\ntimeout_s = 1\nconnect_timeout_s = 1";
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A webhook of `user` to `target` that hears `types`.
async fn webhook(user: &Actor, target: &Target, types: &[&str]) -> Value {
    let body = json!({ "url": target.url(), "event_types": types });
    user.post("/v1/webhooks", body).await.expect(201).json
}

pub(crate) fn path(webhook: &Value) -> String {
    format!("/v1/webhooks/{}", webhook["id"].as_str().unwrap())
}

pub(crate) async fn deliveries(user: &Actor, webhook: &Value) -> Vec<Value> {
    let list = user.get(format!("{}/deliveries", path(webhook))).await.expect(200);
    list.json["items"].as_array().cloned().unwrap()
}

/// The only delivery of a webhook, with its attempts.
pub(crate) async fn delivery(user: &Actor, webhook: &Value) -> Value {
    let all = deliveries(user, webhook).await;
    assert_eq!(all.len(), 1, "{all:#?}");
    let id = all[0]["id"].as_str().unwrap();
    user.get(format!("/v1/deliveries/{id}")).await.expect(200).json
}

/// A project of the one user, who has a webhook to the other end.
pub(crate) async fn hooked(types: &[&str]) -> (App, Actor, Target, Value, World) {
    hooked_with("", types).await
}

pub(crate) async fn hooked_with(settings: &str, types: &[&str]) -> (App, Actor, Target, Value, World) {
    let (app, target, world) = (
        App::with(&format!("{HERE}\n{settings}")).await,
        Target::start().await,
        World::new(),
    );
    let ada = app.user();
    app.deliver(&world.added(ada.id, ada.id, 1)).await;
    let webhook = webhook(&ada, &target, types).await;
    (app, ada, target, webhook, world)
}

#[tokio::test]
async fn a_message_arrives_signed_as_standard_webhooks_has_it() {
    let (app, ada, target, webhook, world) = hooked(&["task.*"]).await;
    let event = world.assigned(ada.id, UserId::new(), 3);
    let id = app.deliver(&event).await;
    app.step_workers().await;
    let [message] = &target.received()[..] else {
        panic!("one message: {:#?}", target.received())
    };
    assert_eq!(message.path, "/hooks?team=7");
    assert_eq!(message.header("content-type"), "application/json");
    assert_eq!(message.header("webhook-id"), id.to_string());
    let data = message.json();
    assert_eq!(data["type"], "task.assigned.v1");
    assert_eq!(data["data"], serde_json::to_value(&event).unwrap());
    assert!(data["timestamp"].as_str().unwrap().ends_with('Z'));
    let secret = webhook["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    assert!(verifies(message, secret));
    assert!(!verifies(message, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")); // pragma: allowlist secret
}

/// Whether one of the signatures is by this secret.
pub(crate) fn verifies(message: &crate::target::Received, secret: &str) -> bool {
    let timestamp = message.header("webhook-timestamp").parse().unwrap();
    let id = message.header("webhook-id");
    let secret = secrecy::SecretString::from(secret.to_owned());
    let expected = notification::domain::signature::sign(&[secret], id, timestamp, message.body.as_bytes());
    let mut given = message.header("webhook-signature").split(' ');
    given.any(|signature| signature == expected)
}

#[tokio::test]
async fn the_secret_is_shown_once_and_after_a_rotation_both_sign_for_a_day() {
    let (app, ada, target, webhook, world) = hooked(&["task.*"]).await;
    let old = webhook["secret"].as_str().unwrap();
    let shown = ada.get(path(&webhook)).await.expect(200);
    assert!(!shown.text().contains("whsec_"), "{}", shown.text());
    let rotated = ada
        .post(format!("{}/rotate-secret", path(&webhook)), json!({}))
        .await
        .expect(200);
    let new = rotated.json["secret"].as_str().unwrap();
    assert_ne!(old, new);
    app.deliver(&world.assigned(ada.id, UserId::new(), 3)).await;
    app.step_workers().await;
    app.clock.advance(25 * HOUR);
    app.deliver(&world.assigned(ada.id, UserId::new(), 4)).await;
    app.step_workers().await;
    let [during, after] = &target.received()[..] else {
        panic!("two messages")
    };
    assert!(verifies(during, old) && verifies(during, new));
    assert!(!verifies(after, old) && verifies(after, new));
    let row = notification::store::webhook::all(app.db.read(), ada.id).await.unwrap();
    assert!(!format!("{row:?}").contains("whsec_"), "kept sealed");
}

#[tokio::test]
async fn an_endpoint_hears_what_concerns_its_owner_and_what_it_asked_for_and_nothing_else() {
    let (app, ada, target, _, world) = hooked(&["task.*", "member.*", "notification.created.v1"]).await;
    let (bo, elsewhere) = (UserId::new(), World::new());
    app.deliver(&world.due("2026-03-01T12:00:00Z", &[ada.id])).await;
    app.deliver(&world.comment(bo, &[], &[])).await;
    app.deliver(&elsewhere.assigned(bo, bo, 1)).await;
    app.deliver(&world.removed(ada.id, bo, 2)).await;
    app.deliver(&world.assigned(bo, bo, 2)).await;
    app.step_workers().await;
    let mut heard: Vec<String> = target.received().iter().map(crate::target::Received::kind).collect();
    heard.sort_unstable();
    assert_eq!(
        heard,
        ["member.removed.v1", "notification.created.v1", "task.due_soon.v1"]
    );
}

#[tokio::test]
async fn the_maker_of_a_project_hears_of_it_before_they_are_known_as_its_member() {
    let (app, target, world) = (App::with(HERE).await, Target::start().await, World::new());
    let ada = app.user();
    webhook(&ada, &target, &[]).await;
    app.deliver(&ProjectCreated {
        project_id: world.project,
        project: ProjectSnapshot {
            project_id: world.project,
            name: "Apollo".to_owned(),
            description: String::new(),
            archived_at: None,
            version: 1,
        },
        actor_id: ada.id,
    })
    .await;
    app.step_workers().await;
    assert_eq!(target.received()[0].kind(), "project.created.v1");
}

#[tokio::test]
async fn a_target_at_home_is_refused_when_it_is_named_and_when_its_name_leads_there() {
    let app = App::start().await;
    let (ada, target) = (app.user(), Target::start().await);
    for url in [
        "http://169.254.169.254/",
        "http://127.0.0.1:1/",
        "http://[::ffff:10.0.0.1]/",
        "http://localhost/",
    ] {
        let answer = ada.post("/v1/webhooks", json!({ "url": url })).await.expect(422);
        assert_eq!(answer.wrong(), ["#/url"], "{url}");
    }
    // Its name was given when it led elsewhere; now it leads here.
    let made = ada
        .post("/v1/webhooks", json!({ "url": "https://hooks.example.com/" }))
        .await
        .expect(201);
    let mut row = notification::store::webhook::all(app.db.read(), ada.id)
        .await
        .unwrap()
        .remove(0);
    row.url = format!("http://localhost:{}/hooks", target.port());
    app.db
        .write(async |tx| notification::store::webhook::update(tx, &row).await)
        .await
        .unwrap();
    ada.post(format!("{}/test", path(&made.json)), json!({}))
        .await
        .expect(201);
    app.step_workers().await;
    let refused = delivery(&ada, &made.json).await;
    assert_eq!(refused["state"], "failed");
    assert!(
        refused["error"]
            .as_str()
            .unwrap()
            .contains("no address of the public Internet"),
        "{refused:#}"
    );
    assert!(target.received().is_empty());
}

#[tokio::test]
async fn a_webhook_is_changed_by_version_and_goes_with_all_that_was_sent() {
    let (app, ada, target, webhook, world) = hooked(&["task.*"]).await;
    app.deliver(&world.assigned(ada.id, UserId::new(), 2)).await;
    app.step_workers().await;
    let change = |tag: &'static str, body: Value| {
        let call = ada.request("PATCH", path(&webhook)).header("if-match", tag);
        call.json(&body).send()
    };
    let answer = change(
        "\"v1\"",
        json!({ "event_types": ["task.*"], "description": " Build\nserver " }),
    );
    let answer = answer.await.expect(200);
    assert_eq!(answer.json["description"], "Build server");
    assert_eq!(answer.header("etag"), Some("\"v2\""));
    assert_eq!(
        change("\"v1\"", json!({})).await.expect(412).problem(),
        "precondition-failed"
    );
    let wrong = change("\"v2\"", json!({ "url": "nowhere", "event_types": ["birthday"] }))
        .await
        .expect(422);
    assert_eq!(wrong.wrong(), ["#/url", "#/event_types/0"]);
    let one = deliveries(&ada, &webhook).await.remove(0);
    ada.delete(path(&webhook)).await.expect(204);
    ada.get(path(&webhook)).await.expect(404);
    ada.get(format!("/v1/deliveries/{}", one["id"].as_str().unwrap()))
        .await
        .expect(404);
    app.deliver(&world.assigned(ada.id, UserId::new(), 3)).await;
    app.step_workers().await;
    assert_eq!(target.received().len(), 1);
}

#[tokio::test]
async fn a_request_sent_twice_makes_one_webhook_with_one_secret_and_nobody_has_too_many() {
    let app = App::with(HERE).await;
    let (ada, bo) = (app.user(), app.user());
    let create = || {
        let call = ada.post("/v1/webhooks", json!({ "url": "https://example.com/" }));
        call.header("idempotency-key", "once").send()
    };
    let (one, two) = (create().await.expect(201), create().await.expect(201));
    assert_eq!(one.json, two.json);
    for _ in 1..20 {
        ada.post("/v1/webhooks", json!({ "url": "https://example.com/" }))
            .await
            .expect(201);
    }
    let refused = ada
        .post("/v1/webhooks", json!({ "url": "https://example.com/" }))
        .await
        .expect(409);
    assert_eq!(refused.problem(), "too-many-webhooks");
    bo.post("/v1/webhooks", json!({ "url": "https://example.com/" }))
        .await
        .expect(201);
    assert_eq!(
        bo.get("/v1/webhooks").await.expect(200).json["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn nobody_sees_or_touches_what_is_somebody_elses() {
    let (app, ada, target, webhook, world) = hooked(&["task.*"]).await;
    app.deliver(&world.assigned(ada.id, UserId::new(), 2)).await;
    app.step_workers().await;
    let delivery = delivery(&ada, &webhook).await;
    let delivery = format!("/v1/deliveries/{}", delivery["id"].as_str().unwrap());
    app.check_foreign(&[
        ("/v1/webhooks/{id}", &path(&webhook)),
        ("/v1/deliveries/{id}", &delivery),
        (
            "/v1/projects/{id}/slack",
            &format!("/v1/projects/{}/slack", world.project),
        ),
    ])
    .await;
    let bo = app.user();
    assert_eq!(bo.get("/v1/deliveries").await.expect(200).json["items"], json!([]));
    let mine = ada
        .get("/v1/deliveries?channel=webhook&state=delivered")
        .await
        .expect(200);
    assert_eq!(mine.json["items"].as_array().unwrap().len(), target.received().len());
    assert_eq!(
        ada.get("/v1/deliveries?state=lost").await.expect(422).wrong(),
        ["?state"]
    );
}
