//! Nobody learns who has an account: the answers are the same, and so is the work.

use serde_json::json;
use testkit::Answer;

use crate::hub::{Hub, PASSWORD};

/// All of an answer that a client can see, without what differs by request.
fn seen(answer: &Answer) -> (u16, Vec<(String, String)>, serde_json::Value) {
    let volatile = ["x-request-id", "traceparent", "date"];
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .filter(|(name, _)| !volatile.contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    let mut json = answer.json.clone();
    if let Some(fields) = json.as_object_mut() {
        fields.remove("trace_id");
    }
    (answer.status, headers, json)
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_get_the_same_answer_up_to_the_delay() {
    let hub = Hub::start().await;
    hub.register("ada@example.com").await.expect(201);
    for attempt in 0..8 {
        let known = hub
            .login_from("ada@example.com", "wrong password", "198.51.100.1", "curl/8")
            .await;
        let unknown = hub
            .login_from("nobody@example.com", "wrong password", "198.51.100.2", "curl/8")
            .await;
        assert_eq!(seen(&known), seen(&unknown), "attempt {attempt}");
        assert_eq!(known.status, if attempt < 5 { 401 } else { 429 });
    }
}

#[tokio::test]
async fn what_is_no_address_is_as_unknown_as_one_that_nobody_has() {
    let hub = Hub::start().await;
    let unknown = seen(&hub.login("nobody@example.com", "wrong password").await);
    for address in ["", "ada", "a@b", "ada@example.com\0", &"x".repeat(10_000)] {
        assert_eq!(
            seen(&hub.login(address, "wrong password").await),
            unknown,
            "{address:?}"
        );
    }
    assert_eq!(seen(&hub.login("nobody@example.com", "").await), unknown);
    assert_eq!(
        seen(&hub.login("nobody@example.com", &"x".repeat(100_000)).await),
        unknown
    );
}

#[tokio::test]
async fn only_who_knows_the_password_learns_that_an_account_is_disabled() {
    let hub = Hub::start().await;
    let (admin, ada) = (hub.admin("root@example.com").await, hub.person("ada@example.com").await);
    let disable = admin
        .actor
        .patch(format!("/v1/users/{}", ada.id), json!({ "disabled": true }));
    disable.header("if-match", "*").await.expect(200);
    let unknown = hub.login("nobody@example.com", "wrong password").await;
    assert_eq!(
        seen(&hub.login("ada@example.com", "wrong password").await),
        seen(&unknown)
    );
    assert_eq!(
        hub.login("ada@example.com", PASSWORD).await.expect(403).problem(),
        "account-disabled"
    );
}

#[tokio::test]
async fn asking_for_a_new_password_gets_the_same_answer_and_leaves_the_same_trace_for_everybody() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    hub.mails().await;
    let forgot = async |email: &str| {
        hub.app
            .anonymous()
            .post("/v1/auth/forgot", json!({ "email": email }))
            .await
    };
    let (before, known) = (rows(&hub).await, forgot("ada@example.com").await);
    let (between, unknown) = (rows(&hub).await, forgot("nobody@example.com").await);
    assert_eq!(seen(&known), seen(&unknown));
    assert_eq!(
        (known.status, between - before, rows(&hub).await - between),
        (204, 1, 1),
        "one row each"
    );

    // Only later, when nobody is waiting for an answer, does it make a difference.
    let mails = hub.mails().await;
    assert_eq!(mails.iter().filter(|mail| mail.contains("#cth_pr_")).count(), 1);
    assert!(mails.iter().all(|mail| !mail.contains("nobody@example.com")));
    let _ = ada;
}

async fn rows(hub: &Hub) -> u64 {
    use sea_orm::{EntityTrait, PaginatorTrait};
    let mails = auth::store::mail::Entity::find()
        .count(hub.app.db.read())
        .await
        .unwrap();
    let codes = auth::store::code::Entity::find()
        .count(hub.app.db.read())
        .await
        .unwrap();
    mails + codes
}

#[tokio::test]
async fn an_unknown_users_password_is_hashed_like_a_known_ones() {
    // One hash fills the machine: whoever is refused was going to be hashed.
    let hub = Hub::with("argon2_waiting = 0\nargon2_memory_kib = 65536\naccount_attempts = 100").await;
    hub.register("ada@example.com").await.expect(201);
    for email in ["ada@example.com", "nobody@example.com"] {
        let burst = (0..12).map(|n| {
            let hub = &hub;
            async move {
                hub.login_from(email, "wrong", &format!("198.51.100.{n}"), "curl/8")
                    .await
                    .status
            }
        });
        let statuses = futures_util::future::join_all(burst).await;
        assert!(
            statuses.contains(&401) && statuses.contains(&503),
            "{email}: {statuses:?}"
        );
    }
}
