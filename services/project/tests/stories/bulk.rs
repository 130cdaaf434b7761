//! Many tasks changed at once: all of them or none.

use contracts::{
    id::TaskId,
    project::{TaskAssigned, TaskDeleted, TaskUpdated},
};
use serde_json::json;

use crate::{
    team::{project_of, text},
    work::{Team, titles},
};

#[tokio::test]
async fn one_request_changes_many_tasks_each_with_its_own_event() {
    let team = Team::start().await;
    let (a, b, c) = (team.task("A").await, team.task("B").await, team.task("C").await);
    let path = format!("{}/bulk", team.tasks());
    let change = json!({
        "status": "in_progress", "priority": "high", "due_at": "2031-01-01T01:00:00+01:00", "labels": ["sprint 9"],
        "assignee_ids": [team.bruno.id.to_string()],
    });
    let body = json!({ "task_ids": [c, a, c], "change": change });
    let result = team.ada.post(&path, body.clone()).await.expect(200).json;
    assert_eq!(
        (&result["count"], titles(&result["items"])),
        (&json!(2), vec!["C".to_owned(), "A".to_owned()])
    );
    assert_eq!(result["items"][0]["due_at"], "2031-01-01T00:00:00Z");
    assert_eq!(
        team.titles("label=sprint%209&status=in_progress&priority=high").await,
        ["A", "C"]
    );
    assert_eq!(team.titles("status=todo").await, ["B"]);
    let read = team.ada.get(format!("/v1/tasks/{c}")).await.expect(200);
    assert_eq!((&read.json, read.header("etag")), (&result["items"][0], Some("\"v2\"")));
    assert_eq!(team.app.published_of::<TaskUpdated>().await.len(), 2);
    assert_eq!(team.app.published_of::<TaskAssigned>().await.len(), 2);

    team.ada.post(&path, body).await.expect(200);
    assert_eq!(
        team.app.published_of::<TaskUpdated>().await.len(),
        2,
        "the same again changes nothing"
    );
    team.ada
        .post(
            &path,
            json!({ "task_ids": [a, b], "change": { "due_at": null, "labels": null } }),
        )
        .await
        .expect(200);
    assert_eq!(team.titles("label=sprint%209").await, ["C"]);
}

#[tokio::test]
async fn when_one_task_cannot_be_changed_none_is() {
    let team = Team::start().await;
    let a = team.task("A").await;
    let other = project_of(&team.ada, "Other").await;
    let foreign = team
        .ada
        .post(format!("/v1/projects/{other}/tasks"), json!({ "title": "F" }))
        .await
        .expect(201)
        .json;
    let unknown = TaskId::new().to_string();
    let path = format!("{}/bulk", team.tasks());
    let done = json!({ "status": "done" });
    let many: Vec<String> = (0..201).map(|_| TaskId::new().to_string()).collect();
    for (body, wrong) in [
        (
            json!({ "task_ids": [a, foreign["id"], unknown], "change": done }),
            vec!["#/task_ids/1", "#/task_ids/2"],
        ),
        (
            json!({ "task_ids": [a, a, unknown], "delete": true }),
            vec!["#/task_ids/2"],
        ),
        (
            json!({ "task_ids": [a, "tsk_1"], "change": done }),
            vec!["#/task_ids/1"],
        ),
        (json!({ "task_ids": [], "change": done }), vec!["#/task_ids"]),
        (json!({ "task_ids": many, "change": done }), vec!["#/task_ids"]),
        (
            json!({ "task_ids": [a], "change": { "assignee_ids": [team.otto.id.to_string()] } }),
            vec!["#/change/assignee_ids"],
        ),
        (
            json!({ "task_ids": [a], "change": { "title": null } }),
            vec!["#/change/title"],
        ),
        (
            json!({ "task_ids": [a], "change": { "status": "x" } }),
            vec!["#/change/status"],
        ),
        (
            json!({ "task_ids": [a], "change": { "labels": [""] } }),
            vec!["#/change/labels/0"],
        ),
        (json!({ "task_ids": [a], "change": {} }), vec!["#/change"]),
        (json!({ "task_ids": [a] }), vec!["#/change"]),
        (
            json!({ "task_ids": [a], "change": done, "delete": true }),
            vec!["#/delete"],
        ),
    ] {
        let refused = team.ada.post(&path, body.clone()).await.expect(422);
        assert_eq!(
            (refused.problem(), refused.wrong()),
            ("validation-failed", wrong),
            "{body}"
        );
    }
    assert_eq!(team.titles("status=todo").await, ["A"]);
    assert!(team.app.published_of::<TaskUpdated>().await.is_empty());
    let body = json!({ "task_ids": [a], "change": done });
    assert_eq!(
        team.vera.post(&path, body.clone()).await.expect(403).problem(),
        "project-role-too-low"
    );
    assert_eq!(
        team.otto.post(&path, body).await.expect(404).problem(),
        "project-not-found"
    );
}

#[tokio::test]
async fn two_hundred_tasks_can_be_deleted_at_once() {
    let team = Team::start().await;
    let mut ids = Vec::new();
    for number in 0..200 {
        ids.push(team.task(&number.to_string()).await);
    }
    let kept = team.task("kept").await;
    let body = json!({ "task_ids": ids, "delete": true });
    let result = team
        .ada
        .post(format!("{}/bulk", team.tasks()), body)
        .await
        .expect(200)
        .json;
    assert_eq!(result, json!({ "count": 200, "items": [] }));
    assert_eq!(team.titles("").await, ["kept"]);
    assert_eq!(team.app.published_of::<TaskDeleted>().await.len(), 200);
    assert_eq!(
        text(&team.ada.get(format!("/v1/tasks/{kept}")).await.expect(200).json["title"]),
        "kept"
    );
}
