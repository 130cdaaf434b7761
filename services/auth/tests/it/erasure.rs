//! Closing an account: what is gone at once, and how the rest is waited for.

use contracts::{
    Event, Timestamp,
    analytics::AnalyticsErased,
    auth::{SessionRevoked, TokenRevoked, UserDeleted, UserErased},
    billing::BillingErased,
    gateway::GatewayErased,
    id::UserId,
    notification::NotificationErased,
    project::ProjectErased,
};
use serde_json::{Value, json};

use crate::hub::{Hub, PASSWORD, Person, text};

async fn close(person: &Person) -> Value {
    let call = person
        .actor
        .request("DELETE", "/v1/me")
        .json(&json!({ "password": PASSWORD }));
    call.await.expect(202).json
}

#[tokio::test]
async fn a_closed_account_is_gone_at_once_and_its_address_is_free() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let body = json!({ "name": "ci", "scopes": ["tasks:read"] });
    let token = text(&ada.actor.post("/v1/tokens", body).await.expect(201).json, "token");
    let erasure = close(&ada).await;
    assert_eq!(
        (&erasure["status"], &erasure["user_id"]),
        (&json!("running"), &json!(ada.id))
    );
    ada.actor.get("/v1/me").await.expect(401);
    hub.refresh(&ada.refresh_token).await.expect(401);
    assert_eq!(hub.introspect(&ada.access_token).await["active"], false);
    assert_eq!(hub.introspect(&token).await["active"], false);
    hub.login("ada@example.com", PASSWORD).await.expect(401);
    assert_ne!(hub.person("ada@example.com").await.id, ada.id);
    let deleted = hub.app.published_of::<UserDeleted>().await;
    assert_eq!((deleted[0].user_id, deleted[0].version), (ada.id, 2));
    let revoked = hub.app.published_of::<SessionRevoked>().await;
    assert_eq!(revoked[0].reason, "account_deleted");
    assert_eq!(hub.app.published_of::<TokenRevoked>().await.len(), 1);
}

#[tokio::test]
async fn nothing_that_is_left_names_the_person_and_no_admin_brings_it_back() {
    let hub = Hub::start().await;
    let (root, ada) = (hub.admin("root@example.com").await, hub.person("ada@example.com").await);
    close(&ada).await;
    let path = format!("/v1/users/{}", ada.id);
    let left = root.actor.get(&path).await.expect(200);
    assert!(!left.text().contains("ada"), "{}", left.text());
    assert_eq!(
        (&left.json["display_name"], &left.json["disabled"]),
        (&json!("Deleted user"), &json!(true))
    );
    let enable = root
        .actor
        .patch(&path, json!({ "disabled": false }))
        .header("if-match", "*")
        .await;
    assert_eq!(enable.problem(), "user-not-found");
    assert_eq!(
        root.actor.get("/v1/users?query=ada@").await.expect(200).json["items"],
        json!([])
    );
}

#[tokio::test]
async fn the_erasure_is_complete_when_every_service_has_said_so_and_is_told_once() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let erasure = close(&ada).await;
    let path = format!("/v1/erasures/{}", text(&erasure, "id"));
    let read = async || hub.app.anonymous().get(&path).await.expect(200).json;
    let waiting: Vec<String> = erasure["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| text(part, "service"))
        .collect();
    let mut hearing = contracts::consumers::of(UserDeleted::TYPE);
    hearing.sort_unstable();
    assert_eq!(waiting, hearing);
    let (user_id, erased_at) = (ada.id, Timestamp::now());
    hub.app.deliver(&BillingErased { user_id, erased_at }).await;
    hub.app.deliver(&NotificationErased { user_id, erased_at }).await;
    hub.app.deliver(&AnalyticsErased { user_id, erased_at }).await;
    hub.app
        .deliver(&ProjectErased {
            user_id: ada.id,
            erased_at,
        })
        .await;
    hub.app
        .deliver(&ProjectErased {
            user_id: ada.id,
            erased_at,
        })
        .await;
    assert_eq!(read().await["status"], "running");
    assert_eq!(hub.app.published_of::<UserErased>().await, []);
    hub.app
        .deliver(&GatewayErased {
            user_id: ada.id,
            erased_at,
        })
        .await;
    hub.app
        .deliver(&GatewayErased {
            user_id: ada.id,
            erased_at,
        })
        .await;
    let done = read().await;
    assert_eq!(
        (&done["status"], &done["completed_at"]),
        (&json!("completed"), &json!(erased_at))
    );
    assert_eq!(
        hub.app.published_of::<UserErased>().await,
        [UserErased {
            user_id: ada.id,
            erased_at
        }]
    );
    hub.app
        .deliver(&ProjectErased {
            user_id: UserId::new(),
            erased_at,
        })
        .await;
}

#[tokio::test]
async fn an_account_is_not_closed_without_its_password_or_by_a_token_or_as_the_last_admin() {
    let hub = Hub::start().await;
    let (root, ada) = (hub.admin("root@example.com").await, hub.person("ada@example.com").await);
    let wrong = ada
        .actor
        .request("DELETE", "/v1/me")
        .json(&json!({ "password": "another one" }))
        .await;
    assert_eq!((wrong.problem(), wrong.wrong()), ("wrong-password", vec!["#/password"]));
    let last = root
        .actor
        .request("DELETE", "/v1/me")
        .json(&json!({ "password": PASSWORD }))
        .await;
    assert_eq!((last.status, last.problem()), (409, "last-admin"));
    ada.actor.get("/v1/me").await.expect(200);
    assert_eq!(hub.app.published_of::<UserDeleted>().await, []);
    hub.app.anonymous().get("/v1/erasures/cth_er_guessed").await.expect(404);
}

#[tokio::test]
async fn everybody_can_read_what_auth_holds_about_them() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let body = json!({ "name": "ci", "scopes": ["tasks:read"] });
    let token = text(&ada.actor.post("/v1/tokens", body).await.expect(201).json, "token");
    let answer = ada.actor.get("/v1/personal-data/auth").await.expect(200);
    assert_eq!(answer.json["account"]["email"], "ada@example.com");
    assert_eq!(answer.json["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer.json["tokens"][0]["name"], "ci");
    assert!(
        answer.json["clients"]
            .as_array()
            .is_some_and(|clients| !clients.is_empty())
    );
    for secret in [&token, &ada.refresh_token] {
        assert!(!answer.text().contains(secret.as_str()));
    }
}
