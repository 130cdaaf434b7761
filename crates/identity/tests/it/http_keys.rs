use identity::{HttpKeySource, KeySource};
use serde_json::json;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, method, path},
};

use crate::issuer::Key;

#[tokio::test]
async fn keys_are_read_from_the_address_and_host_that_were_set() {
    let server = MockServer::start().await;
    let body = json!({ "keys": [Key::new("key_1").jwk()] });
    Mock::given(method("GET"))
        .and(path("/.well-known/jwks.json"))
        .and(header("host", "auth.localhost"))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(&server)
        .await;
    let url = format!("{}/.well-known/jwks.json", server.uri());
    let set = HttpKeySource::new(&url, Some("auth.localhost"))
        .unwrap()
        .keys()
        .await
        .unwrap();
    assert!(set.find("key_1").is_some());
    let other = HttpKeySource::new(&url, None).unwrap().keys().await.unwrap_err();
    assert!(other.to_string().contains("answered 404"), "{other}");
}

#[tokio::test]
async fn an_answer_that_is_no_key_set_is_an_error_that_names_the_address() {
    let server = MockServer::start().await;
    let at = async |route: &str, answer: ResponseTemplate| {
        Mock::given(path(route)).respond_with(answer).mount(&server).await;
        HttpKeySource::new(&format!("{}{route}", server.uri()), None)
            .unwrap()
            .keys()
            .await
            .unwrap_err()
            .to_string()
    };
    let huge = json!({ "keys": [], "pad": "x".repeat(100_000) });
    for error in [
        at("/html", ResponseTemplate::new(200).set_body_string("<html>")).await,
        at("/huge", ResponseTemplate::new(200).set_body_json(huge)).await,
        at(
            "/moved",
            ResponseTemplate::new(302).insert_header("location", "https://evil.example/"),
        )
        .await,
        at("/broken", ResponseTemplate::new(500)).await,
    ] {
        assert!(error.contains(&server.uri()), "{error}");
    }
}
