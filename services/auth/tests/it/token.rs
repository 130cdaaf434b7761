use std::time::Duration;

use contracts::auth::{TokenCreated, TokenRevoked};
use serde_json::json;
use testkit::Answer;

use crate::hub::{Hub, Person, text};

async fn make(person: &Person, scopes: &[&str]) -> Answer {
    person
        .actor
        .post("/v1/tokens", json!({ "name": "ci", "scopes": scopes }))
        .await
}

#[tokio::test]
async fn a_token_is_shown_once_and_its_making_is_told_without_it() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let made = make(&ada, &["tasks:write", "tasks:read"]).await.expect(201);
    let (id, secret) = (text(&made.json, "id"), text(&made.json, "token"));
    assert!(id.starts_with("pat_") && secret.starts_with("cth_pat_"));
    assert_eq!(made.header("location"), Some(format!("/v1/tokens/{id}").as_str()));
    let list = ada.actor.get("/v1/tokens").await.expect(200);
    assert_eq!(list.json["items"][0]["scopes"], json!(["tasks:read", "tasks:write"]));
    assert!(
        !list.text().contains(&secret) && !list.text().contains("cth_pat"),
        "{}",
        list.text()
    );
    let created = hub.app.published_of::<TokenCreated>().await;
    assert_eq!((created.len(), created[0].token_id.to_string()), (1, id));
    for event in hub.app.published().await {
        assert!(!event.data.to_string().contains("cth_"), "{}", event.event_type);
    }
}

#[tokio::test]
async fn a_token_works_within_its_scopes_until_it_is_deleted() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let made = make(&ada, &["profile:read"]).await.expect(201).json;
    let answer = hub.introspect(&text(&made, "token")).await;
    assert_eq!(
        json!([
            answer["active"],
            answer["sub"],
            answer["pat"],
            answer["scopes"],
            answer["sid"]
        ]),
        json!([true, ada.id.to_string(), made["id"], ["profile:read"], null])
    );
    // What the gateway passes on is an access token that says the same.
    let passed_on = hub.app.user_with_token(ada.id, text(&answer, "access_token"));
    passed_on.get("/v1/me").await.expect(200);
    let change = passed_on
        .patch("/v1/me", json!({ "handle": "eve" }))
        .header("if-match", "*");
    assert_eq!(change.await.expect(403).problem(), "forbidden");
    assert_eq!(
        make_by(&passed_on).await.expect(403).problem(),
        "forbidden",
        "no token makes tokens"
    );
    passed_on.get("/v1/sessions").await.expect(403);

    let bob = hub.person("bob@example.com").await;
    let path = format!("/v1/tokens/{}", text(&made, "id"));
    assert_eq!(bob.actor.delete(&path).await.expect(404).problem(), "token-not-found");
    ada.actor.delete(&path).await.expect(204);
    ada.actor.delete(&path).await.expect(404);
    assert_eq!(hub.introspect(&text(&made, "token")).await, json!({ "active": false }));
    assert_eq!(
        hub.introspect(&text(&answer, "access_token")).await,
        json!({ "active": false })
    );
    assert_eq!(passed_on.get("/v1/me").await.expect(401).problem(), "session-ended");
    assert_eq!(hub.app.published_of::<TokenRevoked>().await.len(), 1);
}

async fn make_by(actor: &testkit::Actor) -> Answer {
    actor
        .post("/v1/tokens", json!({ "name": "ci", "scopes": ["profile:read"] }))
        .await
}

#[tokio::test]
async fn a_token_ends_and_is_then_removed() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let at = (hub.app.clock.now() + Duration::from_secs(3600)).to_string();
    let body = json!({ "name": "short", "scopes": ["tasks:read"], "expires_at": at });
    let token = text(&ada.actor.post("/v1/tokens", body).await.expect(201).json, "token");
    let answer = hub.introspect(&token).await;
    assert_eq!(answer["active"], true);
    hub.app.clock.advance(Duration::from_secs(3001));
    let almost = hub.introspect(&token).await;
    let end = at.parse::<contracts::Timestamp>().unwrap().as_seconds();
    assert_eq!(
        almost["exp"].as_i64(),
        Some(end),
        "what is passed on ends no later than the token"
    );
    hub.app.clock.advance(Duration::from_secs(600));
    assert_eq!(hub.introspect(&token).await, json!({ "active": false }));
    hub.app.step_workers().await;
    assert_eq!(ada.actor.get("/v1/tokens").await.expect(200).json["items"], json!([]));
    assert_eq!(hub.app.published_of::<TokenRevoked>().await.len(), 1);
}

#[tokio::test]
async fn its_last_use_is_noted_to_the_minute() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let token = text(&make(&ada, &["tasks:read"]).await.expect(201).json, "token");
    let last = async || ada.actor.get("/v1/tokens").await.expect(200).json["items"][0]["last_used_at"].clone();
    assert_eq!(last().await, json!(null));
    hub.introspect(&token).await;
    let first = last().await;
    assert!(first.is_string());
    hub.introspect(&token).await;
    assert_eq!(last().await, first, "not written at each use");
    hub.app.clock.advance(Duration::from_secs(61));
    hub.introspect(&token).await;
    assert_ne!(last().await, first);
}

#[tokio::test]
async fn a_token_made_twice_with_one_key_is_made_once_and_shown_again() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let body = json!({ "name": "ci", "scopes": ["tasks:read"] });
    let make = |body| ada.actor.post("/v1/tokens", body).header("idempotency-key", "k-1");
    let first = make(body.clone()).await.expect(201).json;
    assert_eq!(make(body).await.expect(201).json, first);
    let other = json!({ "name": "another", "scopes": ["tasks:read"] });
    assert_eq!(make(other).await.expect(422).problem(), "idempotency-key-reused");
    assert_eq!(hub.app.published_of::<TokenCreated>().await.len(), 1);
    use sea_orm::EntityTrait;
    let kept = chassis::http::idempotency::Entity::find()
        .all(hub.app.db.read())
        .await
        .unwrap();
    assert!(
        kept.len() == 1 && !kept[0].answer.contains("cth_pat"),
        "the remembered answer is sealed"
    );
}

#[tokio::test]
async fn there_are_limits_to_how_many_and_for_what() {
    let hub = Hub::with("pats_per_user = 2").await;
    let ada = hub.person("ada@example.com").await;
    assert_eq!(
        make(&ada, &["admin"]).await.expect(422).wrong(),
        ["#/scopes/0"],
        "no admin"
    );
    assert_eq!(make(&ada, &[]).await.expect(422).wrong(), ["#/scopes"]);
    assert_eq!(
        make(&ada, &["tasks:everything"]).await.expect(422).wrong(),
        ["#/scopes/0"]
    );
    let body = json!({ "name": "", "scopes": ["tasks:read"], "expires_at": "2020-01-01T00:00:00Z" });
    assert_eq!(
        ada.actor.post("/v1/tokens", body).await.expect(422).wrong(),
        ["#/name", "#/expires_at"]
    );
    make(&ada, &["tasks:read"]).await.expect(201);
    make(&ada, &["tasks:read"]).await.expect(201);
    assert_eq!(
        make(&ada, &["tasks:read"]).await.expect(409).problem(),
        "token-limit-reached"
    );
}

#[tokio::test]
async fn a_long_list_of_tokens_is_read_page_by_page() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    for _ in 0..5 {
        make(&ada, &["tasks:read"]).await.expect(201);
    }
    let first = ada.actor.get("/v1/tokens?limit=3").await.expect(200).json;
    let cursor = text(&first, "next_cursor");
    let second = ada
        .actor
        .get(format!("/v1/tokens?limit=3&cursor={cursor}"))
        .await
        .expect(200)
        .json;
    let ids = |page: &serde_json::Value| {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| text(item, "id"))
            .collect()
    };
    let all: Vec<String> = [ids(&first), ids(&second)]
        .iter()
        .flat_map(|ids: &Vec<String>| ids.clone())
        .collect();
    assert!(all.len() == 5 && all.is_sorted_by(|a, b| a > b), "{all:?}");
    assert_eq!(second["next_cursor"], json!(null));
    ada.actor.get(format!("/v1/sessions?cursor={cursor}")).await.expect(400);
}
