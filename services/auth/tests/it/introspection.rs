use std::time::Duration;

use serde_json::json;

use crate::hub::{Hub, SECRET};

#[tokio::test]
async fn a_good_access_token_is_told_to_be_worth_what_it_says() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let answer = hub.introspect(&ada.access_token).await;
    assert_eq!(
        json!([
            answer["active"],
            answer["sub"],
            answer["role"],
            answer["plan"],
            answer["scopes"],
            answer["access_token"]
        ]),
        json!([true, ada.id.to_string(), "user", "free", null, null])
    );
    assert!(answer["sid"].as_str().unwrap().starts_with("ses_"));
    let seconds = answer["exp"].as_i64().unwrap() - hub.app.clock.now().as_seconds();
    assert!((590..=600).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn what_is_no_good_credential_is_not_active_and_nothing_more_is_told() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let forged = hub
        .app
        .user_with(|claims| claims.aud = "elsewhere".to_owned())
        .token
        .unwrap();
    let unknown_session = hub.app.user().token.unwrap();
    let somebody_elses_session = {
        let session = hub.introspect(&ada.access_token).await["sid"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        hub.app.user_with(|claims| claims.sid = Some(session)).token.unwrap()
    };
    let without_either = hub.app.user_with(|claims| claims.sid = None).token.unwrap();
    for token in [
        "",
        "nonsense",
        "cth_pat_made-up",
        &ada.refresh_token,
        &forged,
        &unknown_session,
        &somebody_elses_session,
        &without_either,
        &"x".repeat(50_000),
    ] {
        assert_eq!(hub.introspect(token).await, json!({ "active": false }), "{token:?}");
    }
}

#[tokio::test]
async fn a_session_that_ended_by_time_is_not_active() {
    let hub = Hub::with("session_idle_s = 60").await;
    let ada = hub.person("ada@example.com").await;
    assert_eq!(hub.introspect(&ada.access_token).await["active"], true);
    hub.app.clock.advance(Duration::from_secs(61));
    assert_eq!(hub.introspect(&ada.access_token).await, json!({ "active": false }));
}

#[tokio::test]
async fn only_who_knows_the_shared_secret_may_ask() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let admin = hub.admin("root@example.com").await;
    let ask = |authorization: String| {
        let call = hub
            .app
            .anonymous()
            .request("POST", "/v1/auth/introspect")
            .form(&[("token", &ada.access_token)]);
        call.header("authorization", &authorization)
    };
    ask(format!("Bearer {SECRET}")).await.expect(200);
    for wrong in [
        format!("Bearer {SECRET}x"),
        format!("Bearer {}", &SECRET[1..]),
        format!("Basic {SECRET}"),
        "Bearer x".to_owned(),
    ] {
        ask(wrong).await.expect(401);
    }
    ask(format!("Bearer {}", admin.access_token)).await.expect(401);
}

#[tokio::test]
async fn a_question_that_is_none_is_refused() {
    let hub = Hub::start().await;
    let ask = || {
        hub.app
            .anonymous()
            .request("POST", "/v1/auth/introspect")
            .header("authorization", &format!("Bearer {SECRET}"))
    };
    ask().form(&[("tokin", "x")]).await.expect(400);
    ask().json(&json!({ "token": "x" })).await.expect(415);
    ask().await.expect(415);
}
