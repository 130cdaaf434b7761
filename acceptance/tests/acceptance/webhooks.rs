//! Events leave the house: signed, again when nobody was there, and to no address that leads back in.

use acceptance::{Hub, Person, Target, hub::Start, until};
use serde_json::{Value, json};

const ALLOWED: &str = "CLOUDTASKHUB_NOTIFICATION__WEBHOOKS__ALLOW_PRIVATE_TARGETS";

/// A webhook of `person` that hears of new tasks.
async fn webhook(person: &Person, url: &str) -> Value {
    let body = json!({ "url": url, "event_types": ["task.created.v1"] });
    person.post("/v1/webhooks", body).await.expect(201)
}

/// Waits until a webhook's only delivery is in this state, and answers it with its attempts.
async fn delivery(person: &Person, webhook: &Value, state: &str) -> Value {
    let path = format!("/v1/webhooks/{}/deliveries", webhook["id"].as_str().expect("an id"));
    let found = until(&format!("the delivery is {state}"), async || {
        let list = person.get(&path).await.expect(200);
        let items = list["items"].as_array().expect("items");
        assert!(items.len() <= 1, "{items:#?}");
        items.first().filter(|item| item["state"] == state).cloned()
    })
    .await;
    let path = format!("/v1/deliveries/{}", found["id"].as_str().expect("an id"));
    person.get(&path).await.expect(200)
}

#[tokio::test]
async fn a_new_task_reaches_an_endpoint_signed_and_once_more_when_that_was_not_there() {
    let hub = Hub::any_or(Start::default().with(ALLOWED, "true")).await;
    let target = Target::answering(&[503]).await;
    let ada = Person::join(&hub, "ada").await;
    let project = ada.create_project("Apollo").await;
    let webhook = webhook(&ada, target.url()).await;
    let task = ada.create_task(&project, json!({ "title": "Fix the valve" })).await;

    let messages = target.got(2).await;
    let [refused, taken] = &messages[..] else {
        panic!("two attempts: {messages:#?}")
    };
    let secret = webhook["secret"].as_str().expect("a secret");
    for message in [refused, taken] {
        assert!(message.is_signed_by(secret), "{message:?}");
        assert!(!message.is_signed_by("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")); // pragma: allowlist secret
        assert_eq!(message.header("content-type"), "application/json");
        let said = message.json();
        assert_eq!(said["type"], "task.created.v1");
        assert_eq!(said["data"]["task"]["title"], "Fix the valve");
        assert_eq!(said["data"]["task_id"], task["id"]);
    }
    assert!(refused.header("webhook-id").starts_with("evt_"));
    assert_eq!(refused.header("webhook-id"), taken.header("webhook-id"));

    // The owner sees both attempts, and who would verify them cannot: the secret is shown once.
    let delivered = delivery(&ada, &webhook, "delivered").await;
    assert_eq!(delivered["message_id"], taken.header("webhook-id"));
    let log = delivered["log"].as_array().expect("attempts");
    let statuses: Vec<&Value> = log.iter().map(|attempt| &attempt["status"]).collect();
    assert_eq!(statuses, [&json!(503), &json!(204)], "{delivered:#}");
    assert!(!delivered.to_string().contains(secret), "{delivered:#}");
    let eve = Person::join(&hub, "eve").await;
    let path = format!("/v1/webhooks/{}", webhook["id"].as_str().expect("an id"));
    assert_eq!(eve.get(&path).await.status, 404);
}

#[tokio::test]
async fn strangers_tasks_reach_nobody_elses_endpoint() {
    let hub = Hub::any_or(Start::default().with(ALLOWED, "true")).await;
    let target = Target::answering(&[]).await;
    let (ada, bob) = (Person::join(&hub, "ada").await, Person::join(&hub, "bob").await);
    let (own, foreign) = (ada.create_project("Own").await, bob.create_project("Foreign").await);
    webhook(&ada, target.url()).await;
    bob.create_task(&foreign, json!({ "title": "Secret" })).await;
    ada.bring_in(&own, &bob, "member").await;
    // Who tells of tasks knows by then whose project it is.
    bob.notified("project_invited").await;
    bob.create_task(&own, json!({ "title": "Shared" })).await;
    let messages = target.got(1).await;
    let titles: Vec<Value> = messages
        .iter()
        .map(|message| message.json()["data"]["task"]["title"].clone())
        .collect();
    assert_eq!(titles, ["Shared"]);
}

#[tokio::test]
#[cfg_attr(not(feature = "own-hub"), ignore = "sets what targets are allowed")]
async fn an_endpoint_inside_of_the_operators_network_is_refused() {
    let hub = Hub::own().await;
    let ada = Person::join(&hub, "ada").await;
    for url in [
        "http://127.0.0.1:8080/hooks",
        "http://10.0.0.7/hooks",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/hooks",
        "http://localhost/hooks",
    ] {
        let answer = ada.post("/v1/webhooks", json!({ "url": url })).await;
        assert_eq!((answer.status, answer.problem()), (422, "validation-failed"), "{url}");
        assert_eq!(answer.json["errors"][0]["pointer"], "#/url", "{}", answer.text);
    }
    assert_eq!(ada.get("/v1/webhooks").await.expect(200)["items"], json!([]));
}

#[tokio::test]
#[cfg_attr(not(feature = "own-hub"), ignore = "sets what targets are allowed")]
async fn an_endpoint_that_the_operator_allowed_once_gets_nothing_when_that_was_taken_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let allowed = Start::default().in_folder(folder.path()).with(ALLOWED, "true");
    let hub = allowed.ready().await;
    let target = Target::answering(&[]).await;
    let mut ada = Person::join(&hub, "ada").await;
    let project = ada.create_project("Apollo").await;
    let webhook = webhook(&ada, target.url()).await;
    assert!(hub.interrupt().await.success());

    let hub = Start::default().in_folder(folder.path()).ready().await;
    ada.move_to(&hub);
    ada.create_task(&project, json!({ "title": "Fix the valve" })).await;
    let failed = delivery(&ada, &webhook, "failed").await;
    let reason = failed["error"].as_str().expect("a reason");
    assert!(reason.contains("no address of the public Internet"), "{reason}");
    assert!(target.messages().is_empty());
    assert!(hub.interrupt().await.success());
}
