use std::time::Duration;

use contracts::auth::{SessionRevoked, TokenRevoked, UserPasswordChanged, UserUpdated};
use serde_json::json;

use crate::hub::{Hub, PASSWORD};

const NEW: &str = "seven quiet lighthouses";

#[tokio::test]
async fn changing_the_password_ends_all_other_sessions() {
    let hub = Hub::start().await;
    let laptop = hub.person("ada@example.com").await;
    let phone = hub.signed_in(laptop.id, "ada@example.com").await;
    let body = json!({ "current_password": PASSWORD, "new_password": NEW });
    laptop.actor.post("/v1/me/password", body).await.expect(204);
    laptop.actor.get("/v1/me").await.expect(200);
    hub.refresh(&laptop.refresh_token).await.expect(200);
    phone.actor.get("/v1/me").await.expect(401);
    hub.refresh(&phone.refresh_token).await.expect(401);
    hub.login("ada@example.com", PASSWORD).await.expect(401);
    hub.login("ada@example.com", NEW).await.expect(200);
    let revoked = hub.app.published_of::<SessionRevoked>().await;
    assert_eq!(
        revoked.iter().map(|event| event.reason.as_str()).collect::<Vec<_>>(),
        ["password_changed"]
    );
    let changed = hub.app.published_of::<UserPasswordChanged>().await;
    assert_eq!(
        changed
            .iter()
            .map(|event| (event.by_reset, event.version))
            .collect::<Vec<_>>(),
        [(false, 2)]
    );
}

#[tokio::test]
async fn a_password_is_not_changed_to_a_bad_one_or_without_the_old_one() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    for (current, new, status, wrong) in [
        (PASSWORD, "short", 422, "#/new_password"),
        (PASSWORD, "password123", 422, "#/new_password"),
        (PASSWORD, "ada@example.com", 422, "#/new_password"),
        ("another one", NEW, 422, "#/current_password"),
        ("", NEW, 422, "#/current_password"),
    ] {
        let body = json!({ "current_password": current, "new_password": new });
        assert_eq!(
            ada.actor.post("/v1/me/password", body).await.expect(status).wrong(),
            [wrong],
            "{current:?} {new:?}"
        );
    }
    hub.login("ada@example.com", PASSWORD).await.expect(200);
    assert_eq!(hub.app.published_of::<UserPasswordChanged>().await, []);
}

#[tokio::test]
async fn whoever_forgot_the_password_sets_a_new_one_with_the_code_from_the_mail() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let token = json!({ "name": "ci", "scopes": ["tasks:read"] });
    ada.actor.post("/v1/tokens", token).await.expect(201);
    hub.app
        .anonymous()
        .post("/v1/auth/forgot", json!({ "email": "ADA@example.com" }))
        .await
        .expect(204);
    let reset = json!({ "token": hub.code().await, "new_password": NEW });
    hub.app
        .anonymous()
        .post("/v1/auth/reset", reset.clone())
        .await
        .expect(204);

    ada.actor.get("/v1/me").await.expect(401);
    hub.login("ada@example.com", PASSWORD).await.expect(401);
    hub.login("ada@example.com", NEW).await.expect(200);
    // The code is good once.
    let again = hub.app.anonymous().post("/v1/auth/reset", reset).await.expect(422);
    assert_eq!((again.problem(), again.wrong()), ("invalid-code", vec!["#/token"]));
    let changed = hub.app.published_of::<UserPasswordChanged>().await;
    assert_eq!(changed.iter().map(|event| event.by_reset).collect::<Vec<_>>(), [true]);
    assert_eq!(
        hub.app.published_of::<TokenRevoked>().await.len(),
        1,
        "what an intruder may have made is void"
    );
    let updated = hub.app.published_of::<UserUpdated>().await;
    assert!(
        updated.iter().any(|event| event.user.email_verified),
        "the address is proven by it"
    );
}

#[tokio::test]
async fn a_refused_password_does_not_use_the_code_up() {
    let hub = Hub::start().await;
    hub.register("ada@example.com").await.expect(201);
    hub.app
        .anonymous()
        .post("/v1/auth/forgot", json!({ "email": "ada@example.com" }))
        .await
        .expect(204);
    let code = hub.code().await;
    let reset = async |password: &str| {
        hub.app
            .anonymous()
            .post("/v1/auth/reset", json!({ "token": code, "new_password": password }))
            .await
    };
    assert_eq!(reset("short").await.expect(422).wrong(), ["#/new_password"]);
    reset(NEW).await.expect(204);
}

#[tokio::test]
async fn of_many_resets_with_one_code_at_once_one_succeeds() {
    let hub = Hub::start().await;
    hub.register("ada@example.com").await.expect(201);
    hub.app
        .anonymous()
        .post("/v1/auth/forgot", json!({ "email": "ada@example.com" }))
        .await
        .expect(204);
    let code = hub.code().await;
    let resets = (0..6).map(|n| {
        let body = json!({ "token": code, "new_password": format!("{NEW} {n}") });
        let call = hub.app.anonymous().post("/v1/auth/reset", body);
        async move { call.await.status }
    });
    let mut statuses = futures_util::future::join_all(resets).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 422, 422, 422, 422, 422]);
    assert_eq!(hub.app.published_of::<UserPasswordChanged>().await.len(), 1);
}

#[tokio::test]
async fn a_code_is_good_for_an_hour_and_for_its_purpose_only() {
    let hub = Hub::start().await;
    hub.register("ada@example.com").await.expect(201);
    let verification = hub.code().await;
    let reset = async |code: &str| {
        hub.app
            .anonymous()
            .post("/v1/auth/reset", json!({ "token": code, "new_password": NEW }))
            .await
    };
    assert_eq!(reset(&verification).await.expect(422).problem(), "invalid-code");
    for made_up in ["", "cth_pr_", "cth_pr_made-up", "💥"] {
        assert_eq!(reset(made_up).await.expect(422).problem(), "invalid-code");
    }
    hub.app.clock.advance(Duration::from_secs(1));
    hub.app
        .anonymous()
        .post("/v1/auth/forgot", json!({ "email": "ada@example.com" }))
        .await
        .expect(204);
    let mails = hub.mails().await;
    let code = crate::hub::code_of(mails.iter().find(|mail| mail.contains("#cth_pr_")).unwrap());
    hub.app.clock.advance(Duration::from_secs(3600));
    assert_eq!(reset(&code).await.expect(422).problem(), "invalid-code");
}

#[tokio::test]
async fn asking_again_and_again_does_not_flood_a_mailbox() {
    let hub = Hub::start().await;
    hub.register("ada@example.com").await.expect(201);
    for _ in 0..9 {
        hub.app
            .anonymous()
            .post("/v1/auth/forgot", json!({ "email": "ada@example.com" }))
            .await
            .expect(204);
    }
    let resets = |mails: Vec<String>| mails.iter().filter(|mail| mail.contains("#cth_pr_")).count();
    assert_eq!(resets(hub.mails().await), 5);
    hub.app.clock.advance(Duration::from_secs(3601));
    hub.app
        .anonymous()
        .post("/v1/auth/forgot", json!({ "email": "ada@example.com" }))
        .await
        .expect(204);
    assert_eq!(resets(hub.mails().await), 6);
}

#[tokio::test]
async fn only_an_address_can_have_forgotten_its_password() {
    let hub = Hub::start().await;
    for email in ["", "ada", "ada@example.com\r\nBcc: all@example.com"] {
        let answer = hub
            .app
            .anonymous()
            .post("/v1/auth/forgot", json!({ "email": email }))
            .await
            .expect(422);
        assert_eq!(answer.wrong(), ["#/email"]);
    }
}
