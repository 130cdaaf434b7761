//! Labels of a project.

use contracts::project::TaskUpdated;
use serde_json::{Value, json};

use crate::{
    team::{project_of, text},
    work::Team,
};

fn labels(team: &Team) -> String {
    format!("/v1/projects/{}/labels", team.project)
}

async fn names(team: &Team) -> Vec<(String, i64)> {
    let list = team.vera.get(labels(team)).await.expect(200).json;
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|label| (text(&label["name"]), label["task_count"].as_i64().unwrap()))
        .collect()
}

#[tokio::test]
async fn a_label_that_a_task_brings_along_is_made_and_later_found_in_any_case() {
    let team = Team::start().await;
    let first = team
        .task_with(json!({ "title": "A", "labels": ["Bug", "bug", " BUG "] }))
        .await;
    assert_eq!(first["labels"], json!(["Bug"]), "three ways to write one label");
    let second = team
        .bruno
        .post(team.tasks(), json!({ "title": "B", "labels": ["bUG", "Über"] }))
        .await
        .expect(201)
        .json;
    assert_eq!(
        second["labels"],
        json!(["Bug", "Über"]),
        "with the name that it has already"
    );
    assert_eq!(names(&team).await, [("Bug".to_owned(), 2), ("Über".to_owned(), 1)]);
}

#[tokio::test]
async fn a_label_can_be_made_with_a_colour_and_its_name_is_unique_whatever_the_case() {
    let team = Team::start().await;
    let made = team
        .bruno
        .post(labels(&team), json!({ "name": " Bug ", "colour": "#FF0000" }))
        .await
        .expect(201);
    assert_eq!(
        (&made.json["name"], &made.json["colour"]),
        (&json!("Bug"), &json!("#ff0000"))
    );
    assert_eq!(made.header("etag"), Some("\"v1\""));
    assert_eq!(
        team.ada
            .post(labels(&team), json!({ "name": "BUG" }))
            .await
            .expect(409)
            .problem(),
        "label-name-taken"
    );
    let plain = team
        .ada
        .post(labels(&team), json!({ "name": "plain" }))
        .await
        .expect(201)
        .json;
    assert!(text(&plain["colour"]).starts_with('#'));
    let other = project_of(&team.ada, "Other").await;
    team.ada
        .post(format!("/v1/projects/{other}/labels"), json!({ "name": "Bug" }))
        .await
        .expect(201);
    for (body, wrong) in [
        (json!({ "name": "" }), vec!["#/name"]),
        (
            json!({ "name": "x".repeat(51), "colour": "red" }),
            vec!["#/name", "#/colour"],
        ),
        (json!({ "name": "a\u{0}" }), vec!["#/name"]),
        (json!({ "name": "x", "color": "#ff0000" }), vec!["#/color"]),
    ] {
        assert_eq!(team.ada.post(labels(&team), body).await.expect(422).wrong(), wrong);
    }
}

#[tokio::test]
async fn a_new_name_reaches_every_task_that_has_the_label() {
    let team = Team::start().await;
    let task = team.task_with(json!({ "title": "A", "labels": ["bug", "leak"] })).await;
    team.task("B").await;
    let label = team.ada.get(labels(&team)).await.expect(200).json["items"][0].clone();
    let path = format!("{}/{}", labels(&team), text(&label["id"]));
    let rename = json!({ "name": "Defect", "colour": "#00ff00" });
    assert_eq!(
        team.ada.patch(&path, rename.clone()).await.expect(428).problem(),
        "precondition-required"
    );
    assert_eq!(
        team.bruno
            .patch(&path, rename.clone())
            .header("if-match", "*")
            .await
            .expect(403)
            .problem(),
        "project-role-too-low"
    );
    let renamed = team
        .ada
        .patch(&path, rename)
        .header("if-match", "\"v1\"")
        .await
        .expect(200);
    assert_eq!(
        (renamed.header("etag"), &renamed.json["name"]),
        (Some("\"v2\""), &json!("Defect"))
    );

    let read = team
        .ada
        .get(format!("/v1/tasks/{}", text(&task["id"])))
        .await
        .expect(200);
    assert_eq!(
        (&read.json["labels"], read.header("etag")),
        (&json!(["Defect", "leak"]), Some("\"v2\""))
    );
    assert_eq!(team.titles("label=defect").await, ["A"]);
    let listed = team
        .ada
        .get(format!("{}?label=defect", team.tasks()))
        .await
        .expect(200)
        .json;
    assert_eq!(listed["items"], json!([read.json]));
    let updated = team.app.published_of::<TaskUpdated>().await;
    assert_eq!((updated.len(), &updated[0].changed), (1, &vec!["labels".to_owned()]));
    assert_eq!(
        (&updated[0].task.labels, updated[0].task.version),
        (&vec!["Defect".to_owned(), "leak".to_owned()], 2)
    );

    let taken = team
        .ada
        .patch(&path, json!({ "name": "LEAK" }))
        .header("if-match", "*")
        .await
        .expect(409);
    assert_eq!(taken.problem(), "label-name-taken");
    team.ada
        .patch(&path, json!({ "name": "DEFECT" }))
        .header("if-match", "*")
        .await
        .expect(200);
    assert_eq!(
        team.ada
            .patch(&path, json!({}))
            .header("if-match", "\"v2\"")
            .await
            .expect(412)
            .problem(),
        "precondition-failed"
    );
}

#[tokio::test]
async fn a_deleted_label_is_taken_off_its_tasks() {
    let team = Team::start().await;
    let task = team.task_with(json!({ "title": "A", "labels": ["bug", "leak"] })).await;
    let label = text(&team.ada.get(labels(&team)).await.expect(200).json["items"][0]["id"]);
    let path = format!("{}/{label}", labels(&team));
    assert_eq!(
        team.ada.delete(&path).await.expect(428).problem(),
        "precondition-required"
    );
    team.ada.delete(&path).header("if-match", "\"v1\"").await.expect(204);
    assert_eq!(
        team.ada
            .delete(&path)
            .header("if-match", "*")
            .await
            .expect(404)
            .problem(),
        "label-not-found"
    );
    let read = team
        .ada
        .get(format!("/v1/tasks/{}", text(&task["id"])))
        .await
        .expect(200)
        .json;
    assert_eq!((&read["labels"], &read["version"]), (&json!(["leak"]), &json!(2)));
    assert_eq!(names(&team).await, [("leak".to_owned(), 1)]);
}

#[tokio::test]
async fn a_label_of_another_project_cannot_be_reached() {
    let team = Team::start().await;
    let other = project_of(&team.otto, "Other").await;
    let foreign = team
        .otto
        .post(format!("/v1/projects/{other}/labels"), json!({ "name": "x" }))
        .await
        .expect(201)
        .json;
    let path = format!("{}/{}", labels(&team), text(&foreign["id"]));
    assert_eq!(
        team.ada
            .patch(&path, json!({ "name": "y" }))
            .header("if-match", "*")
            .await
            .expect(404)
            .problem(),
        "label-not-found"
    );
    assert_eq!(
        team.ada
            .delete(&path)
            .header("if-match", "*")
            .await
            .expect(404)
            .problem(),
        "label-not-found"
    );
    assert_eq!(
        team.otto.get(labels(&team)).await.expect(404).problem(),
        "project-not-found"
    );
    assert_eq!(
        team.vera
            .post(labels(&team), json!({ "name": "z" }))
            .await
            .expect(403)
            .problem(),
        "project-role-too-low"
    );
}

#[tokio::test]
async fn a_project_has_five_hundred_labels_at_most_however_they_are_made() {
    let team = Team::start().await;
    for ten in 0..10 {
        let names: Vec<String> = (0..50).map(|one| format!("label {ten}-{one}")).collect();
        team.task_with(json!({ "title": "A", "labels": names })).await;
    }
    let refused = team
        .ada
        .post(
            team.tasks(),
            json!({ "title": "B", "labels": ["label 1-1", "one more"] }),
        )
        .await
        .expect(422);
    assert_eq!(refused.wrong(), ["#/labels"]);
    let refused = team
        .ada
        .post(labels(&team), json!({ "name": "one more" }))
        .await
        .expect(409);
    assert_eq!(refused.problem(), "label-limit-reached");
    team.task_with(json!({ "title": "C", "labels": ["label 1-1"] })).await;
    assert_eq!(
        team.ada.get(labels(&team)).await.expect(200).json["items"]
            .as_array()
            .map(Vec::len),
        Some(500)
    );
}

#[tokio::test]
async fn a_label_sent_twice_with_one_key_is_made_once() {
    let team = Team::start().await;
    let send = async || {
        let call = team
            .ada
            .post(labels(&team), json!({ "name": "bug" }))
            .header("idempotency-key", "once");
        call.await.expect(201).json
    };
    let first: Value = send().await;
    assert_eq!(first, send().await);
}
