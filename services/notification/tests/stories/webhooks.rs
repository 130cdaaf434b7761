//! Webhooks: making them, what they hear, and what becomes of a message.

use std::time::Duration;

use contracts::{
    id::UserId,
    notification::WebhookDisabled,
    project::{ProjectCreated, ProjectSnapshot},
};
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Actor;

use crate::{
    target::{Target, Verdict},
    world::{App, World, types},
};

const HERE: &str = "[notification.webhooks]\nallow_private_targets = true\ntimeout_s = 1\nconnect_timeout_s = 1";
const HOUR: Duration = Duration::from_secs(3600);

/// A webhook of `user` to `target` that hears `types`.
async fn webhook(user: &Actor, target: &Target, types: &[&str]) -> Value {
    let body = json!({ "url": target.url(), "event_types": types });
    user.post("/v1/webhooks", body).await.expect(201).json
}

fn path(webhook: &Value) -> String {
    format!("/v1/webhooks/{}", webhook["id"].as_str().unwrap())
}

async fn deliveries(user: &Actor, webhook: &Value) -> Vec<Value> {
    let list = user.get(format!("{}/deliveries", path(webhook))).await.expect(200);
    list.json["items"].as_array().cloned().unwrap()
}

/// The only delivery of a webhook, with its attempts.
async fn delivery(user: &Actor, webhook: &Value) -> Value {
    let all = deliveries(user, webhook).await;
    assert_eq!(all.len(), 1, "{all:#?}");
    let id = all[0]["id"].as_str().unwrap();
    user.get(format!("/v1/deliveries/{id}")).await.expect(200).json
}

/// A project of the one user, who has a webhook to the other end.
async fn hooked(types: &[&str]) -> (App, Actor, Target, Value, World) {
    hooked_with("", types).await
}

async fn hooked_with(settings: &str, types: &[&str]) -> (App, Actor, Target, Value, World) {
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
async fn an_event_that_is_handled_twice_makes_one_message() {
    let (app, ada, target, _, world) = hooked(&["task.*"]).await;
    let event = world.assigned(ada.id, UserId::new(), 3);
    let envelope = app.envelope(&event);
    let value = serde_json::to_vec(&event).unwrap();
    app.deliver_as(&envelope, value.clone()).await;
    app.deliver_as(&envelope, value).await;
    app.step_workers().await;
    app.step_workers().await;
    assert_eq!(target.received().len(), 1);
}

#[tokio::test]
async fn a_message_that_fails_comes_again_under_the_same_id_until_it_is_taken() {
    let (app, ada, target, webhook, world) = hooked(&["task.*"]).await;
    target.answers([
        Verdict::Say(
            "500 Internal Server Error",
            "content-type: text/plain\n\nout of\0 order",
        ),
        Verdict::Close,
        Verdict::Say("200 OK", ""),
    ]);
    app.deliver(&world.assigned(ada.id, UserId::new(), 3)).await;
    app.step_workers().await;
    let waiting = delivery(&ada, &webhook).await;
    assert_eq!(waiting["state"], "retry_scheduled");
    assert_eq!(waiting["error"], "the endpoint answered 500 Internal Server Error");
    app.step_workers().await;
    assert_eq!(target.received().len(), 1, "not before its time");
    for _ in 0..2 {
        app.clock.advance(HOUR);
        app.step_workers().await;
    }
    let done = delivery(&ada, &webhook).await;
    assert_eq!((&done["state"], &done["attempts"]), (&json!("delivered"), &json!(3)));
    let ids: Vec<_> = target
        .received()
        .iter()
        .map(|one| one.header("webhook-id").to_owned())
        .collect();
    assert!(ids.iter().all(|id| *id == done["message_id"]), "{ids:?}");
    let log = done["log"].as_array().unwrap();
    let results: Vec<_> = log.iter().map(|one| one["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["failed", "failed", "delivered"]);
    assert_eq!(log[0]["status"], 500);
    assert!(log[0]["response"].as_str().unwrap().contains("out of\u{fffd} order"));
    assert!(log[0]["request"].as_str().unwrap().contains("webhook-id: evt_"));
    let all = done.to_string();
    assert!(
        !all.contains("webhook-signature") && !all.contains("team=7"),
        "no secrets: {all}"
    );
}

#[rstest]
#[case::redirects(
    Verdict::Say("302 Found", "location: http://169.254.169.254/latest/meta-data"),
    "302 Found; redirects are not followed"
)]
#[case::never_answers(Verdict::Hang, "did not answer within 1 s")]
#[case::breaks_off(Verdict::Close, "cannot be reached")]
#[case::is_unwell(
    Verdict::Say("503 Service Unavailable", "retry-after: 7200"),
    "503 Service Unavailable"
)]
#[tokio::test]
async fn a_target_that_does_not_take_a_message_is_explained_and_tried_for_a_day(
    #[case] verdict: Verdict,
    #[case] told: &str,
) {
    let (app, ada, target, webhook, world) = hooked_with("disable_after_s = 864000", &["task.*"]).await;
    target.always(verdict);
    app.deliver(&world.assigned(ada.id, UserId::new(), 3)).await;
    app.step_workers().await;
    let waiting = delivery(&ada, &webhook).await;
    assert_eq!(waiting["state"], "retry_scheduled");
    assert!(waiting["error"].as_str().unwrap().contains(told), "{waiting:#}");
    for _ in 0..9 {
        app.clock.advance(12 * HOUR);
        app.step_workers().await;
    }
    let given_up = delivery(&ada, &webhook).await;
    assert_eq!(
        (&given_up["state"], &given_up["attempts"]),
        (&json!("failed"), &json!(10))
    );
    assert_eq!(given_up["next_attempt_at"], Value::Null);
}

#[tokio::test]
async fn a_target_that_asks_for_time_gets_it() {
    let (app, ada, target, _, world) = hooked(&["task.*"]).await;
    target.answers([Verdict::Say("429 Too Many Requests", "retry-after: 7200")]);
    app.deliver(&world.assigned(ada.id, UserId::new(), 3)).await;
    app.step_workers().await;
    app.clock.advance(HOUR);
    app.step_workers().await;
    assert_eq!(target.received().len(), 1);
    app.clock.advance(2 * HOUR);
    app.step_workers().await;
    assert_eq!(target.received().len(), 2);
}

#[tokio::test]
async fn of_an_answer_of_a_gigabyte_only_the_beginning_is_read_and_its_status_counts() {
    let (app, ada, target, webhook, world) = hooked(&["task.*"]).await;
    target.answers([Verdict::Flood]);
    app.deliver(&world.assigned(ada.id, UserId::new(), 3)).await;
    app.step_workers().await;
    let done = delivery(&ada, &webhook).await;
    assert_eq!(done["state"], "delivered");
    let kept = done["log"][0]["response"].as_str().unwrap();
    assert!(kept.starts_with("200 OK") && kept.len() < 5000, "{} bytes", kept.len());
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
    row.url = format!("http://localhost:{}/hooks", target.port);
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
async fn an_endpoint_that_only_fails_is_disabled_after_days_and_its_owner_is_told_and_can_replay() {
    let (app, ada, target, webhook, world) = hooked(&["task.*"]).await;
    target.always(Verdict::Say("500 Internal Server Error", ""));
    for version in 2..6 {
        app.deliver(&world.assigned(ada.id, UserId::new(), version)).await;
        app.step_workers().await;
        app.clock.advance(24 * HOUR);
    }
    app.step_workers().await;
    let shown = ada.get(path(&webhook)).await.expect(200);
    assert_eq!(shown.json["enabled"], false);
    assert!(
        shown.json["disabled_reason"]
            .as_str()
            .unwrap()
            .starts_with("every attempt since ")
    );
    assert!(types(&ada).await.contains(&"webhook_disabled".to_owned()));
    let [event] = &app.published_of::<WebhookDisabled>().await[..] else {
        panic!("one event")
    };
    assert_eq!(
        event.url,
        format!("http://127.0.0.1:{}", target.port),
        "without its query"
    );

    // What happens meanwhile is kept for a replay, and nothing is sent.
    let calls = target.received().len();
    app.deliver(&world.assigned(ada.id, UserId::new(), 6)).await;
    app.clock.advance(24 * HOUR);
    app.step_workers().await;
    assert_eq!(target.received().len(), calls);
    assert!(
        deliveries(&ada, &webhook)
            .await
            .iter()
            .all(|one| one["state"] == "failed")
    );
    let replay = json!({ "since": "2020-01-01T00:00:00Z" });
    let answer = ada
        .post(format!("{}/replay", path(&webhook)), replay.clone())
        .await
        .expect(409);
    assert_eq!(answer.problem(), "webhook-disabled");

    target.always(Verdict::Say("200 OK", ""));
    let enable = ada.request("PATCH", path(&webhook)).header("if-match", "*");
    enable.json(&json!({ "enabled": true })).await.expect(200);
    let replayed = ada
        .post(format!("{}/replay", path(&webhook)), replay.clone())
        .await
        .expect(200);
    assert_eq!(replayed.json, json!({ "queued": 5, "more": false }));
    app.step_workers().await;
    assert!(
        deliveries(&ada, &webhook)
            .await
            .iter()
            .all(|one| one["state"] == "delivered")
    );
    let again = ada.post(format!("{}/replay", path(&webhook)), replay).await.expect(200);
    assert_eq!(again.json["queued"], 0, "what was delivered is not sent again");
}

#[tokio::test]
async fn an_endpoint_that_says_it_is_gone_is_disabled_at_once() {
    let (app, ada, target, webhook, world) = hooked(&["task.*"]).await;
    target.answers([Verdict::Say("410 Gone", "")]);
    app.deliver(&world.assigned(ada.id, UserId::new(), 2)).await;
    app.step_workers().await;
    let shown = ada.get(path(&webhook)).await.expect(200);
    assert_eq!(shown.json["disabled_reason"], "the endpoint answered 410 Gone");
    assert_eq!(delivery(&ada, &webhook).await["state"], "failed");
}

#[tokio::test]
async fn a_test_message_can_be_sent_and_a_delivery_sent_again() {
    let (app, ada, target, webhook, _) = hooked(&["invoice.*"]).await;
    let sent = ada
        .post(format!("{}/test", path(&webhook)), json!({}))
        .await
        .expect(201);
    app.step_workers().await;
    assert_eq!(target.received()[0].kind(), "webhook.test");
    let delivery = sent.header("location").unwrap().to_owned();
    assert_eq!(ada.get(&delivery).await.expect(200).json["state"], "delivered");
    ada.post(format!("{delivery}/resend"), json!({})).await.expect(200);
    let early = ada.post(format!("{delivery}/resend"), json!({})).await.expect(409);
    assert_eq!(early.problem(), "delivery-not-ended");
    app.step_workers().await;
    let [first, second] = &target.received()[..] else {
        panic!("two messages")
    };
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
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
