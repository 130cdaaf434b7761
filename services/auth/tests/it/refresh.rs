use std::{collections::HashSet, time::Duration};

use contracts::auth::SessionRevoked;
use serde_json::json;

use crate::hub::{Hub, text};

const GRACE: Duration = Duration::from_secs(10);

async fn reasons(hub: &Hub) -> Vec<String> {
    hub.app
        .published_of::<SessionRevoked>()
        .await
        .into_iter()
        .map(|event| event.reason)
        .collect()
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_new_tokens_again_and_again() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let (mut token, mut seen) = (ada.refresh_token.clone(), HashSet::new());
    for _ in 0..5 {
        hub.app.clock.advance(Duration::from_secs(600));
        let tokens = hub.refresh(&token).await.expect(200).json;
        let actor = hub.app.user_with_token(ada.id, text(&tokens, "access_token"));
        actor.get("/v1/me").await.expect(200);
        token = text(&tokens, "refresh_token");
        assert!(seen.insert(token.clone()), "never the same twice");
    }
    assert_eq!(reasons(&hub).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_client_that_lost_the_answer_asks_again_and_gets_tokens_that_work() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    hub.refresh(&ada.refresh_token).await.expect(200);
    hub.app.clock.advance(GRACE);
    let again = hub.refresh(&ada.refresh_token).await.expect(200).json;
    hub.app.clock.advance(GRACE * 2);
    hub.refresh(&text(&again, "refresh_token")).await.expect(200);
    assert_eq!(reasons(&hub).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_spent_refresh_token_ends_the_session_for_whoever_holds_it() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let thief = hub.refresh(&ada.refresh_token).await.expect(200).json;
    hub.app.clock.advance(GRACE + Duration::from_secs(1));
    assert_eq!(
        hub.refresh(&ada.refresh_token).await.expect(401).problem(),
        "refresh-token-reused"
    );
    // The thief's tokens are void as well.
    assert_eq!(
        hub.refresh(&text(&thief, "refresh_token")).await.expect(401).problem(),
        "invalid-refresh-token"
    );
    let thief = hub.app.user_with_token(ada.id, text(&thief, "access_token"));
    assert_eq!(thief.get("/v1/me").await.expect(401).problem(), "session-ended");
    assert_eq!(reasons(&hub).await, ["refresh_reuse"], "told once");
    assert_eq!(
        hub.refresh(&ada.refresh_token).await.expect(401).problem(),
        "invalid-refresh-token"
    );
}

#[tokio::test]
async fn a_retry_does_not_fork_the_family() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let first = hub.refresh(&ada.refresh_token).await.expect(200).json;
    let retried = hub.refresh(&ada.refresh_token).await.expect(200).json;
    // One of the two goes on; from then on the other is as good as stolen.
    hub.refresh(&text(&retried, "refresh_token")).await.expect(200);
    hub.app.clock.advance(GRACE + Duration::from_secs(1));
    assert_eq!(
        hub.refresh(&text(&first, "refresh_token")).await.expect(401).problem(),
        "refresh-token-reused"
    );
    assert_eq!(reasons(&hub).await, ["refresh_reuse"]);
}

#[tokio::test]
async fn reuse_of_one_session_leaves_the_others_alone() {
    let hub = Hub::start().await;
    let laptop = hub.person("ada@example.com").await;
    let phone = hub.signed_in(laptop.id, "ada@example.com").await;
    hub.refresh(&laptop.refresh_token).await.expect(200);
    hub.app.clock.advance(GRACE * 2);
    hub.refresh(&laptop.refresh_token).await.expect(401);
    hub.refresh(&phone.refresh_token).await.expect(200);
    phone.actor.get("/v1/me").await.expect(200);
}

#[tokio::test]
async fn many_refreshes_with_one_token_at_once_all_get_tokens_of_one_line() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let answers = futures_util::future::join_all((0..12).map(|_| hub.refresh(&ada.refresh_token))).await;
    let tokens: HashSet<String> = answers
        .into_iter()
        .map(|answer| text(&answer.expect(200).json, "refresh_token"))
        .collect();
    assert_eq!(tokens.len(), 12);
    let mut tokens = tokens.into_iter();
    // Whichever is used first ends that generation for all.
    hub.refresh(&tokens.next().unwrap()).await.expect(200);
    hub.app.clock.advance(GRACE * 2);
    assert_eq!(
        hub.refresh(&tokens.next().unwrap()).await.expect(401).problem(),
        "refresh-token-reused"
    );
    assert_eq!(
        hub.refresh(&tokens.next().unwrap()).await.expect(401).problem(),
        "invalid-refresh-token"
    );
    assert_eq!(reasons(&hub).await, ["refresh_reuse"]);
}

#[tokio::test]
async fn retries_without_end_are_refused() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    for _ in 0..=auth::domain::session::RETRIES {
        hub.refresh(&ada.refresh_token).await.expect(200);
    }
    let refused = hub.refresh(&ada.refresh_token).await.expect(429);
    assert_eq!(
        (refused.problem(), refused.header("retry-after")),
        ("too-many-retries", Some("10"))
    );
    assert_eq!(reasons(&hub).await, Vec::<String>::new(), "annoying, not stolen");
}

#[tokio::test]
async fn what_is_no_refresh_token_of_ours_is_refused() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let long = "x".repeat(100_000);
    for token in [
        "",
        "cth_rt_",
        "cth_rt_made-up",
        &ada.access_token,
        &ada.refresh_token.to_uppercase(),
        "💥\0",
        &long,
    ] {
        let answer = hub.refresh(token).await.expect(401);
        assert_eq!(answer.problem(), "invalid-refresh-token");
        assert!(answer.header("www-authenticate").is_some());
    }
    hub.refresh(&ada.refresh_token).await.expect(200);
}

#[tokio::test]
async fn a_session_that_is_not_refreshed_ends_and_it_is_told() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    hub.app.clock.advance(Duration::from_secs(30 * 24 * 3600));
    assert_eq!(
        hub.refresh(&ada.refresh_token).await.expect(401).problem(),
        "invalid-refresh-token"
    );
    hub.app.step_workers().await;
    hub.app.step_workers().await;
    assert_eq!(reasons(&hub).await, ["expired"]);
    let sessions = hub
        .signed_in(ada.id, "ada@example.com")
        .await
        .actor
        .get("/v1/sessions")
        .await
        .expect(200)
        .json;
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn ended_sessions_are_forgotten_after_a_while() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    ada.actor.post("/v1/auth/logout", json!({})).await.expect(204);
    hub.app.clock.advance(Duration::from_secs(8 * 24 * 3600));
    hub.app.step_workers().await;
    use sea_orm::{EntityTrait, PaginatorTrait};
    let left = auth::store::session::Entity::find()
        .count(hub.app.db.read())
        .await
        .unwrap();
    assert_eq!(left, 0);
    assert_eq!(
        hub.refresh(&ada.refresh_token).await.expect(401).problem(),
        "invalid-refresh-token"
    );
}
