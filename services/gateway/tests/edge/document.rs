//! The route table and the document of the whole API.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::Service as _;
use contracts::Timestamp;
use gateway::{
    Gateway,
    domain::route::{OWN, Table},
    edge::routes,
};
use identity::{Access, Claims, access};
use serde_json::{Value, json};
use testkit::TestService;

use crate::support::{Answer, Edge, Service, json_answer};

#[test]
fn no_two_services_claim_one_path_and_every_operation_is_in_the_access_table() {
    let documents = routes::documents().unwrap();
    let table = Table::build(documents.iter().map(|(service, document)| (*service, document))).unwrap();
    assert!(!table.is_empty());
}

#[test]
fn every_operation_that_clients_may_use_is_documented_and_routed() {
    let document = Gateway::document();
    let table = Table::build([(OWN, &document)]).unwrap();
    for operation in access::OPERATIONS
        .iter()
        .filter(|operation| operation.access != Access::Service)
    {
        let path = &document["paths"][operation.path][operation.method.to_lowercase()];
        assert!(
            path.is_object(),
            "{} {} is not documented",
            operation.method,
            operation.path
        );
        let route = table
            .find(operation.path)
            .unwrap_or_else(|| panic!("{} is not routed", operation.path));
        assert_eq!(route.access(&operation.method.parse().unwrap()), Some(operation.access));
    }
}

fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(entries) => {
            found.extend(entries.get("$ref").and_then(Value::as_str));
            entries.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_is_whole_every_reference_leads_somewhere_and_every_operation_has_its_own_id() {
    let edge = Edge::in_front_of(&[]).await;
    let answer = Answer::of(
        edge.request(reqwest::Method::GET, "/openapi.json")
            .send()
            .await
            .unwrap(),
    )
    .await;
    let document = answer.json();
    assert_eq!(document, Gateway::document());
    let mut found = Vec::new();
    references(&document, &mut found);
    for reference in found {
        assert!(
            document.pointer(reference.trim_start_matches('#')).is_some(),
            "{reference} leads nowhere"
        );
    }
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths
        .flat_map(|item| item.as_object().unwrap().values())
        .filter_map(|operation| operation["operationId"].as_str());
    let mut ids: Vec<&str> = operations.collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "two operations have the same id");
    assert!(document["paths"]["/v1/auth/introspect"].is_null());
}

#[tokio::test]
async fn the_page_that_shows_the_document_is_there() {
    let edge = Edge::in_front_of(&[]).await;
    let answer = Answer::of(edge.request(reqwest::Method::GET, "/docs").send().await.unwrap()).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains("/v1/stream"));
}

/// What auth says of a token of `TestService`: its own claims, unless they are over or for somebody else.
fn introspected(form: &str) -> Value {
    let payload = form.strip_prefix("token=").and_then(|token| token.split('.').nth(1));
    let claims = payload
        .and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok())
        .and_then(|json| serde_json::from_slice::<Claims>(&json).ok())
        .filter(|claims| claims.iss == "http://auth.localhost:8080" && claims.aud == "cloudtaskhub")
        .filter(|claims| claims.exp > Timestamp::now().as_seconds());
    let Some(claims) = claims else {
        return json!({"active": false});
    };
    json!({
        "active": true, "sub": claims.sub, "sid": claims.sid, "pat": claims.pat, "role": claims.role,
        "scopes": claims.scopes, "exp": claims.exp,
    })
}

#[tokio::test]
async fn every_event_that_is_published_is_handled() {
    TestService::<Gateway>::start().await.check_events().await;
}

#[tokio::test]
async fn whoever_may_not_call_an_operation_is_refused_before_its_service_is_asked() {
    let auth = Service::answering(|mut request| async move {
        let form = request.take_body().into_string().await.unwrap();
        json_answer(&introspected(&form))
    });
    let project = Service::with_statuses(&[500]);
    // The walk shows more bad tokens than one address may.
    let settings = format!(
        "[gateway.upstreams.auth]\nurl = \"http://{}\"\n[gateway.upstreams.project]\nurl = \"http://{}\"\n\
         [gateway.limits.bad_token]\nburst = 0",
        auth.address, project.address
    );
    TestService::<Gateway>::with(&settings).await.check_refusals().await;
    assert!(auth.calls() > 0);
    assert_eq!(project.calls(), 0);
}
