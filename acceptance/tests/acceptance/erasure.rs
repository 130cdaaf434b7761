//! Somebody leaves: everything about them is handed over, and then erased everywhere.

use acceptance::{Hub, Person, person::PASSWORD, until};
use serde_json::{Value, json};

const SERVICES: [&str; 6] = ["gateway", "auth", "project", "billing", "notification", "analytics"];

#[tokio::test]
async fn a_person_takes_everything_along_and_leaves_nothing_but_the_teams_work() {
    let hub = Hub::any().await;
    let (ada, bob) = (Person::join(&hub, "ada").await, Person::join(&hub, "bob").await);
    let project = ada.create_project("Apollo").await;
    ada.bring_in(&project, &bob, "admin").await;
    let task = ada.create_task(&project, json!({ "title": "Fix the valve" })).await;
    let comments = format!("/v1/tasks/{}/comments", task["id"].as_str().expect("an id"));
    ada.post(&comments, json!({ "body": "It leaks." })).await.expect(201);
    bob.create_task(&project, json!({ "title": "Paint the door", "assignee_ids": [ada.id] }))
        .await;
    ada.notified("task_assigned").await;
    let order = ada.order("team", 2, "for us both").await;
    assert_eq!(ada.order_ended(&order).await["status"], "completed");

    // Every service hands over its part.
    let export = until("the export holds what was done last", async || {
        let answer = ada.get("/v1/me/export").await;
        let export = answer.expect(200);
        let told = |service: &str, what: &str| export[service].to_string().contains(what);
        let whole = told("gateway", &project)
            && told("project", &project)
            && told("billing", &order)
            && told("notification", "task_assigned")
            && told("analytics", &ada.id);
        whole.then_some(export)
    })
    .await;
    for service in SERVICES {
        assert!(export[service].is_object(), "{service}: {export:#}");
    }
    assert_eq!(export["user_id"], ada.id.as_str());
    assert_eq!(export["auth"]["account"]["email"], ada.email.as_str());
    assert!(!export.to_string().contains(&bob.email), "others' addresses are theirs");

    // It has to be meant.
    let careless = Some(json!({ "password": "not the password at all" }));
    let refused = ada.send("DELETE", "/v1/me", &[], careless).await;
    assert_eq!((refused.status, refused.problem()), (422, "wrong-password"));
    let meant = Some(json!({ "password": PASSWORD }));
    let erasure = ada.send("DELETE", "/v1/me", &[], meant).await.expect(202);
    until("the session is refused", async || {
        (ada.get("/v1/me").await.status == 401).then_some(())
    })
    .await;
    let anybody = Person::stranger(&hub, "anybody");
    let path = format!("/v1/erasures/{}", erasure["id"].as_str().expect("an id"));
    let done = until("every service has erased the person", async || {
        let erasure = anybody.get(&path).await.expect(200);
        (erasure["status"] == "completed").then_some(erasure)
    })
    .await;
    let parts = done["services"].as_array().expect("services");
    for service in SERVICES.iter().filter(|service| **service != "auth") {
        let part = parts.iter().find(|part| part["service"] == *service);
        assert!(
            part.is_some_and(|part| part["erased_at"].is_string()),
            "{service}: {done:#}"
        );
    }

    // The team works on, with one owner and nobody's name.
    let left = bob.get(&format!("/v1/projects/{project}")).await.expect(200);
    assert_eq!(left["role"], "owner");
    let tasks = bob.get(&format!("/v1/projects/{project}/tasks")).await.expect(200);
    assert_eq!(tasks["items"].as_array().map(Vec::len), Some(2));
    for path in [
        comments,
        format!("/v1/projects/{project}/members"),
        format!("/v1/projects/{project}/activity"),
        format!("/v1/projects/{project}/export?format=json"),
    ] {
        let answer = bob.get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text.contains(&ada.email), "{path}: {}", answer.text);
        let handle = format!("\"{}\"", ada.handle);
        assert!(!answer.text.contains(&handle), "{path}: {}", answer.text);
    }

    // The address is free again, for somebody else.
    let mut again = ada.clone();
    again.token = String::new();
    assert_eq!(
        again
            .post("/v1/auth/login", json!({ "email": ada.email, "password": PASSWORD }))
            .await
            .status,
        401
    );
    again.register().await;
    assert_ne!(again.id, ada.id);
    assert_eq!(again.get("/v1/projects").await.expect(200)["items"], json!([]));
    assert_eq!(
        again.get("/v1/orders").await.expect(200)["items"],
        Value::Array(Vec::new())
    );
}
