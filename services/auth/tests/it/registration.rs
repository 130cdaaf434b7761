use std::collections::HashSet;

use contracts::auth::UserRegistered;
use serde_json::json;

use crate::hub::{Hub, PASSWORD};

#[tokio::test]
async fn somebody_opens_an_account_and_everybody_hears_of_it() {
    let hub = Hub::start().await;
    let answer = hub.register("Ada.Lovelace@Example.com").await.expect(201);
    let user = &answer.json;
    assert!(user["id"].as_str().unwrap().starts_with("usr_"));
    assert_eq!(
        json!([
            user["email"],
            user["handle"],
            user["display_name"],
            user["email_verified"],
            user["role"],
            user["plan"]
        ]),
        json!([
            "Ada.Lovelace@Example.com",
            "ada-lovelace",
            "Ada Lovelace",
            false,
            "user",
            "free"
        ])
    );
    assert_eq!(answer.header("etag"), Some("\"v1\""));
    let registered = hub.app.published_of::<UserRegistered>().await;
    assert_eq!(registered.len(), 1);
    assert_eq!(registered[0].user.email, "Ada.Lovelace@Example.com");
    assert_eq!(registered[0].user.version, 1);
    assert!(!answer.text().contains("password"), "{}", answer.text());
}

#[tokio::test]
async fn an_address_is_registered_once_whatever_case_it_is_written_in() {
    let hub = Hub::start().await;
    hub.register("ada@example.com").await.expect(201);
    for twin in ["ada@example.com", "ADA@example.com", " Ada@Example.COM "] {
        let answer = hub.register(twin).await.expect(409);
        assert_eq!(answer.problem(), "email-taken");
        assert_eq!(answer.wrong(), ["#/email"]);
    }
    assert_eq!(hub.app.published_of::<UserRegistered>().await.len(), 1);
}

#[tokio::test]
async fn of_many_registrations_of_one_address_at_once_one_succeeds() {
    let hub = Hub::start().await;
    let answers = futures_util::future::join_all((0..8).map(|_| hub.register("ada@example.com"))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    assert_eq!(hub.app.published_of::<UserRegistered>().await.len(), 1);
}

#[tokio::test]
async fn people_with_the_same_local_part_get_handles_of_their_own_also_at_once() {
    let hub = Hub::start().await;
    let addresses: Vec<String> = (0..12).map(|n| format!("ada@example{n}.com")).collect();
    let answers = futures_util::future::join_all(addresses.iter().map(|address| hub.register(address))).await;
    let handles: HashSet<String> = answers
        .into_iter()
        .map(|answer| answer.expect(201).json["handle"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(handles.len(), 12);
    assert!(handles.contains("ada") && handles.contains("ada2"), "{handles:?}");
}

#[tokio::test]
async fn everything_wrong_with_a_registration_is_told_at_once_and_nothing_is_done() {
    let hub = Hub::start().await;
    let body = json!({ "email": "ada", "password": "12345678", "display_name": "" });
    let answer = hub.app.anonymous().post("/v1/auth/register", body).await.expect(422);
    assert_eq!(answer.wrong(), ["#/email", "#/password", "#/display_name"]);
    assert!(
        !answer.text().contains("12345678"),
        "the password is not repeated: {}",
        answer.text()
    );
    let long = "x".repeat(5000);
    for (field, value) in [
        ("email", json!(long)),
        ("email", json!("ada@example.com\0")),
        ("password", json!(long)),
        ("password", json!("ada@example.com")),
        ("display_name", json!(long)),
        ("display_name", json!("Ada\nLovelace")),
        ("display_name", json!(null)),
        ("email", json!(7)),
        ("role", json!("admin")),
    ] {
        let mut body = json!({ "email": "ada@example.com", "password": PASSWORD, "display_name": "Ada" });
        body[field] = value.clone();
        let answer = hub.app.anonymous().post("/v1/auth/register", body).await.expect(422);
        assert_eq!(answer.wrong(), [format!("#/{field}")], "{value}");
    }
    assert_eq!(hub.app.published().await, []);
}

#[tokio::test]
async fn a_body_that_is_no_registration_is_refused() {
    let hub = Hub::start().await;
    let send = |kind: &'static str, body: &[u8]| {
        hub.app
            .anonymous()
            .request("POST", "/v1/auth/register")
            .header("content-type", kind)
            .body(body)
    };
    assert_eq!(
        send("application/json", b"{\"email\":").await.expect(400).problem(),
        "malformed-request"
    );
    assert_eq!(
        send("application/json", b"{\"email\": \"\xff\xfe\"}")
            .await
            .expect(400)
            .problem(),
        "malformed-request"
    );
    assert_eq!(
        send("text/plain", b"{}").await.expect(415).problem(),
        "unsupported-media-type"
    );
    assert_eq!(send("application/json", b"[]").await.status, 422);
    assert_eq!(send("application/json", b"{}").await.status, 422);
}
