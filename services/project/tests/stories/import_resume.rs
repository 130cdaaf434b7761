//! Imports that are interrupted, and what is left of uploads and files.

use std::time::Duration;

use contracts::{
    Event,
    project::{ImportProgressed, TaskCreated},
};
use project::Project;
use serde_json::json;
use testkit::TestService;

use crate::{
    imports::{report, send, tasks},
    team::{App, person, text},
};

/// The trace of a request, as W3C Trace Context writes it.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c"; // pragma: allowlist secret

fn rows(count: usize) -> String {
    (0..count).fold("title\n".to_owned(), |file, n| file + &format!("Task {n}\n"))
}

#[tokio::test]
async fn an_import_that_is_interrupted_goes_on_where_it_was() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let request = ada
        .request("POST", "/v1/projects/import?name=Apollo")
        .header("content-type", "text/csv")
        .header("traceparent", &format!("00-{TRACE}-b7ad6b7169203331-01"));
    let accepted = request.body(rows(1700)).await.expect(202);
    let place = accepted.header("location").unwrap().to_owned();
    let created = async || {
        ada.get(&place).await.expect(200).json["import"]["created"]
            .as_u64()
            .unwrap()
    };
    while created().await == 0 {
        app.step("importer").await.unwrap();
    }
    assert!(created().await < 1700, "it is in the middle");
    app.restart_workers().await;
    app.step_workers().await;
    let import = ada.get(&place).await.expect(200).json["import"].clone();
    assert_eq!(
        (&import["status"], &import["created"]),
        (&json!("completed"), &json!(1700))
    );
    let titles: Vec<String> = tasks(&ada, &import)
        .await
        .iter()
        .map(|task| text(&task["title"]))
        .collect();
    assert_eq!(titles, (0..1700).map(|n| format!("Task {n}")).collect::<Vec<_>>());
    assert_eq!(report(&ada, &import).await.len(), 1700);
    let published = app.published().await;
    let of_rows: Vec<_> = published
        .iter()
        .filter(|event| event.event_type == TaskCreated::TYPE)
        .collect();
    assert_eq!(of_rows.len(), 1700);
    assert!(
        of_rows.iter().all(|event| event.trace_id.as_deref() == Some(TRACE)),
        "the request goes on in the importer, also after the interruption"
    );
    let told = app.published_of::<ImportProgressed>().await;
    let told: Vec<(&str, u64)> = told
        .iter()
        .map(|event| (event.status.as_str(), event.rows_read))
        .collect();
    assert_eq!(told, [("running", 0), ("running", 1000), ("completed", 1700)]);
}

#[tokio::test]
async fn a_small_file_does_not_wait_for_a_large_one() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let large = send(&ada, "/v1/projects/import?name=Large", "text/csv", rows(20_000))
        .await
        .expect(202);
    let small = send(&ada, "/v1/projects/import?name=Small", "text/csv", rows(1))
        .await
        .expect(202);
    let (large, small) = (large.header("location").unwrap(), small.header("location").unwrap());
    let status = async |place: &str| text(&ada.get(place).await.expect(200).json["import"]["status"]);
    while status(small).await != "completed" {
        app.step("importer").await.unwrap();
    }
    assert_eq!(status(large).await, "running");
}

#[tokio::test]
async fn files_go_when_they_are_imported_and_reports_after_a_month() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let accepted = send(&ada, "/v1/projects/import?name=Apollo", "text/csv", rows(3))
        .await
        .expect(202);
    app.step_workers().await;
    assert_eq!(count(&app, "import_chunks").await, 0);
    assert_eq!(count(&app, "import_lines").await, 3);
    app.clock.advance(Duration::from_secs(31 * 24 * 3600));
    app.step_workers().await;
    assert_eq!(
        (count(&app, "import_lines").await, count(&app, "imports").await),
        (0, 0)
    );
    ada.get(accepted.header("location").unwrap()).await.expect(404);
}

async fn count(app: &TestService<Project>, table: &str) -> i64 {
    use sea_orm::{ConnectionTrait, Statement};
    let query = Statement::from_string(app.db.backend(), format!("SELECT COUNT(*) FROM {table}"));
    let row = app.db.read().query_one_raw(query).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}
