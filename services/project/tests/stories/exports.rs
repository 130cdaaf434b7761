//! A project as a file, and back.

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};
use testkit::Actor;

use crate::{
    imports::import,
    team::{App, person, project_of, text},
    work::Team,
};

async fn export(actor: &Actor, project: &str, format: &str) -> String {
    let path = format!("/v1/projects/{project}/export?format={format}");
    actor.get(path).await.expect(200).text()
}

/// An exported CSV file without the ids of its tasks.
fn without_ids(csv: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows = reader
        .records()
        .map(|row| row.unwrap().iter().skip(1).map(str::to_owned).collect());
    rows.collect()
}

/// An exported JSON file without the ids of its tasks.
fn anonymous(json: &str) -> Value {
    let mut file: Value = serde_json::from_str(json).unwrap();
    for task in file["tasks"].as_array_mut().unwrap() {
        task["id"].take();
    }
    file
}

#[tokio::test]
async fn an_export_is_csv_or_json_as_the_reader_wants_and_for_members_alone() {
    let team = Team::start().await;
    team.task_with(json!({ "title": "Fix the valve", "labels": ["bug", "a; b"], "assignee_ids": [team.bruno.id] }))
        .await;
    let path = format!("/v1/projects/{}/export", team.project);
    let csv = team.vera.get(&path).header("accept", "text/csv").await.expect(200);
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert!(
        csv.header("content-disposition")
            .is_some_and(|value| value.contains(&team.project))
    );
    let text = csv.text();
    let mut lines = text.split("\r\n");
    let header = "id,title,description,status,priority,due_at,labels,assignees,created_at,completed_at";
    assert_eq!(lines.next(), Some(header));
    let row = lines.next().unwrap();
    assert!(
        row.contains(",Fix the valve,,todo,none,,\"bug; \"\"a; b\"\"\",bruno,"),
        "{row}"
    );
    let json = team.vera.get(&path).await.expect(200).json;
    assert_eq!(json["tasks"][0]["assignees"], json!(["bruno"]));
    assert_eq!(
        team.ada
            .get(&path)
            .header("accept", "image/png")
            .await
            .expect(406)
            .problem(),
        "not-acceptable"
    );
    assert_eq!(team.ada.get(format!("{path}?format=xls")).await.wrong(), ["?format"]);
    assert_eq!(team.otto.get(&path).await.status, 404);
}

#[tokio::test]
async fn what_a_spreadsheet_would_carry_out_is_escaped_and_comes_back_as_it_was() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let project = project_of(&ada, "Apollo").await;
    let titles = ["=1+1", "+1", "-1", "@x", "'quoted'", "plain"];
    for title in titles {
        let body = json!({ "title": title, "description": format!("{title}\r\nmore") });
        ada.post(format!("/v1/projects/{project}/tasks"), body)
            .await
            .expect(201);
    }
    let csv = export(&ada, &project, "csv").await;
    for row in without_ids(&csv) {
        assert!(!row[0].starts_with(['=', '+', '-', '@']), "{row:?}");
    }
    let copy = import(&app, &ada, "/v1/projects/import?name=Copy", "text/csv", csv.clone()).await;
    let again = export(&ada, &text(&copy["project_id"]), "csv").await;
    assert_eq!(without_ids(&again), without_ids(&csv));
}

#[tokio::test]
async fn a_project_with_all_it_has_comes_back_from_json_with_comments_and_colours() {
    let team = Team::start().await;
    let task = team
        .task_with(json!({
            "title": "Fix \"the\" valve", "description": "It leaks\n=above four bar.\n", "status": "done",
            "priority": "urgent", "due_at": "2026-12-01T16:00:00Z", "labels": ["bug", "größe"],
            "assignee_ids": [team.ada.id] }))
        .await;
    let labels = format!("/v1/projects/{}/labels", team.project);
    team.ada
        .post(labels, json!({ "name": "unused", "colour": "#123456" }))
        .await
        .expect(201);
    let comments = format!("/v1/tasks/{}/comments", text(&task["id"]));
    team.ada
        .post(&comments, json!({ "body": "Which one?" }))
        .await
        .expect(201);
    team.bruno
        .post(&comments, json!({ "body": "The \"left\"\none." }))
        .await
        .expect(201);
    team.task("Paint the door").await;
    let first = export(&team.ada, &team.project, "json").await;
    let path = "/v1/projects/import?name=Apollo";
    let copy = import(&team.app, &team.ada, path, "application/json", first.clone()).await;
    assert_eq!(
        (&copy["format"], &copy["created"]),
        (&json!("cloudtaskhub"), &json!(2)),
        "{copy}"
    );
    let project = text(&copy["project_id"]);
    assert_ne!(project, team.project);
    let second = export(&team.ada, &project, "json").await;
    assert_eq!(anonymous(&second), anonymous(&first));
}

#[tokio::test]
async fn importing_a_projects_own_export_into_it_changes_nothing() {
    let team = Team::start().await;
    team.task("Fix the valve").await;
    for (format, kind) in [("csv", "text/csv"), ("json", "application/json")] {
        let file = export(&team.ada, &team.project, format).await;
        let path = format!("/v1/projects/{}/import", team.project);
        let import = import(&team.app, &team.ada, &path, kind, file).await;
        assert_eq!(
            (&import["created"], &import["skipped"]),
            (&json!(0), &json!(1)),
            "{format}"
        );
    }
}

#[tokio::test]
async fn an_export_of_many_pages_has_every_task_once_in_order() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let file: String = std::iter::once("title\n".to_owned())
        .chain((0..1203).map(|n| format!("Task {n}\n")))
        .collect();
    let import = import(&app, &ada, "/v1/projects/import?name=Apollo", "text/csv", file).await;
    let csv = export(&ada, &text(&import["project_id"]), "csv").await;
    let titles: Vec<String> = without_ids(&csv).into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(titles, (0..1203).map(|n| format!("Task {n}")).collect::<Vec<_>>());
    let json: Value = serde_json::from_str(&export(&ada, &text(&import["project_id"]), "json").await).unwrap();
    assert_eq!(json["tasks"].as_array().map(Vec::len), Some(1203));
}

#[tokio::test]
async fn an_empty_project_comes_back_empty() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let project = project_of(&ada, "Apollo").await;
    for (format, kind) in [("csv", "text/csv"), ("json", "application/json")] {
        let file = export(&ada, &project, format).await;
        let path = format!("/v1/projects/import?name={format}");
        let copy = import(&app, &ada, &path, kind, file.clone()).await;
        assert_eq!(copy["status"], "completed", "{copy}");
        let again = export(&ada, &text(&copy["project_id"]), format).await;
        assert_eq!(
            again.replace(&format!("\"name\":\"{format}\""), "\"name\":\"Apollo\""),
            file
        );
    }
}

/// Fields of a task, as any client may write them.
fn any_task() -> impl Strategy<Value = Value> {
    let text = "[a='\"\\n,;\t +@é|-]{0,12}";
    let labels = prop::collection::vec("[a-c,;|\"='é]{1,3}", 0..4);
    let status = prop::sample::select(vec!["todo", "in_progress", "in_review", "done", "cancelled"]);
    let priority = prop::sample::select(vec!["none", "low", "medium", "high", "urgent"]);
    let due = prop::option::of(0_i64..2_000_000_000);
    ("[a='\"é,]{1,8}", text, labels, status, priority, due).prop_map(
        |(title, description, labels, status, priority, due)| {
            let due = due.map(|seconds| contracts::Timestamp::from_micros(seconds * 1_000_000).to_string());
            json!({ "title": title, "description": description, "labels": labels, "status": status,
                "priority": priority, "due_at": due })
        },
    )
}

#[test]
fn whatever_a_project_holds_its_export_makes_the_same_project_again() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let (app, ada) = runtime.block_on(async {
        let app = App::start().await;
        let ada = person(&app, "Ada").await;
        (app, ada)
    });
    let count = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let result = runner.run(&prop::collection::vec(any_task(), 1..6), |tasks| {
        count.set(count.get() + 1);
        let count = count.get();
        runtime.block_on(async {
            let project = project_of(&ada, &format!("Original {count}")).await;
            for task in tasks {
                ada.post(format!("/v1/projects/{project}/tasks"), task)
                    .await
                    .expect(201);
            }
            for (format, kind) in [("csv", "text/csv"), ("json", "application/json")] {
                let first = export(&ada, &project, format).await;
                let path = format!("/v1/projects/import?name=Original%20{count}");
                let copy = import(&app, &ada, &path, kind, first.clone()).await;
                let second = export(&ada, &text(&copy["project_id"]), format).await;
                match format {
                    "csv" => prop_assert_eq!(without_ids(&second), without_ids(&first)),
                    _ => prop_assert_eq!(anonymous(&second), anonymous(&first)),
                }
            }
            Ok(())
        })
    });
    // The service is dropped inside of the runtime that its connections belong to.
    runtime.block_on(async move { drop(app) });
    result.unwrap();
}
