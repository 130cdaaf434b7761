//! What becomes of a message to a webhook: it is taken, tried again, given up, and sent again.

use contracts::{Event, id::UserId, notification::WebhookDisabled};
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    target::Verdict,
    webhooks::{HOUR, deliveries, delivery, hooked, hooked_with, path},
    world::types,
};

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
async fn an_endpoint_that_only_fails_is_disabled_after_days_and_its_owner_is_told_and_can_replay() {
    let (app, ada, target, webhook, world) = hooked(&["task.*"]).await;
    target.always(Verdict::Say("500 Internal Server Error", ""));
    let mut heard = Vec::new();
    for version in 2..6 {
        heard.push(app.deliver(&world.assigned(ada.id, UserId::new(), version)).await);
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
        format!("http://127.0.0.1:{}", target.port()),
        "without its query"
    );
    let published = app.published().await;
    let disabled = published.iter().find(|event| event.event_type == WebhookDisabled::TYPE);
    let disabled = disabled.expect("the event");
    assert!(
        disabled.causation_id.is_some_and(|because| heard.contains(&because)),
        "because of a message that failed"
    );
    let told = published.iter().find(|event| event.data["kind"] == "webhook_disabled");
    let told = told.expect("a notification");
    assert_eq!(
        (told.causation_id, &told.trace_id),
        (disabled.causation_id, &disabled.trace_id)
    );
    assert!(told.trace_id.is_some());

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
