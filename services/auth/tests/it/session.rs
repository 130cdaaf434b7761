use contracts::auth::{SessionRevoked, SessionStarted};
use serde_json::json;

use crate::hub::{Hub, PASSWORD, text};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

#[tokio::test]
async fn signing_in_gives_tokens_that_work() {
    let hub = Hub::start().await;
    hub.register("ada@example.com").await.expect(201);
    let answer = hub.login("ADA@example.com ", PASSWORD).await.expect(200);
    let tokens = &answer.json;
    assert_eq!(
        (tokens["token_type"].as_str(), tokens["expires_in"].as_i64()),
        (Some("Bearer"), Some(600))
    );
    assert!(text(tokens, "refresh_token").starts_with("cth_rt_"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let ada = hub.signed_in(contracts::id::UserId::new(), "ada@example.com").await;
    assert_eq!(
        ada.actor.get("/v1/me").await.expect(200).json["email"],
        "ada@example.com"
    );
}

#[tokio::test]
async fn a_refresh_token_or_a_personal_token_is_no_access_token() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    for (token, hint) in [
        (ada.refresh_token.as_str(), "/v1/auth/refresh"),
        ("cth_pat_x", "gateway"),
    ] {
        let answer = hub.app.user_with_token(ada.id, token).get("/v1/me").await.expect(401);
        assert_eq!(answer.problem(), "invalid-token");
        assert!(text(&answer.json, "detail").contains(hint), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_client_never_seen_before_is_told_apart_from_a_known_one() {
    let hub = Hub::start().await;
    hub.register("ada@example.com").await.expect(201);
    let sign_in = async |agent: &str| {
        hub.login_from("ada@example.com", PASSWORD, "192.0.2.1", agent)
            .await
            .expect(200);
        let started = hub.app.published_of::<SessionStarted>().await.pop().unwrap();
        (started.client, started.unseen_client)
    };
    assert_eq!(sign_in(FIREFOX).await, ("Firefox on Linux".to_owned(), true));
    assert_eq!(
        sign_in(&FIREFOX.replace("140", "141")).await,
        ("Firefox on Linux".to_owned(), false)
    );
    assert_eq!(sign_in("curl/8.5.0").await, ("curl".to_owned(), true));
}

#[tokio::test]
async fn the_client_that_registered_is_no_stranger_when_it_signs_in() {
    let hub = Hub::start().await;
    hub.person("ada@example.com").await;
    let started = hub.app.published_of::<SessionStarted>().await;
    assert_eq!(
        started.iter().map(|started| started.unseen_client).collect::<Vec<_>>(),
        [false]
    );
}

#[tokio::test]
async fn signing_out_ends_the_session_at_once() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    ada.actor.post("/v1/auth/logout", json!({})).await.expect(204);
    assert_eq!(ada.actor.get("/v1/me").await.expect(401).problem(), "session-ended");
    assert_eq!(
        ada.actor.post("/v1/auth/logout", json!({})).await.expect(401).problem(),
        "session-ended"
    );
    assert_eq!(
        hub.refresh(&ada.refresh_token).await.expect(401).problem(),
        "invalid-refresh-token"
    );
    assert_eq!(hub.introspect(&ada.access_token).await, json!({ "active": false }));
    let revoked = hub.app.published_of::<SessionRevoked>().await;
    assert_eq!(
        revoked.iter().map(|event| event.reason.as_str()).collect::<Vec<_>>(),
        ["logout"]
    );
}

#[tokio::test]
async fn somebody_sees_their_sessions_and_ends_another_one() {
    let hub = Hub::start().await;
    let laptop = hub.person("ada@example.com").await;
    let phone = hub.signed_in(laptop.id, "ada@example.com").await;
    let bob = hub.person("bob@example.com").await;
    let list = laptop.actor.get("/v1/sessions").await.expect(200).json;
    let items = list["items"].as_array().unwrap();
    assert_eq!(
        items
            .iter()
            .map(|item| item["current"].as_bool().unwrap())
            .collect::<Vec<_>>(),
        [false, true]
    );
    assert_eq!(list["next_cursor"], json!(null));
    let lost = format!("/v1/sessions/{}", text(&items[0], "id"));

    assert_eq!(bob.actor.delete(&lost).await.expect(404).problem(), "session-not-found");
    laptop.actor.delete(&lost).await.expect(204);
    assert_eq!(
        laptop.actor.delete(&lost).await.expect(404).problem(),
        "session-not-found"
    );
    assert_eq!(phone.actor.get("/v1/me").await.expect(401).problem(), "session-ended");
    assert_eq!(
        hub.refresh(&phone.refresh_token).await.expect(401).problem(),
        "invalid-refresh-token"
    );
    laptop.actor.get("/v1/me").await.expect(200);
    let revoked = hub.app.published_of::<SessionRevoked>().await;
    assert_eq!(
        revoked.iter().map(|event| event.reason.as_str()).collect::<Vec<_>>(),
        ["revoked"]
    );
}

#[tokio::test]
async fn somebody_may_end_the_session_they_are_using() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let list = ada.actor.get("/v1/sessions").await.expect(200).json;
    ada.actor
        .delete(format!("/v1/sessions/{}", text(&list["items"][0], "id")))
        .await
        .expect(204);
    assert_eq!(
        ada.actor.get("/v1/sessions").await.expect(401).problem(),
        "session-ended"
    );
}

#[tokio::test]
async fn a_long_list_of_sessions_is_read_page_by_page() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    for _ in 0..4 {
        hub.signed_in(ada.id, "ada@example.com").await;
    }
    let (mut seen, mut path) = (Vec::new(), "/v1/sessions?limit=2".to_owned());
    loop {
        let page = ada.actor.get(&path).await.expect(200).json;
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| text(item, "id")));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/sessions?limit=2&cursor={cursor}");
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|a, b| a > b), "the newest first: {seen:?}");
    for wrong in ["limit=0", "limit=201", "limit=x", "limit=-1"] {
        assert_eq!(
            ada.actor.get(format!("/v1/sessions?{wrong}")).await.expect(422).wrong(),
            ["?limit"],
            "{wrong}"
        );
    }
    ada.actor.get("/v1/sessions?cursor=nonsense").await.expect(400);
    let bob = hub.person("bob@example.com").await;
    let cursor = ada.actor.get("/v1/sessions?limit=2").await.expect(200).json["next_cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    bob.actor.get(format!("/v1/sessions?cursor={cursor}")).await.expect(400);
}
