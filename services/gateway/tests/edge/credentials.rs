//! Who gets in, with what, and for how long.

use std::time::Duration;

use contracts::{
    Timestamp,
    auth::{SessionRevoked, TokenRevoked, UserDisabled, UserProfile, UserUpdated},
    id::{TokenId, UserId},
};
use serde_json::json;
use testkit::eventually;

use crate::support::{Answer, Edge, SOON, Service, User};

async fn edge() -> (Service, Edge) {
    let project = Service::echoing();
    let edge = Edge::in_front_of(&[("project", project.address)]).await;
    (project, edge)
}

#[tokio::test]
async fn without_a_token_one_is_told_to_sign_in() {
    let (project, edge) = edge().await;
    for authorization in ["", "Basic YTpi", "Bearer", "Bearer  ", "bearer\u{a0}x"] {
        let mut request = edge.request(reqwest::Method::GET, "/v1/projects");
        if !authorization.is_empty() {
            request = request.header("authorization", authorization.as_bytes());
        }
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (401, "unauthenticated"),
            "{authorization:?}"
        );
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    assert_eq!((project.calls(), edge.auth.service.calls()), (0, 0));
}

#[tokio::test]
async fn a_token_that_auth_does_not_know_is_401_and_auth_is_not_asked_again_at_once() {
    let (project, edge) = edge().await;
    for _ in 0..3 {
        let request = edge
            .request(reqwest::Method::GET, "/v1/projects")
            .bearer_auth("made-up");
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!((answer.status, answer.problem().as_str()), (401, "invalid-token"));
        assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    }
    assert_eq!((project.calls(), edge.auth.service.calls()), (0, 1));
}

#[tokio::test]
async fn auth_is_asked_once_for_many_requests_and_again_after_half_a_minute() {
    let (_project, edge) = edge().await;
    let ada = edge.user();
    let many = futures_util::future::join_all((0..20).map(|_| edge.get(&ada, "/v1/projects"))).await;
    assert!(many.iter().all(|answer| answer.status == 200));
    assert_eq!(edge.auth.service.calls(), 1);
    edge.clock.advance(Duration::from_secs(31));
    assert_eq!(edge.get(&ada, "/v1/projects").await.status, 200);
    assert_eq!(edge.auth.service.calls(), 2);
    assert!(
        edge.metrics()
            .contains("gateway_introspections_total{result=\"miss\"} 2"),
        "{}",
        edge.metrics()
    );
}

#[tokio::test]
async fn an_answer_is_not_believed_past_the_end_of_the_credential() {
    let (_project, edge) = edge().await;
    let ada = edge.user();
    let exp = Timestamp::now().as_seconds() + 10;
    edge.auth.know(
        &ada.token,
        json!({"active": true, "sub": ada.id, "sid": ada.session, "role": "user", "exp": exp}),
    );
    assert_eq!(edge.get(&ada, "/v1/projects").await.status, 200);
    edge.auth.forget(&ada.token);
    edge.clock.advance(Duration::from_secs(11));
    assert_eq!(edge.get(&ada, "/v1/projects").await.status, 401);
}

#[tokio::test]
async fn a_personal_access_token_stays_here_and_an_access_token_goes_on_in_its_place() {
    let (_project, edge) = edge().await;
    let (user, token) = (UserId::new(), TokenId::new());
    let exp = Timestamp::now().as_seconds() + 600;
    let answer = json!({"active": true, "sub": user, "pat": token, "role": "user", "scopes": ["projects:read"], "exp": exp, "access_token": "phantom"});
    edge.auth.know("cth_pat_ada", answer);
    let get = |path: &str| {
        edge.request(reqwest::Method::GET, path)
            .bearer_auth("cth_pat_ada")
            .send()
    };
    let seen = Answer::of(get("/v1/projects").await.unwrap()).await;
    assert_eq!(seen.seen("authorization"), ["Bearer phantom"]);

    let beyond = Answer::of(get("/v1/search?q=x").await.unwrap()).await;
    assert_eq!((beyond.status, beyond.problem().as_str()), (403, "forbidden"));
    let sessions_only = Answer::of(get("/v1/tokens").await.unwrap()).await;
    assert_eq!(sessions_only.status, 403);
    let admins_only = Answer::of(get("/v1/users").await.unwrap()).await;
    assert_eq!(admins_only.status, 403);

    edge.auth.forget("cth_pat_ada");
    edge.hear(&TokenRevoked {
        token_id: token,
        user_id: user,
    })
    .await;
    eventually(SOON, async || get("/v1/projects").await.unwrap().status() == 401).await;
}

#[tokio::test]
async fn a_credential_is_not_passed_on_where_nobody_needs_it() {
    let edge = Edge::in_front_of(&[]).await;
    let request = edge
        .request(reqwest::Method::POST, "/v1/auth/login")
        .bearer_auth("something");
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(answer.json()["authorization"], json!(null));
}

async fn is_out(edge: &Edge, user: &User) {
    // Far less than the half minute for which auth's answer would be believed.
    eventually(Duration::from_secs(5), async || {
        edge.get(user, "/v1/projects").await.status == 401
    })
    .await;
}

#[tokio::test]
async fn a_session_that_is_revoked_is_out_at_once_and_other_sessions_are_not() {
    let (_project, edge) = edge().await;
    let (ada, bob) = (edge.user(), edge.user());
    assert_eq!(edge.get(&ada, "/v1/projects").await.status, 200);
    assert_eq!(edge.get(&bob, "/v1/projects").await.status, 200);
    edge.auth.forget(&ada.token);
    assert_eq!(edge.get(&ada, "/v1/projects").await.status, 200, "still believed");
    edge.hear(&SessionRevoked {
        session_id: ada.session,
        user_id: ada.id,
        reason: "logout".to_owned(),
    })
    .await;
    is_out(&edge, &ada).await;
    let asked = edge.auth.service.calls();
    assert_eq!(edge.get(&bob, "/v1/projects").await.status, 200);
    assert_eq!(
        edge.auth.service.calls(),
        asked,
        "what is known of others is still believed"
    );
}

#[tokio::test]
async fn a_user_who_is_disabled_is_out_at_once() {
    let (_project, edge) = edge().await;
    let ada = edge.user();
    assert_eq!(edge.get(&ada, "/v1/projects").await.status, 200);
    edge.auth.forget(&ada.token);
    edge.hear(&UserDisabled {
        user_id: ada.id,
        version: 2,
    })
    .await;
    is_out(&edge, &ada).await;
}

#[tokio::test]
async fn a_changed_role_counts_at_once() {
    let (_project, edge) = edge().await;
    let ada = edge.user();
    assert_eq!(edge.get(&ada, "/v1/users").await.status, 403);
    let exp = Timestamp::now().as_seconds() + 600;
    edge.auth.know(
        &ada.token,
        json!({"active": true, "sub": ada.id, "sid": ada.session, "role": "admin", "exp": exp}),
    );
    let user = UserProfile {
        user_id: ada.id,
        email: "ada@example.com".to_owned(),
        handle: "ada".to_owned(),
        display_name: "Ada".to_owned(),
        email_verified: true,
        role: "admin".to_owned(),
        disabled: false,
        version: 2,
    };
    edge.hear(&UserUpdated { user_id: ada.id, user }).await;
    eventually(SOON, async || edge.get(&ada, "/v1/users").await.status == 200).await;
}

#[tokio::test]
async fn when_auth_is_down_who_is_known_goes_on_for_a_while_and_nobody_else_gets_in() {
    let (_project, edge) = edge().await;
    let (ada, bob) = (edge.user(), edge.user());
    assert_eq!(edge.get(&ada, "/v1/projects").await.status, 200);
    edge.auth.go_down(true);
    assert_eq!(edge.get(&ada, "/v1/projects").await.status, 200);
    let answer = edge.get(&bob, "/v1/projects").await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "credentials-unverifiable")
    );
    assert_eq!(answer.header("retry-after"), "1");
    edge.clock.advance(Duration::from_secs(31));
    assert_eq!(edge.get(&ada, "/v1/projects").await.status, 503);
}
