use std::time::Duration;

use auth::store::mail;
use contracts::auth::UserUpdated;
use messaging::worker::Step;
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::json;

use crate::{
    hub::{Hub, code_of},
    smtp::{Server, Verdict},
};

async fn rows(hub: &Hub) -> Vec<mail::Model> {
    mail::Entity::find()
        .order_by_asc(mail::Column::Id)
        .all(hub.app.db.read())
        .await
        .unwrap()
}

async fn over(server: &Server) -> Hub {
    Hub::with(&format!("mail_url = \"{}\"", server.url())).await
}

#[tokio::test]
async fn somebody_confirms_their_address_with_the_code_from_the_mail() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let mails = hub.mails().await;
    assert_eq!(mails.len(), 1);
    for part in [
        "To: \"Ada Lovelace\" <ada@example.com>",
        "Subject: Confirm",
        "http://auth.localhost:8080/verify-email#cth_ev_",
    ] {
        assert!(mails[0].contains(part), "{part} in {}", mails[0]);
    }
    let verify = async |code: &str| {
        hub.app
            .anonymous()
            .post("/v1/auth/verify", json!({ "token": code }))
            .await
    };
    assert_eq!(verify("cth_ev_made-up").await.expect(422).problem(), "invalid-code");
    verify(&code_of(&mails[0])).await.expect(204);
    assert_eq!(ada.actor.get("/v1/me").await.expect(200).json["email_verified"], true);
    assert_eq!(verify(&code_of(&mails[0])).await.expect(422).problem(), "invalid-code");
    let updated = hub.app.published_of::<UserUpdated>().await;
    assert_eq!(
        updated
            .iter()
            .map(|event| event.user.email_verified)
            .collect::<Vec<_>>(),
        [true]
    );
    // A confirmed address needs no mail.
    ada.actor.post("/v1/auth/verify/resend", json!({})).await.expect(204);
    assert_eq!(hub.mails().await.len(), 1);
}

#[tokio::test]
async fn a_lost_verification_mail_is_sent_again_and_an_old_code_ends() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let first = hub.code().await;
    hub.app.clock.advance(Duration::from_secs(172_800));
    assert_eq!(
        hub.app
            .anonymous()
            .post("/v1/auth/verify", json!({ "token": first }))
            .await
            .expect(422)
            .problem(),
        "invalid-code"
    );
    ada.actor.post("/v1/auth/verify/resend", json!({})).await.expect(204);
    let second = hub.code().await;
    assert_ne!(first, second);
    hub.app
        .anonymous()
        .post("/v1/auth/verify", json!({ "token": second }))
        .await
        .expect(204);
}

#[tokio::test]
async fn nothing_that_was_mailed_is_kept() {
    let hub = Hub::start().await;
    hub.register("ada@example.com").await.expect(201);
    let code = hub.code().await;
    let [mail] = &rows(&hub).await[..] else {
        panic!("one mail")
    };
    assert_eq!(
        (mail.state.as_str(), mail.email_key.as_str(), mail.attempts),
        ("sent", "", 1)
    );
    let codes = auth::store::code::Entity::find().all(hub.app.db.read()).await.unwrap();
    assert!(
        codes
            .iter()
            .all(|kept| kept.digest != code && !kept.digest.contains("cth_"))
    );
    for event in hub.app.published().await {
        assert!(!event.data.to_string().contains("cth_"), "{}", event.event_type);
    }
}

#[tokio::test]
async fn a_mail_goes_to_a_mail_server() {
    let server = Server::start().await;
    let hub = over(&server).await;
    hub.register("ada@example.com").await.expect(201);
    hub.app.step_workers().await;
    let [mail] = &server.received()[..] else {
        panic!("one mail")
    };
    assert_eq!(
        (mail.from.as_str(), mail.to.as_str()),
        ("no-reply@localhost.localdomain", "ada@example.com")
    );
    assert!(mail.content.contains("#cth_ev_"));
    assert_eq!(rows(&hub).await[0].state, "sent");
}

#[tokio::test]
async fn a_mail_server_that_says_later_is_asked_later() {
    let server = Server::start().await;
    server.answers([Verdict::Later, Verdict::Later, Verdict::Take]);
    let hub = over(&server).await;
    hub.register("ada@example.com").await.expect(201);
    for (attempt, pause) in [(1, 15), (2, 30)] {
        hub.app.step_workers().await;
        let [mail] = &rows(&hub).await[..] else {
            panic!("one mail")
        };
        assert_eq!((mail.state.as_str(), mail.attempts), ("pending", attempt));
        assert!(
            mail.last_error.as_deref().unwrap().contains("450"),
            "{:?}",
            mail.last_error
        );
        // Not before its time.
        assert_eq!(hub.app.step("mail").await.unwrap(), Step::Drained);
        hub.app.clock.advance(Duration::from_secs(pause));
    }
    hub.app.step_workers().await;
    assert_eq!(server.received().len(), 1);
    assert_eq!(
        (rows(&hub).await[0].state.as_str(), rows(&hub).await[0].attempts),
        ("sent", 3)
    );
}

#[tokio::test]
async fn a_mail_server_that_says_never_is_not_asked_again() {
    let server = Server::start().await;
    server.answers([Verdict::Never]);
    let hub = over(&server).await;
    hub.register("ada@example.com").await.expect(201);
    hub.app.step_workers().await;
    hub.app.clock.advance(Duration::from_secs(24 * 3600));
    hub.app.step_workers().await;
    let [mail] = &rows(&hub).await[..] else {
        panic!("one mail")
    };
    assert_eq!((mail.state.as_str(), mail.attempts), ("failed", 1));
    assert!(
        mail.last_error.as_deref().unwrap().contains("550"),
        "{:?}",
        mail.last_error
    );
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_mail_server_that_is_away_is_given_up_in_the_end() {
    let server = Server::start().await;
    let url = server.url();
    drop(server);
    let hub = Hub::with(&format!("mail_url = \"{url}\"\nmail_attempts = 3")).await;
    hub.register("ada@example.com").await.expect(201);
    for _ in 0..5 {
        hub.app.step_workers().await;
        hub.app.clock.advance(Duration::from_secs(3600));
    }
    assert_eq!(
        (rows(&hub).await[0].state.as_str(), rows(&hub).await[0].attempts),
        ("failed", 3)
    );
}

#[tokio::test]
async fn a_crash_between_sending_and_recording_is_seen_and_the_mail_comes_again_under_the_same_id() {
    let server = Server::start().await;
    server.answers([Verdict::TakeAndHang, Verdict::Take]);
    let hub = over(&server).await;
    hub.register("ada@example.com").await.expect(201);
    {
        let mut step = std::pin::pin!(hub.app.step("mail"));
        tokio::select! {
            _ = &mut step => panic!("the server does not answer"),
            () = server.took(1) => {}
        }
        // The process ends here.
    }
    let mail = &rows(&hub).await[0];
    assert_eq!(
        (mail.state.as_str(), mail.attempts, mail.interrupted),
        ("sending", 1, 0)
    );
    assert_eq!(
        hub.app.step("mail").await.unwrap(),
        Step::Drained,
        "another replica leaves it alone for now"
    );
    hub.app.clock.advance(Duration::from_secs(120));
    hub.app.step_workers().await;
    let mail = &rows(&hub).await[0];
    assert_eq!((mail.state.as_str(), mail.attempts, mail.interrupted), ("sent", 2, 1));
    let id = |content: &str| {
        content
            .lines()
            .find(|line| line.starts_with("Message-ID:"))
            .unwrap()
            .to_owned()
    };
    let received = server.received();
    assert_eq!(received.len(), 2);
    assert_eq!(id(&received[0].content), id(&received[1].content));
    // Either mail will do.
    let code = code_of(&received[0].content);
    hub.app
        .anonymous()
        .post("/v1/auth/verify", json!({ "token": code }))
        .await
        .expect(204);
}

#[tokio::test]
async fn the_links_in_mails_lead_to_pages_that_change_nothing_by_being_opened() {
    let hub = Hub::start().await;
    for (path, operation) in [
        ("/verify-email", "/v1/auth/verify"),
        ("/reset-password", "/v1/auth/reset"),
    ] {
        let page = hub.app.anonymous().get(path).await.expect(200);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(
            page.header("content-security-policy")
                .unwrap()
                .contains("connect-src 'self'")
        );
        assert!(page.text().contains(operation));
    }
}
