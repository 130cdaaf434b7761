//! Mail servers that encrypt and ask who is there, as those on the Internet do.
//!
//! Which certificates are trusted is settled by `SSL_CERT_FILE` when a process starts. So a story whose server is trusted is
//! told by a child: this test binary again, with that variable naming a file that the child writes.

use std::{process::Command, sync::Arc, time::Duration};

use auth::store::mail;
use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use sea_orm::EntityTrait;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};

use crate::{
    hub::Hub,
    smtp::{Security, Server},
};

const CHILD: &str = "TELLS_A_MAIL_STORY";

/// Whether this process is to tell `story`; if not, a child has told it to a good end.
fn tells(story: &str) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let folder = tempfile::tempdir().unwrap();
    let told = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("mail_login::{story}"), "--nocapture"])
        .env(CHILD, "")
        .env("SSL_CERT_FILE", folder.path().join("trusted.pem"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&told.stdout) + String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success() && text.contains("1 passed"), "{text}");
    false
}

/// Speaks TLS with a certificate of its own, which a child trusts.
fn tls() -> TlsAcceptor {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    if std::env::var_os(CHILD).is_some() {
        let text = STANDARD.encode(cert.der());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        std::fs::write(std::env::var_os("SSL_CERT_FILE").unwrap(), pem).unwrap();
    }
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Somebody registers, and their mail is to go to this address.
async fn mailing_over(url: &str) -> Hub {
    let hub = Hub::with(&format!("mail_url = \"{url}\"")).await;
    hub.register("ada@example.com").await.expect(201);
    hub.app.step_workers().await;
    hub
}

async fn mail_of(hub: &Hub) -> mail::Model {
    let mails = mail::Entity::find().all(hub.app.db.read()).await.unwrap();
    let [mail] = &mails[..] else { panic!("one mail") };
    mail.clone()
}

#[tokio::test]
async fn a_server_that_encrypts_from_the_start_takes_a_mail_of_who_logs_in() {
    if !tells("a_server_that_encrypts_from_the_start_takes_a_mail_of_who_logs_in") {
        return;
    }
    let server = Server::with(Security::Implicit(tls())).await;
    server.asks_for("hub", "horse battery");
    let hub = mailing_over(&format!("smtps://hub:horse%20battery@127.0.0.1:{}", server.port())).await;
    let mail = mail_of(&hub).await;
    assert_eq!((mail.state.as_str(), mail.last_error), ("sent", None));
    assert_eq!(server.attempts(), [("hub".to_owned(), true)]);
    assert!(server.received()[0].content.contains("#cth_ev_"));
}

#[tokio::test]
async fn a_server_that_encrypts_when_asked_hears_the_password_only_then() {
    if !tells("a_server_that_encrypts_when_asked_hears_the_password_only_then") {
        return;
    }
    let server = Server::with(Security::StartTls(tls())).await;
    server.asks_for("hub", "horse battery");
    let url = format!("smtp://hub:horse%20battery@127.0.0.1:{}?tls=required", server.port()); // pragma: allowlist secret
    let hub = mailing_over(&url).await;
    let mail = mail_of(&hub).await;
    assert_eq!((mail.state.as_str(), mail.last_error), ("sent", None));
    assert_eq!(server.attempts(), [("hub".to_owned(), true)]);
}

#[tokio::test]
async fn a_wrong_password_loses_no_mail() {
    if !tells("a_wrong_password_loses_no_mail") {
        return;
    }
    let server = Server::with(Security::Implicit(tls())).await;
    server.asks_for("hub", "another battery");
    let hub = mailing_over(&format!("smtps://hub:horse%20battery@127.0.0.1:{}", server.port())).await;
    let mail = mail_of(&hub).await;
    let error = mail.last_error.unwrap();
    assert_eq!(mail.state, "pending");
    assert!(error.contains("535") && !error.contains("battery"), "{error}");
    server.asks_for("hub", "horse battery");
    hub.app.clock.advance(Duration::from_secs(15));
    hub.app.step_workers().await;
    assert_eq!(mail_of(&hub).await.state, "sent");
}

#[tokio::test]
async fn a_server_whose_certificate_nobody_vouches_for_hears_no_password() {
    let server = Server::with(Security::Implicit(tls())).await;
    server.asks_for("hub", "horse battery");
    let hub = mailing_over(&format!("smtps://hub:horse%20battery@127.0.0.1:{}", server.port())).await;
    assert_eq!(mail_of(&hub).await.state, "pending");
    assert_eq!(server.attempts(), []);
}

#[tokio::test]
async fn a_server_that_cannot_encrypt_hears_no_password_where_that_is_required() {
    let server = Server::start().await;
    server.asks_for("hub", "horse battery");
    let url = format!("smtp://hub:horse%20battery@127.0.0.1:{}?tls=required", server.port());
    let hub = mailing_over(&url).await;
    assert_eq!(mail_of(&hub).await.state, "pending");
    assert_eq!(server.attempts(), []);
}
