//! Projects are made: what they are then, what cannot be one, and what a repeated request makes.

use contracts::project::{MemberAdded, ProjectCreated};
use serde_json::{Value, json};

use crate::team::{App, person, project_of, text, walk};

#[tokio::test]
async fn a_project_belongs_to_its_maker_and_is_published_with_its_first_owner() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let answer = ada
        .post(
            "/v1/projects",
            json!({ "name": " Apollo ", "description": "To the moon." }),
        )
        .await
        .expect(201);
    let project = &answer.json;
    let id = text(&project["id"]);
    assert_eq!(answer.header("location"), Some(format!("/v1/projects/{id}").as_str()));
    assert_eq!(answer.header("etag"), Some("\"v1\""));
    assert_eq!(project["name"], "Apollo");
    assert_eq!(project["role"], "owner");
    assert_eq!(project["archived"], false);
    assert_eq!(project["created_by"], ada.id.to_string());

    let read = ada.get(format!("/v1/projects/{id}")).await.expect(200);
    assert_eq!(&read.json, project);
    assert_eq!(read.header("etag"), Some("\"v1\""));

    let created = app.published_of::<ProjectCreated>().await;
    assert_eq!(created.len(), 1);
    assert_eq!(
        (
            created[0].project.name.as_str(),
            created[0].project.version,
            created[0].actor_id
        ),
        ("Apollo", 1, ada.id)
    );
    let added = app.published_of::<MemberAdded>().await;
    assert_eq!(added.len(), 1);
    assert_eq!(
        (
            added[0].user_id,
            added[0].role.as_str(),
            added[0].actor_id,
            added[0].version
        ),
        (ada.id, "owner", ada.id, 1)
    );
    assert_eq!(added[0].project_id.to_string(), id);
}

#[tokio::test]
async fn somebody_whom_the_directory_does_not_know_yet_can_make_a_project_at_once() {
    let app = App::start().await;
    let fresh = app.user();
    let id = project_of(&fresh, "Apollo").await;
    let members = fresh.get(format!("/v1/projects/{id}/members")).await.expect(200).json;
    assert_eq!(members["items"][0]["user_id"], fresh.id.to_string());
    assert_eq!(members["items"][0]["display_name"], Value::Null);
}

#[tokio::test]
async fn bad_input_is_told_by_field_and_nothing_is_made() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let long = "x".repeat(101);
    let novel = "x".repeat(5001);
    for (body, pointers) in [
        (json!({}), vec!["#"]),
        (json!({ "name": "" }), vec!["#/name"]),
        (json!({ "name": "   " }), vec!["#/name"]),
        (json!({ "name": long }), vec!["#/name"]),
        (json!({ "name": "a\u{0}b" }), vec!["#/name"]),
        (json!({ "name": "a\nb" }), vec!["#/name"]),
        (json!({ "name": 7 }), vec!["#/name"]),
        (json!({ "name": null }), vec!["#/name"]),
        (json!({ "name": ["Apollo"] }), vec!["#/name"]),
        (json!({ "name": "Apollo", "description": 1 }), vec!["#/description"]),
        (json!({ "name": "Apollo", "descripton": "typo" }), vec!["#/descripton"]),
        (
            json!({ "name": "", "description": novel }),
            vec!["#/name", "#/description"],
        ),
        (json!("Apollo"), vec!["#"]),
        (json!([]), vec!["#"]),
    ] {
        let answer = ada.post("/v1/projects", body.clone()).await.expect(422);
        assert_eq!(answer.problem(), "validation-failed", "{body}");
        assert_eq!(answer.wrong(), pointers, "{body}");
    }
    for bytes in [
        &b""[..],
        b"{",
        b"{\"name\": \"Apollo\"",
        b"{\"name\": \"\xff\xfe\"}",
        b"{\"name\": \"A\"} {}",
        b"name=Apollo",
    ] {
        let request = ada
            .request("POST", "/v1/projects")
            .header("Content-Type", "application/json");
        let answer = request.body(bytes.to_vec()).send().await.expect(400);
        assert_eq!(answer.problem(), "malformed-request", "{bytes:?}");
    }
    let plain = ada
        .request("POST", "/v1/projects")
        .header("Content-Type", "text/plain")
        .body(b"{}".to_vec())
        .send()
        .await;
    plain.expect(415);
    assert_eq!(walk(&ada, "/v1/projects", 10).await.len(), 0);
    assert!(app.published().await.is_empty());
}

#[tokio::test]
async fn the_longest_name_and_description_are_kept_letter_by_letter() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let (name, description) = ("🚀".repeat(100), "ß\n".repeat(2500));
    let made = ada
        .post("/v1/projects", json!({ "name": name, "description": description }))
        .await
        .expect(201)
        .json;
    let read = ada
        .get(format!("/v1/projects/{}", text(&made["id"])))
        .await
        .expect(200)
        .json;
    assert_eq!((text(&read["name"]), text(&read["description"])), (name, description));
}

#[tokio::test]
async fn a_project_created_twice_with_one_key_is_made_once() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    let create = |who: &testkit::Actor, key: &str, name: &str| {
        who.request("POST", "/v1/projects")
            .header("Idempotency-Key", key)
            .json(&json!({ "name": name }))
            .send()
    };
    let first = create(&ada, "k-1", "Apollo").await.expect(201);
    let again = create(&ada, "k-1", "Apollo").await.expect(201);
    assert_eq!(first.json, again.json);
    assert_eq!(
        (first.header("location"), first.header("etag")),
        (again.header("location"), again.header("etag"))
    );
    assert_eq!(
        create(&ada, "k-1", "Artemis").await.expect(422).problem(),
        "idempotency-key-reused"
    );
    let other = create(&bruno, "k-1", "Apollo").await.expect(201);
    assert_ne!(other.json["id"], first.json["id"]);
    for key in ["", "\"\"", &"k".repeat(201)] {
        create(&ada, key, "Apollo").await.expect(400);
    }
    assert_eq!(app.published_of::<ProjectCreated>().await.len(), 2);
}

#[tokio::test]
async fn a_request_that_failed_leaves_its_key_for_the_next_try() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let create = |name: &'static str| {
        ada.request("POST", "/v1/projects")
            .header("Idempotency-Key", "k-1")
            .json(&json!({ "name": name }))
            .send()
    };
    create("").await.expect(422);
    create("Apollo").await.expect(201);
}

#[tokio::test]
async fn one_key_used_by_many_requests_at_once_makes_one_project() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let create = || {
        ada.request("POST", "/v1/projects")
            .header("Idempotency-Key", "k-1")
            .json(&json!({ "name": "Apollo" }))
            .send()
    };
    let (a, b, c, d) = tokio::join!(create(), create(), create(), create());
    let ids = [a, b, c, d].map(|answer| text(&answer.expect(201).json["id"]));
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(app.published_of::<ProjectCreated>().await.len(), 1);
    assert_eq!(walk(&ada, "/v1/projects", 10).await.len(), 1);
}
