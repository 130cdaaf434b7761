//! Projects come as files and leave as files.

use acceptance::{Hub, Person, until};
use serde_json::{Value, json};

/// Rows of the file: enough for progress to be told on the way.
const ROWS: u64 = 1200;

fn file() -> String {
    let rows = (0..ROWS).map(|number| match number {
        // A quoted line break, quotes, and what a spreadsheet would take for a formula.
        0 => "\"Fix the \"\"valve\"\"\",\"It leaks\r\nabove four bar.\",done,high,\"bug, hardware\"\r\n".to_owned(),
        1 => "=1+1,-2,in progress,,\r\n".to_owned(),
        _ => format!("Task {number},,todo,low,größe\r\n"),
    });
    std::iter::once("title,description,status,priority,labels\r\n".to_owned())
        .chain(rows)
        .collect()
}

/// Sends a file and waits until it is imported; answers the import.
async fn import(person: &Person, path: &str, kind: &str, file: &str) -> Value {
    let accepted = person.upload(path, kind, file).await;
    let location = accepted.header("location").expect("a location").to_owned();
    accepted.expect(202);
    until("the import has ended", async || {
        let import = person.get(&location).await.expect(200)["import"].clone();
        let ended = import["status"] == "completed" || import["status"] == "failed";
        ended.then_some(import)
    })
    .await
}

fn counts(import: &Value) -> [u64; 3] {
    ["created", "skipped", "rejected"].map(|name| import[name].as_u64().expect("a number"))
}

async fn export(person: &Person, project: &Value, format: &str) -> String {
    let project = project.as_str().expect("a project");
    let answer = person
        .get(&format!("/v1/projects/{project}/export?format={format}"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text
}

/// An export without what differs between two projects that are equal: the ids of tasks, and the name.
fn contents(json: &str) -> Value {
    let mut file: Value = serde_json::from_str(json).expect("JSON");
    file["project"]["name"].take();
    for task in file["tasks"].as_array_mut().expect("tasks") {
        task["id"].take();
    }
    file
}

/// The rows of an exported table, without the ids of tasks.
fn rows(csv: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows = reader.records().map(|row| row.expect("a row"));
    rows.map(|row| row.iter().skip(1).map(str::to_owned).collect())
        .collect()
}

#[tokio::test]
async fn a_table_becomes_a_project_while_its_sender_watches_and_once_however_often_it_is_sent() {
    let hub = Hub::any().await;
    let ada = Person::join(&hub, "ada").await;
    let mut stream = ada.stream(None).await;
    let path = "/v1/projects/import?name=Apollo";
    let dry = import(&ada, &format!("{path}&dry_run=true"), "text/csv", &file()).await;
    assert_eq!(counts(&dry), [ROWS, 0, 0], "{dry}");
    assert_eq!(ada.get("/v1/projects").await.expect(200)["items"], json!([]));

    let first = import(&ada, path, "text/csv", &file()).await;
    assert_eq!(first["status"], "completed", "{first}");
    assert_eq!(counts(&first), [ROWS, 0, 0], "{first}");
    let (mut read, mut told) = (Vec::new(), Value::Null);
    while told != "completed" {
        let progress = stream
            .find("the import's progress", |event| {
                event.data["type"] == "import.progressed" && event.data["data"]["import_id"] == first["id"]
            })
            .await;
        told = progress.data["data"]["status"].clone();
        read.push(progress.data["data"]["rows_read"].as_u64().expect("a number"));
    }
    assert!(read.len() > 2 && read.is_sorted(), "{read:?}");
    assert_eq!(read.last(), Some(&ROWS));

    let again = import(&ada, path, "text/csv", &file()).await;
    assert_eq!(counts(&again), [0, ROWS, 0], "{again}");
    assert_eq!(again["project_id"], first["project_id"]);
    let projects = ada.get("/v1/projects").await.expect(200);
    assert_eq!(projects["items"].as_array().map(Vec::len), Some(1));
    let project = first["project_id"].as_str().expect("a project");
    until("the usage has followed", async || {
        let usage = ada.get("/v1/usage").await.expect(200);
        let meters = usage["meters"].as_array().expect("meters");
        meters
            .iter()
            .any(|meter| meter["meter"] == "tasks" && meter["used"] == ROWS)
            .then_some(())
    })
    .await;
    let found = ada
        .get(&format!("/v1/projects/{project}/tasks?limit=1"))
        .await
        .expect(200);
    assert_eq!(found["items"][0]["title"], "Fix the \"valve\"");
}

#[tokio::test]
async fn a_project_that_leaves_as_a_file_comes_back_as_it_was() {
    let hub = Hub::any().await;
    let ada = Person::join(&hub, "ada").await;
    let eve = Person::join(&hub, "eve").await;
    let original = import(&ada, "/v1/projects/import?name=Apollo", "text/csv", &file()).await;
    let project = &original["project_id"];
    let table = export(&ada, project, "csv").await;
    assert!(
        rows(&table).iter().all(|row| !row[0].starts_with('=')),
        "no spreadsheet carries out a title"
    );
    let whole = export(&ada, project, "json").await;
    for (format, kind, file) in [("csv", "text/csv", &table), ("json", "application/json", &whole)] {
        let path = format!("/v1/projects/import?name=Copy%20of%20{format}");
        let copy = import(&ada, &path, kind, file).await;
        assert_eq!(counts(&copy), [ROWS, 0, 0], "{copy}");
        assert_ne!(&copy["project_id"], project);
        assert_eq!(rows(&export(&ada, &copy["project_id"], "csv").await), rows(&table));
        let again = contents(&export(&ada, &copy["project_id"], "json").await);
        let whole = contents(&whole);
        assert!(again["tasks"] == whole["tasks"], "other tasks, as {format}");
        // A table has no room for the colours of labels.
        assert!(format == "csv" || again == whole, "not the same, as {format}");
    }
    let path = format!("/v1/projects/{}/export", project.as_str().expect("a project"));
    assert_eq!(eve.get(&path).await.status, 404);
}

#[tokio::test]
async fn a_file_with_broken_rows_is_taken_but_for_those_and_says_which() {
    let hub = Hub::any().await;
    let ada = Person::join(&hub, "ada").await;
    let file = "title,due_at\nFix the valve,2026-12-01\n,2026-12-01\nPaint the door,soon\n";
    let import = import(&ada, "/v1/projects/import?name=Apollo", "text/csv", file).await;
    assert_eq!(counts(&import), [1, 0, 2], "{import}");
    let path = format!(
        "/v1/imports/{}/report?outcome=rejected",
        import["id"].as_str().expect("an id")
    );
    let report = ada.get(&path).await.expect(200);
    let lines = report["items"].as_array().expect("items").iter();
    let lines: Vec<_> = lines
        .map(|line| (&line["line"], &line["problems"][0]["pointer"]))
        .collect();
    assert_eq!(
        lines,
        [(&json!(3), &json!("#/title")), (&json!(4), &json!("#/due_at"))],
        "{report}"
    );
}
