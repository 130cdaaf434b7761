//! Signing in, out, and being thrown out.

use acceptance::{Hub, Person, hub::Start, until};
use serde_json::json;

#[tokio::test]
async fn a_revoked_session_is_out_at_once_and_its_stream_ends() {
    let hub = Hub::any().await;
    let ada = Person::join(&hub, "ada").await;
    let mut elsewhere = ada.clone();
    elsewhere.sign_in().await;
    let stream = elsewhere.stream(None).await;
    let sessions = ada.get("/v1/sessions").await.expect(200);
    let other = sessions["items"]
        .as_array()
        .expect("sessions")
        .iter()
        .find(|session| session["current"] == false);
    let id = other
        .and_then(|session| session["id"].as_str())
        .expect("the other session");
    assert_eq!(ada.delete(&format!("/v1/sessions/{id}")).await.status, 204);
    until("the revoked session is refused", async || {
        (elsewhere.get("/v1/me").await.status == 401).then_some(())
    })
    .await;
    let last = stream.rest().await;
    assert!(
        last.iter().any(|event| event.name.as_deref() == Some("closed")),
        "{last:?}"
    );
    assert_eq!(ada.get("/v1/me").await.status, 200);
}

#[tokio::test]
#[cfg_attr(not(feature = "own-hub"), ignore = "sets a grace of its own")]
async fn a_stolen_refresh_token_ends_the_whole_family() {
    // No grace: the story need not wait until it is over.
    let hub = Start::default()
        .with("CLOUDTASKHUB_AUTH__REFRESH_GRACE_S", "0")
        .ready()
        .await;
    let mut ada = Person::join(&hub, "ada").await;
    let stolen = ada.refresh_token.clone();
    let refresh = |token: String| json!({ "refresh_token": token });
    let mut latest = stolen.clone();
    for _ in 0..3 {
        let fresh = ada.post("/v1/auth/refresh", refresh(latest)).await.expect(200);
        latest = fresh["refresh_token"].as_str().expect("a refresh token").to_owned();
        ada.token = fresh["access_token"].as_str().expect("an access token").to_owned();
    }
    // The first token has been used and so has its successor: no honest client would send it again.
    assert_eq!(ada.post("/v1/auth/refresh", refresh(stolen)).await.status, 401);
    assert_eq!(ada.post("/v1/auth/refresh", refresh(latest)).await.status, 401);
    until("the session's access token is refused", async || {
        (ada.get("/v1/me").await.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_personal_access_token_works_within_its_scopes_until_it_is_deleted() {
    let hub = Hub::any().await;
    let ada = Person::join(&hub, "ada").await;
    let made = ada
        .post("/v1/tokens", json!({ "name": "ci", "scopes": ["projects:read"] }))
        .await
        .expect(201);
    let mut robot = ada.clone();
    robot.token = made["token"].as_str().expect("the token, shown once").to_owned();
    assert_eq!(robot.get("/v1/projects").await.status, 200);
    assert_eq!(
        robot.post("/v1/projects", json!({ "name": "no" })).await.problem(),
        "forbidden"
    );
    assert_eq!(robot.get("/v1/tokens").await.problem(), "forbidden");
    let id = made["id"].as_str().expect("an id");
    assert_eq!(ada.delete(&format!("/v1/tokens/{id}")).await.status, 204);
    until("the deleted token is refused", async || {
        (robot.get("/v1/projects").await.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nobody_learns_whether_an_address_has_an_account() {
    let hub = Hub::any().await;
    let ada = Person::join(&hub, "ada").await;
    let nobody = Person::stranger(&hub, "nobody");
    let wrong = |email: &str| json!({ "email": email, "password": "not the password at all" });
    let known = nobody.post("/v1/auth/login", wrong(&ada.email)).await;
    let unknown = nobody.post("/v1/auth/login", wrong(&nobody.email)).await;
    assert_eq!((known.status, known.problem()), (unknown.status, unknown.problem()));
    assert_eq!(known.json["detail"], unknown.json["detail"]);
    let known = nobody.post("/v1/auth/forgot", json!({ "email": ada.email })).await;
    let unknown = nobody.post("/v1/auth/forgot", json!({ "email": nobody.email })).await;
    assert_eq!((known.status, known.text), (unknown.status, unknown.text));
}
