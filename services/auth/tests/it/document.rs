use auth::Auth;
use chassis::Service;
use serde_json::json;

use crate::hub::{Hub, text};

#[tokio::test]
async fn nobody_gets_where_they_may_not() {
    let hub = Hub::start().await;
    hub.app.check_authorisation().await;
}

#[tokio::test]
async fn every_event_that_is_published_is_handled() {
    Hub::start().await.app.check_events().await;
}

#[tokio::test]
async fn what_belongs_to_somebody_else_does_not_exist() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let session = text(&ada.actor.get("/v1/sessions").await.expect(200).json["items"][0], "id");
    let body = json!({ "name": "ci", "scopes": ["tasks:read"] });
    let token = text(&ada.actor.post("/v1/tokens", body).await.expect(201).json, "id");
    let owned = [
        ("/v1/sessions/{id}", format!("/v1/sessions/{session}")),
        ("/v1/tokens/{id}", format!("/v1/tokens/{token}")),
    ];
    let owned: Vec<(&str, &str)> = owned
        .iter()
        .map(|(template, real)| (*template, real.as_str()))
        .collect();
    hub.app.check_foreign(&owned).await;
    ada.actor.get("/v1/me").await.expect(200);
}

#[test]
fn the_committed_openapi_document_is_what_the_service_serves() {
    testkit::openapi::check_committed(Auth::NAME, &Auth::document());
}
