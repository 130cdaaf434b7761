//! What clients may rely on everywhere.

use acceptance::{Hub, Person};
use serde_json::json;

#[tokio::test]
async fn every_host_serves_its_document_and_its_docs() {
    let hub = Hub::any().await;
    let anybody = Person::stranger(&hub, "anybody");
    for service in ["gateway", "auth", "project", "billing", "notification", "analytics"] {
        let host = hub.host(service);
        let document = anybody
            .get(host.join("/openapi.json").expect("a path").as_str())
            .await
            .expect(200);
        assert!(
            document["openapi"]
                .as_str()
                .is_some_and(|version| version.starts_with("3.")),
            "{service}"
        );
        assert_eq!(
            anybody.get(host.join("/docs").expect("a path").as_str()).await.status,
            200,
            "{service}"
        );
        assert_eq!(
            anybody.get(host.join("/health").expect("a path").as_str()).await.status,
            200,
            "{service}"
        );
    }
}

#[tokio::test]
async fn the_services_serve_the_same_paths_as_the_gateway() {
    let hub = Hub::any().await;
    let ada = Person::join(&hub, "ada").await;
    let project = ada.create_project("Two ways").await;
    let through = ada.get(&format!("/v1/projects/{project}")).await.expect(200);
    let direct = hub
        .host("project")
        .join(&format!("/v1/projects/{project}"))
        .expect("a path");
    assert_eq!(ada.get(direct.as_str()).await.expect(200), through);
}

#[tokio::test]
async fn bad_input_is_a_problem_that_says_what_to_do() {
    let hub = Hub::any().await;
    let ada = Person::join(&hub, "ada").await;
    let project = ada.create_project("Strict").await;
    let tasks = format!("/v1/projects/{project}/tasks");
    let long = "x".repeat(100_000);
    let many: Vec<String> = (0..10_000).map(|number| format!("label{number}")).collect();
    for (body, pointer) in [
        (json!({ "title": "" }), "#/title"),
        (json!({ "title": long }), "#/title"),
        (json!({ "title": 7 }), "#/title"),
        (json!({ "title": "a", "surprise": true }), "#/surprise"),
        (json!({ "title": "a", "status": "sleeping" }), "#/status"),
        (json!({ "title": "a", "due_at": "tomorrow" }), "#/due_at"),
        (json!({ "title": "a", "labels": many }), "#/labels"),
    ] {
        let answer = ada.post(&tasks, body).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (422, "validation-failed"),
            "{pointer}"
        );
        assert_eq!(answer.json["errors"][0]["pointer"], pointer, "{}", answer.text);
    }
    assert_eq!(
        ada.get(&tasks).await.expect(200)["items"],
        json!([]),
        "nothing was half done"
    );
    assert_eq!(
        ada.get("/v1/projects?cursor=bm9uc2Vuc2U").await.problem(),
        "malformed-request"
    );
    assert_eq!(ada.get("/v1/nothing-here").await.problem(), "no-such-path");
    assert_eq!(
        ada.send("PUT", "/v1/projects", &[], None).await.problem(),
        "method-not-allowed"
    );
    let taken =
        json!({ "email": ada.email.to_uppercase(), "password": "correct horse battery staple", "display_name": "Ada" });
    assert_eq!(
        Person::stranger(&hub, "ada")
            .post("/v1/auth/register", taken)
            .await
            .status,
        409
    );
}

#[tokio::test]
async fn creating_twice_with_one_idempotency_key_creates_once() {
    let hub = Hub::any().await;
    let ada = Person::join(&hub, "ada").await;
    let project = ada.create_project("Once").await;
    let tasks = format!("/v1/projects/{project}/tasks");
    let key = [("Idempotency-Key", "b7c1f0de-once")];
    let first = ada
        .send("POST", &tasks, &key, Some(json!({ "title": "Once" })))
        .await
        .expect(201);
    let again = ada
        .send("POST", &tasks, &key, Some(json!({ "title": "Once" })))
        .await
        .expect(201);
    assert_eq!(first, again);
    assert_eq!(
        ada.send("POST", &tasks, &key, Some(json!({ "title": "Twice" })))
            .await
            .status,
        422
    );
    assert_eq!(
        ada.get(&tasks).await.expect(200)["items"].as_array().map(Vec::len),
        Some(1)
    );
}
