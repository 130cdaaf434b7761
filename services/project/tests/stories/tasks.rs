//! Tasks: made, read, changed, deleted, and what the rest of the hub hears of it.

use contracts::{
    id::{TaskId, UserId},
    project::{TaskAssigned, TaskCreated, TaskDeleted, TaskUpdated},
};
use serde_json::{Value, json};

use crate::{team::text, work::Team};

#[tokio::test]
async fn a_task_with_everything_is_kept_answered_and_published() {
    let team = Team::start().await;
    let body = json!({
        "title": "  Fix the valve ", "description": "It leaks.\nBadly.", "status": "in_progress", "priority": "high",
        "due_at": "2031-03-01T13:00:00+01:00", "assignee_ids": [team.bruno.id.to_string(), team.ada.id.to_string()],
        "labels": ["Hardware", "leak"],
    });
    let answer = team.ada.post(team.tasks(), body).await.expect(201);
    let task = &answer.json;
    let id = text(&task["id"]);
    assert_eq!(answer.header("location"), Some(format!("/v1/tasks/{id}").as_str()));
    assert_eq!(answer.header("etag"), Some("\"v1\""));
    assert_eq!(task["title"], "Fix the valve");
    assert_eq!(task["due_at"], "2031-03-01T12:00:00Z");
    assert_eq!(task["labels"], json!(["Hardware", "leak"]));
    assert_eq!(task["project_id"], team.project);
    assert_eq!(task["completed_at"], Value::Null);

    let read = team.vera.get(format!("/v1/tasks/{id}")).await.expect(200);
    assert_eq!((&read.json, read.header("etag")), (task, Some("\"v1\"")));
    let listed = team.vera.get(team.tasks()).await.expect(200).json;
    assert_eq!(listed, json!({ "items": [task], "next_cursor": null }));

    let created = team.app.published_of::<TaskCreated>().await;
    assert_eq!(created.len(), 1);
    assert_eq!((created[0].task.version, created[0].actor_id), (1, team.ada.id));
    assert_eq!(created[0].task.status, "in_progress");
    let assigned = team.app.published_of::<TaskAssigned>().await;
    assert_eq!(
        assigned.iter().map(|event| event.assignee_id).collect::<Vec<_>>(),
        [team.bruno.id, team.ada.id]
    );
}

#[tokio::test]
async fn a_task_needs_no_more_than_a_title() {
    let team = Team::start().await;
    let task = team
        .bruno
        .post(team.tasks(), json!({ "title": "Fix it" }))
        .await
        .expect(201)
        .json;
    assert_eq!((&task["status"], &task["priority"]), (&json!("todo"), &json!("none")));
    assert_eq!((&task["description"], &task["due_at"]), (&json!(""), &Value::Null));
    assert_eq!((&task["assignee_ids"], &task["labels"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn a_task_sent_twice_with_one_key_is_made_once() {
    let team = Team::start().await;
    let send = async |title: &str| {
        team.ada
            .post(team.tasks(), json!({ "title": title }))
            .header("idempotency-key", "k-1")
            .await
    };
    let first = send("Fix it").await.expect(201);
    let again = send("Fix it").await.expect(201);
    assert_eq!(
        (first.json, first.headers.get("etag")),
        (again.json, again.headers.get("etag"))
    );
    assert_eq!(team.app.published_of::<TaskCreated>().await.len(), 1);
    assert_eq!(
        send("Fix another").await.expect(422).problem(),
        "idempotency-key-reused"
    );
}

#[tokio::test]
async fn a_change_says_what_changed_and_from_which_state() {
    let team = Team::start().await;
    let body =
        json!({ "title": "Fix it", "assignee_ids": [team.ada.id.to_string()], "due_at": "2031-01-01T00:00:00Z" });
    let id = text(&team.task_with(body).await["id"]);
    let path = format!("/v1/tasks/{id}");
    let change = json!({
        "status": "done", "due_at": null, "description": "Done by Bruno.",
        "assignee_ids": [team.ada.id.to_string(), team.bruno.id.to_string()],
    });
    let changed = team
        .bruno
        .patch(&path, change)
        .header("if-match", "\"v1\"")
        .await
        .expect(200);
    assert_eq!(changed.header("etag"), Some("\"v2\""));
    assert_eq!(changed.json["due_at"], Value::Null);
    assert!(changed.json["completed_at"].is_string());
    assert_eq!(team.ada.get(&path).await.expect(200).json, changed.json);

    let updated = team.app.published_of::<TaskUpdated>().await;
    assert_eq!(updated.len(), 1);
    assert_eq!(updated[0].changed, ["description", "status", "due_at", "assignee_ids"]);
    assert_eq!(
        (updated[0].previous_status.as_deref(), updated[0].actor_id),
        (Some("todo"), team.bruno.id)
    );
    assert_eq!(
        (updated[0].task.version, updated[0].task.completed_at.is_some()),
        (2, true)
    );
    let assigned = team.app.published_of::<TaskAssigned>().await;
    assert_eq!(
        assigned.iter().map(|event| event.assignee_id).collect::<Vec<_>>(),
        [team.ada.id, team.bruno.id]
    );

    let same = team
        .ada
        .patch(&path, json!({ "status": "done" }))
        .header("if-match", "*")
        .await
        .expect(200);
    assert_eq!(
        (same.header("etag"), team.app.published_of::<TaskUpdated>().await.len()),
        (Some("\"v2\""), 1)
    );

    let activity = team
        .ada
        .get(format!("/v1/projects/{}/activity", team.project))
        .await
        .expect(200)
        .json;
    let kinds: Vec<&str> = activity["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|item| item["kind"].as_str())
        .collect();
    assert_eq!(kinds[..2], ["task.updated", "task.created"]);
}

#[tokio::test]
async fn null_clears_what_can_be_empty_and_is_refused_where_nothing_can() {
    let team = Team::start().await;
    let body = json!({
        "title": "Fix it", "description": "Soon.", "priority": "urgent", "due_at": "2031-01-01T00:00:00Z",
        "assignee_ids": [team.ada.id.to_string()], "labels": ["leak"],
    });
    let path = format!("/v1/tasks/{}", text(&team.task_with(body).await["id"]));
    let nulls = json!({ "description": null, "priority": null, "due_at": null, "assignee_ids": null, "labels": null });
    let task = team
        .ada
        .patch(&path, nulls)
        .header("if-match", "*")
        .await
        .expect(200)
        .json;
    assert_eq!(
        (&task["description"], &task["priority"], &task["due_at"]),
        (&json!(""), &json!("none"), &Value::Null)
    );
    assert_eq!((&task["assignee_ids"], &task["labels"]), (&json!([]), &json!([])));
    assert_eq!(team.titles("assignee=me").await, Vec::<String>::new());
    assert_eq!(team.titles("label=leak").await, Vec::<String>::new());

    let refused = team
        .ada
        .patch(&path, json!({ "title": null, "status": null }))
        .header("if-match", "*")
        .await
        .expect(422);
    assert_eq!(
        (refused.problem(), refused.wrong()),
        ("validation-failed", vec!["#/title", "#/status"])
    );
}

#[tokio::test]
async fn of_two_people_who_changed_the_same_version_the_second_is_told() {
    let team = Team::start().await;
    let path = format!("/v1/tasks/{}", team.task("Fix it").await);
    let change = |title: &str| json!({ "title": title });
    assert_eq!(
        team.ada.patch(&path, change("A")).await.expect(428).problem(),
        "precondition-required"
    );
    assert_eq!(
        team.ada
            .patch(&path, change("A"))
            .header("if-match", "v1")
            .await
            .expect(400)
            .problem(),
        "malformed-request"
    );
    team.ada
        .patch(&path, change("A"))
        .header("if-match", "\"v1\"")
        .await
        .expect(200);
    let late = team
        .bruno
        .patch(&path, change("B"))
        .header("if-match", "\"v1\"")
        .await
        .expect(412);
    assert_eq!(late.problem(), "precondition-failed");
    assert_eq!(team.ada.get(&path).await.expect(200).json["title"], "A");
    assert_eq!(
        team.ada.delete(&path).await.expect(428).problem(),
        "precondition-required"
    );
    assert_eq!(
        team.ada
            .delete(&path)
            .header("if-match", "\"v1\"")
            .await
            .expect(412)
            .problem(),
        "precondition-failed"
    );
}

#[tokio::test]
async fn a_deleted_task_is_gone_with_its_comments() {
    let team = Team::start().await;
    let id = team
        .task_with(json!({ "title": "Fix it", "labels": ["x"], "assignee_ids": [team.ada.id.to_string()] }))
        .await;
    let path = format!("/v1/tasks/{}", text(&id["id"]));
    team.ada
        .post(format!("{path}/comments"), json!({ "body": "Why?" }))
        .await
        .expect(201);
    team.bruno.delete(&path).header("if-match", "\"v1\"").await.expect(204);
    for gone in [&path, &format!("{path}/comments")] {
        assert_eq!(team.ada.get(gone).await.expect(404).problem(), "task-not-found");
    }
    assert_eq!(team.titles("").await, Vec::<String>::new());
    let deleted = team.app.published_of::<TaskDeleted>().await;
    assert_eq!(
        (deleted[0].version, deleted[0].actor_id, deleted[0].title.as_str()),
        (2, team.bruno.id, "Fix it")
    );
    let found = team.ada.get("/v1/search?q=why").await.expect(200).json;
    assert_eq!(found["items"], json!([]));
}

#[tokio::test]
async fn viewers_read_and_strangers_see_nothing() {
    let team = Team::start().await;
    let id = team.task("Fix it").await;
    let path = format!("/v1/tasks/{id}");
    let body = json!({ "title": "No" });
    assert_eq!(
        team.vera.post(team.tasks(), body.clone()).await.expect(403).problem(),
        "project-role-too-low"
    );
    assert_eq!(
        team.vera
            .patch(&path, body.clone())
            .header("if-match", "*")
            .await
            .expect(403)
            .problem(),
        "project-role-too-low"
    );
    assert_eq!(
        team.vera
            .delete(&path)
            .header("if-match", "*")
            .await
            .expect(403)
            .problem(),
        "project-role-too-low"
    );
    assert_eq!(
        team.vera
            .post(format!("{path}/move"), json!({}))
            .await
            .expect(403)
            .problem(),
        "project-role-too-low"
    );

    // What Otto is told of a task that he may not see, and of one that does not exist, is the same.
    for task in [id, TaskId::new().to_string(), "tsk_1".to_owned(), "%00".to_owned()] {
        let path = format!("/v1/tasks/{task}");
        assert_eq!(team.otto.get(&path).await.expect(404).problem(), "task-not-found");
        assert_eq!(
            team.otto
                .patch(&path, body.clone())
                .header("if-match", "*")
                .await
                .expect(404)
                .problem(),
            "task-not-found"
        );
        assert_eq!(
            team.otto
                .delete(&path)
                .header("if-match", "*")
                .await
                .expect(404)
                .problem(),
            "task-not-found"
        );
        assert_eq!(
            team.otto
                .post(format!("{path}/move"), json!({}))
                .await
                .expect(404)
                .problem(),
            "task-not-found"
        );
    }
    for project in [team.project.as_str(), "prj_1", "prj_01h455vb4pex5vsknk084sn02q"] {
        let path = format!("/v1/projects/{project}/tasks");
        assert_eq!(team.otto.get(&path).await.expect(404).problem(), "project-not-found");
        assert_eq!(
            team.otto.post(&path, body.clone()).await.expect(404).problem(),
            "project-not-found"
        );
    }
    assert_eq!(team.app.anonymous().get(team.tasks()).await.status, 401);
}

#[tokio::test]
async fn in_an_archived_project_everything_can_be_read_and_nothing_changed() {
    let team = Team::start().await;
    let path = format!("/v1/tasks/{}", team.task("Fix it").await);
    team.archive().await;
    team.bruno.get(&path).await.expect(200);
    assert_eq!(team.titles("").await, ["Fix it"]);
    let body = json!({ "title": "No" });
    for refused in [
        team.ada.post(team.tasks(), body.clone()).await,
        team.ada.patch(&path, body).header("if-match", "*").await,
        team.ada.delete(&path).header("if-match", "*").await,
        team.ada.post(format!("{path}/move"), json!({})).await,
        team.ada.post(format!("{path}/comments"), json!({ "body": "No" })).await,
    ] {
        assert_eq!(refused.expect(409).problem(), "project-archived");
    }
}

#[tokio::test]
async fn only_members_can_be_assigned_and_nothing_is_kept_of_a_refused_task() {
    let team = Team::start().await;
    let stranger = UserId::new().to_string();
    for user in [&team.otto.id.to_string(), &stranger] {
        let body = json!({ "title": "Fix it", "labels": ["new"], "assignee_ids": [team.ada.id.to_string(), user] });
        let refused = team.ada.post(team.tasks(), body).await.expect(422);
        assert_eq!(refused.wrong(), ["#/assignee_ids"]);
    }
    assert_eq!(team.titles("").await, Vec::<String>::new());
    let labels = team
        .ada
        .get(format!("/v1/projects/{}/labels", team.project))
        .await
        .expect(200)
        .json;
    assert_eq!(labels["items"], json!([]));
    assert!(team.app.published_of::<TaskCreated>().await.is_empty());
}

#[tokio::test]
async fn somebody_who_left_may_stay_on_a_task_but_not_be_put_on_another() {
    let team = Team::start().await;
    let bruno = team.bruno.id.to_string();
    let path = format!(
        "/v1/tasks/{}",
        text(&team.task_with(json!({ "title": "A", "assignee_ids": [bruno] })).await["id"])
    );
    let member = format!("/v1/projects/{}/members/{bruno}", team.project);
    team.ada.delete(member).await.expect(204);
    team.ada
        .patch(&path, json!({ "title": "B", "assignee_ids": [bruno] }))
        .header("if-match", "*")
        .await
        .expect(200);
    let refused = team
        .ada
        .post(team.tasks(), json!({ "title": "C", "assignee_ids": [bruno] }))
        .await
        .expect(422);
    assert_eq!(refused.wrong(), ["#/assignee_ids"]);
}

#[tokio::test]
async fn every_wrong_value_is_told_with_its_place() {
    let team = Team::start().await;
    let post = async |body: Value| team.ada.post(team.tasks(), body).await;
    let many: Vec<String> = (0..10_000).map(|number| format!("label {number}")).collect();
    for (body, wrong) in [
        (json!({ "title": "" }), vec!["#/title"]),
        (json!({ "title": " \t\n" }), vec!["#/title"]),
        (json!({ "title": "x".repeat(201) }), vec!["#/title"]),
        (json!({ "title": "a\u{0}b" }), vec!["#/title"]),
        (json!({ "title": "a\nb" }), vec!["#/title"]),
        (
            json!({ "title": "x", "description": "x".repeat(20_001) }),
            vec!["#/description"],
        ),
        (json!({ "title": "x", "description": "\u{0}" }), vec!["#/description"]),
        (json!({ "title": "x", "due_at": "2031-01-01" }), vec!["#/due_at"]),
        (
            json!({ "title": "x", "due_at": "2031-01-01T00:00:00" }),
            vec!["#/due_at"],
        ),
        (json!({ "title": "x", "labels": many }), vec!["#/labels"]),
        (json!({ "title": "x", "labels": ["ok", ""] }), vec!["#/labels/1"]),
        (
            json!({ "title": "x", "assignee_ids": ["me", "usr_1"] }),
            vec!["#/assignee_ids/0", "#/assignee_ids/1"],
        ),
        (
            json!({ "title": "", "due_at": "x", "labels": ["\u{0}"] }),
            vec!["#/title", "#/due_at", "#/labels/0"],
        ),
        (json!({ "title": 7 }), vec!["#/title"]),
        (json!({ "title": "x", "status": "finished" }), vec!["#/status"]),
        (json!({ "title": "x", "priority": "highest" }), vec!["#/priority"]),
        (json!({ "title": "x", "labels": "leak" }), vec!["#/labels"]),
        (json!({ "title": "x", "colour": "red" }), vec!["#/colour"]),
    ] {
        let answer = post(body.clone()).await.expect(422);
        assert_eq!(
            (answer.problem(), answer.wrong()),
            ("validation-failed", wrong),
            "{body}"
        );
    }
    post(json!({})).await.expect(422);
    post(json!([])).await.expect(422);
    let raw = async |bytes: &[u8]| {
        team.ada
            .request("POST", team.tasks())
            .header("content-type", "application/json")
            .body(bytes)
            .await
            .expect(400)
    };
    for bytes in [
        b"{\"title\":".as_slice(),
        b"{\"title\": \"\xff\xfe\"}",
        b"nonsense",
        b"{\"title\": \"x\"} {}",
    ] {
        assert_eq!(raw(bytes).await.problem(), "malformed-request");
    }
    assert_eq!(team.titles("").await, Vec::<String>::new());
    // Letters outside of ASCII count as one, and what only looks like an operator is text.
    team.task(&"é".repeat(200)).await;
    team.task("'; DROP TABLE tasks; -- %_\"\\").await;
    assert_eq!(team.titles("").await.len(), 2);
}
