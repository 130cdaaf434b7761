//! The files of other tools: Trello boards and GitHub issues.

use serde_json::{Value, json};

use crate::{
    imports::{import, report, tasks},
    team::{App, person, text},
};

fn board() -> Value {
    json!({
        "id": "b1", "name": "Apollo", "prefs": { "background": "blue" },
        "actions": [
            { "type": "commentCard", "date": "2026-01-03T10:00:00.000Z", "memberCreator": { "username": "grace" },
              "data": { "card": { "id": "c1" }, "text": "Fixed?" } },
            { "type": "commentCard", "date": "2026-01-02T10:00:00.000Z", "memberCreator": { "username": "ada" },
              "data": { "card": { "id": "c1" }, "text": "It leaks." } },
            { "type": "updateCard", "data": { "card": { "id": "c1" } } },
        ],
        "cards": [
            { "id": "c1", "name": "Fix the valve", "desc": "Above four bar.", "closed": false, "idList": "l2",
              "labels": [{ "name": "bug", "color": "red" }, { "name": "", "color": "green" }],
              "due": "2026-12-01T16:00:00.000Z", "dueComplete": false, "idMembers": ["m1", "m2"] },
            { "id": "c2", "name": "Old idea", "closed": true, "idList": "l1" },
            { "id": "c3", "name": "Shipped", "idList": "l1", "due": "2026-01-01T00:00:00.000Z", "dueComplete": true },
            { "id": "c4", "name": 7, "labels": "none", "idList": "l1" },
        ],
        "lists": [{ "id": "l1", "name": "Ideas" }, { "id": "l2", "name": "Doing" }],
        "members": [{ "id": "m1", "username": "ada" }, { "id": "m2", "username": "grace" }],
        "checklists": [{ "idCard": "c1", "name": "Steps", "checkItems": [
            { "name": "Look", "state": "complete" }, { "name": "Mend", "state": "incomplete" }] }],
    })
}

#[tokio::test]
async fn a_trello_board_becomes_a_project_although_its_cards_come_before_its_lists() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let import = import(
        &app,
        &ada,
        "/v1/projects/import?name=Apollo",
        "application/json",
        board().to_string(),
    )
    .await;
    assert_eq!(
        (&import["format"], &import["created"], &import["rejected"]),
        (&json!("trello"), &json!(3), &json!(1))
    );
    let tasks = tasks(&ada, &import).await;
    let valve = &tasks[0];
    assert_eq!(valve["description"], "Above four bar.\n\nSteps\n- [x] Look\n- [ ] Mend");
    assert_eq!(
        (&valve["status"], &valve["labels"]),
        (&json!("in_progress"), &json!(["bug", "green"]))
    );
    assert_eq!(
        (&valve["due_at"], &valve["assignee_ids"]),
        (&json!("2026-12-01T16:00:00Z"), &json!([ada.id]))
    );
    assert_eq!(
        (&tasks[1]["status"], &tasks[1]["labels"]),
        (&json!("cancelled"), &json!(["Ideas"]))
    );
    assert_eq!(tasks[2]["status"], "done");
    let path = format!("/v1/tasks/{}/comments", text(&valve["id"]));
    let comments = ada.get(path).await.expect(200).json["items"].clone();
    assert_eq!(
        (&comments[0]["body"], &comments[0]["original_author"]),
        (&json!("It leaks."), &Value::Null)
    );
    assert_eq!(
        (&comments[1]["body"], &comments[1]["original_author"]),
        (&json!("Fixed?"), &json!("grace"))
    );
    let lines = report(&ada, &import).await;
    assert_eq!(lines[3]["problems"][0]["pointer"], "#/labels", "{}", lines[3]);
}

#[tokio::test]
async fn github_issues_are_the_same_from_the_command_line_and_from_the_api() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let by_command = json!([
        { "number": 7, "title": "Fix the valve", "body": "It leaks.", "state": "CLOSED", "stateReason": "COMPLETED",
          "labels": [{ "name": "bug" }], "assignees": [{ "login": "ada" }], "createdAt": "2026-01-01T10:00:00Z",
          "closedAt": "2026-01-05T10:00:00Z", "url": "https://github.com/ada/engine/issues/7",
          "comments": [{ "author": { "login": "grace" }, "body": "Done.", "createdAt": "2026-01-05T09:00:00Z" }],
          "milestone": { "title": "v1", "dueOn": "2026-12-01T00:00:00Z" } },
        { "number": 8, "title": "Steam?", "state": "CLOSED", "stateReason": "NOT_PLANNED", "labels": [], "assignees": [],
          "url": "https://github.com/ada/engine/issues/8" },
    ]);
    let by_api = json!([
        { "number": 7, "title": "Fix the valve", "body": null, "state": "closed", "comments": 1,
          "url": "https://api.github.com/repos/ada/engine/issues/7", "html_url": "https://github.com/ada/engine/issues/7" },
        { "number": 9, "title": "Change it", "state": "open", "pull_request": {},
          "html_url": "https://github.com/ada/engine/pull/9" },
        { "number": 10, "title": "Paint it", "state": "open", "labels": [{ "name": "paint" }], "assignees": [],
          "html_url": "https://github.com/ada/engine/issues/10" },
    ]);
    let path = "/v1/projects/import?name=Engine";
    let first = import(&app, &ada, path, "application/json", by_command.to_string()).await;
    assert_eq!((&first["format"], &first["created"]), (&json!("github"), &json!(2)));
    let second = import(&app, &ada, path, "application/json", by_api.to_string()).await;
    assert_eq!((&second["created"], &second["skipped"]), (&json!(1), &json!(2)));
    let tasks = tasks(&ada, &first).await;
    let valve = &tasks[0];
    assert_eq!(
        (&valve["status"], &valve["labels"]),
        (&json!("done"), &json!(["bug", "milestone: v1"]))
    );
    assert_eq!(
        (&valve["created_at"], &valve["completed_at"]),
        (&json!("2026-01-01T10:00:00Z"), &json!("2026-01-05T10:00:00Z"))
    );
    assert_eq!(valve["due_at"], "2026-12-01T00:00:00Z");
    assert_eq!(tasks[1]["status"], "cancelled");
    assert_eq!(tasks[2]["title"], "Paint it");
}

#[tokio::test]
async fn the_format_that_is_named_has_to_be_the_one_of_the_file() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let path = "/v1/projects/import?name=Apollo&format=github";
    let import = import(&app, &ada, path, "application/json", board().to_string()).await;
    assert_eq!(import["status"], "failed");
    assert_eq!(import["failure"], "the file looks like trello, not like github");
}

#[tokio::test]
async fn an_element_that_is_no_issue_is_rejected_and_the_others_are_taken() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let file = r#"[7, null, {"title": ["a"]}, {"title": "Fix the valve", "number": 1}]"#;
    let import = import(&app, &ada, "/v1/projects/import?name=Apollo", "application/json", file).await;
    assert_eq!((&import["created"], &import["rejected"]), (&json!(1), &json!(3)));
}
