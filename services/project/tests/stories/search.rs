//! Finding tasks and comments in all projects of one's own.

use serde_json::{Value, json};

use crate::{
    team::{project_of, text, walk},
    work::Team,
};

async fn found(team: &Team, q: &str) -> Vec<Value> {
    let page = team.bruno.get(format!("/v1/search?q={q}")).await.expect(200).json;
    page["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn tasks_and_comments_of_my_projects_are_found_newest_first_and_nobody_elses() {
    let team = Team::start().await;
    let task = team
        .task_with(json!({ "title": "Fix the valve", "description": "It leaks." }))
        .await;
    let path = format!("/v1/tasks/{}/comments", text(&task["id"]));
    let comment = team
        .ada
        .post(&path, json!({ "body": "Which valve do you mean?" }))
        .await
        .expect(201)
        .json;
    let secret = project_of(&team.otto, "Secret").await;
    team.otto
        .post(format!("/v1/projects/{secret}/tasks"), json!({ "title": "valve" }))
        .await
        .expect(201);

    let hits = found(&team, "valve").await;
    assert_eq!(hits.len(), 2);
    assert_eq!(
        (&hits[0]["kind"], &hits[0]["comment_id"]),
        (&json!("comment"), &comment["id"])
    );
    assert_eq!(
        (&hits[0]["task_id"], &hits[0]["title"]),
        (&task["id"], &json!("Fix the valve"))
    );
    assert_eq!(hits[0]["excerpt"], "Which valve do you mean?");
    assert_eq!(
        (&hits[1]["kind"], &hits[1]["comment_id"]),
        (&json!("task"), &Value::Null)
    );
    assert_eq!(
        (&hits[1]["task_id"], &hits[1]["project_id"]),
        (&task["id"], &json!(team.project))
    );
    assert_eq!(found(&team, "leak%20fix").await.len(), 1);
    assert_eq!(found(&team, "valve%20fix%20mean").await.len(), 0);
}

#[tokio::test]
async fn the_index_follows_changes_and_deletions() {
    let team = Team::start().await;
    let task = format!("/v1/tasks/{}", team.task("Fix the valve").await);
    let comment = team
        .ada
        .post(format!("{task}/comments"), json!({ "body": "hello" }))
        .await
        .expect(201)
        .json;
    let comment = format!("/v1/comments/{}", text(&comment["id"]));
    team.ada
        .patch(&task, json!({ "title": "Fix the pump" }))
        .header("if-match", "*")
        .await
        .expect(200);
    team.ada
        .patch(&comment, json!({ "body": "goodbye" }))
        .header("if-match", "*")
        .await
        .expect(200);
    assert_eq!(
        (found(&team, "valve").await.len(), found(&team, "hello").await.len()),
        (0, 0)
    );
    assert_eq!(
        (found(&team, "pump").await.len(), found(&team, "goodbye").await.len()),
        (1, 1)
    );
    team.ada.delete(&comment).header("if-match", "*").await.expect(204);
    assert_eq!(found(&team, "goodbye").await.len(), 0);
    let path = format!("/v1/projects/{}", team.project);
    team.ada.delete(path).header("if-match", "*").await.expect(204);
    assert_eq!(found(&team, "pump").await.len(), 0);
    // The index is still sound: what comes later is found.
    let again = project_of(&team.bruno, "Again").await;
    team.bruno
        .post(format!("/v1/projects/{again}/tasks"), json!({ "title": "pump" }))
        .await
        .expect(201);
    assert_eq!(found(&team, "pump").await.len(), 1);
}

#[tokio::test]
async fn who_is_removed_finds_nothing_any_more() {
    let team = Team::start().await;
    team.task("Fix the valve").await;
    assert_eq!(found(&team, "valve").await.len(), 1);
    team.ada
        .delete(format!("/v1/projects/{}/members/{}", team.project, team.bruno.id))
        .await
        .expect(204);
    assert_eq!(found(&team, "valve").await.len(), 0);
}

#[tokio::test]
async fn pages_of_hits_go_on_without_gaps_or_doubles() {
    let team = Team::start().await;
    let mut expected = Vec::new();
    for number in 0..4 {
        let task = team.task(&format!("valve {number}")).await;
        let body = json!({ "body": format!("valve of {number}") });
        let comment = team
            .ada
            .post(format!("/v1/tasks/{task}/comments"), body)
            .await
            .expect(201)
            .json;
        expected.extend([task, text(&comment["id"])]);
    }
    expected.reverse();
    for limit in [1, 3, 8] {
        let hits = walk(&team.bruno, "/v1/search?q=valve", limit).await;
        let id = |hit: &Value| {
            hit["comment_id"]
                .as_str()
                .or(hit["task_id"].as_str())
                .map(str::to_owned)
        };
        assert_eq!(
            hits.iter().filter_map(id).collect::<Vec<_>>(),
            expected,
            "{limit} at a time"
        );
    }
    let cursor = text(&team.bruno.get("/v1/search?q=valve&limit=1").await.expect(200).json["next_cursor"]);
    let refused = team
        .bruno
        .get(format!("/v1/search?q=of&cursor={cursor}"))
        .await
        .expect(400);
    assert_eq!(refused.problem(), "malformed-request");
    assert_eq!(
        team.ada
            .get(format!("/v1/search?q=valve&cursor={cursor}"))
            .await
            .expect(400)
            .problem(),
        "malformed-request"
    );
}

#[tokio::test]
async fn whatever_is_typed_is_words_and_never_an_operator() {
    let team = Team::start().await;
    team.task("Fix the valve").await;
    for q in [
        "%22",
        "valve%22",
        "valve%20NOT%20fix",
        "%28",
        "*",
        "valve%5E2",
        "NEAR(a%20b)",
        "%27%27",
        "a%3Ab",
        "%00",
        "%5C",
        "valve%3A*",
    ] {
        team.bruno.get(format!("/v1/search?q={q}")).await.expect(200);
    }
    assert_eq!(found(&team, "%22valve%22%20fix*").await.len(), 1);
    let long = "x".repeat(201);
    for q in ["", "%20", long.as_str()] {
        assert_eq!(
            team.bruno.get(format!("/v1/search?q={q}")).await.expect(422).wrong(),
            ["?q"]
        );
    }
    assert!([400, 422].contains(&team.bruno.get("/v1/search").await.status));
}
