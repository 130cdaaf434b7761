//! The route table and the document of the whole API.

use chassis::Service as _;
use gateway::{
    Gateway,
    domain::route::{OWN, Table},
    edge::routes,
};
use identity::{Access, access};
use serde_json::Value;

use crate::support::{Answer, Edge};

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
