//! The whole process is killed in the middle of work that takes its time: a file that is imported, a message that is sent.

use std::path::Path;

use acceptance::{Person, Target, hub::Start, until};
use serde_json::{Value, json};

/// Rows of the file: three batches.
const ROWS: usize = 1200;

/// A hub that dies when it passes this point for the first time.
fn doomed(folder: &Path, point: &str) -> Start {
    let start = Start::default().in_folder(folder);
    start.with("CLOUDTASKHUB_CRASH_AT", format!("{point}:1"))
}

#[tokio::test]
#[cfg_attr(not(feature = "own-hub"), ignore = "kills its own hub")]
async fn an_import_that_is_killed_again_and_again_makes_a_task_of_each_row_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let hub = Start::default().in_folder(folder.path()).ready().await;
    let mut ada = Person::join(&hub, "ada").await;
    assert!(hub.interrupt().await.success());

    let mut hub = doomed(folder.path(), "import.written").ready().await;
    ada.move_to(&hub);
    let rows = (0..ROWS).map(|number| format!("Task {number}\n"));
    let file: String = std::iter::once("title\n".to_owned()).chain(rows).collect();
    // It may die before it can answer.
    drop(
        ada.try_upload("/v1/projects/import?name=Apollo", "text/csv", file)
            .await,
    );
    assert!(!hub.ended().await.success(), "it was killed");
    // Each life but the last ends within a batch, or after one.
    for point in [
        "import.committed",
        "import.written",
        "import.committed",
        "import.written",
    ] {
        let mut hub = doomed(folder.path(), point).begin();
        assert!(!hub.ended().await.success(), "it was killed");
    }

    let hub = Start::default().in_folder(folder.path()).ready().await;
    ada.move_to(&hub);
    let import = until("the import has ended", async || {
        let imports = ada.get("/v1/imports").await.expect(200);
        let import = imports["items"][0].clone();
        import["finished_at"].is_string().then_some(import)
    })
    .await;
    assert_eq!(import["status"], "completed", "{import}");
    assert_eq!(
        (&import["created"], &import["skipped"]),
        (&json!(ROWS), &json!(0)),
        "{import}"
    );
    let path = format!("/v1/projects/{}/export?format=csv", text(&import["project_id"]));
    let export = ada.get(&path).await.text;
    let mut reader = csv::Reader::from_reader(export.as_bytes());
    let title = reader
        .headers()
        .expect("a header")
        .iter()
        .position(|name| name == "title");
    let title = title.expect("titles");
    let titles: Vec<String> = reader
        .records()
        .map(|row| row.expect("a row")[title].to_owned())
        .collect();
    assert_eq!(
        titles,
        (0..ROWS).map(|number| format!("Task {number}")).collect::<Vec<_>>()
    );
    // What other services heard of it, they heard once.
    until("billing has counted the tasks", async || {
        let usage = ada.get("/v1/usage").await.expect(200);
        let mut meters = usage["meters"].as_array().expect("meters").iter();
        let used = &meters.find(|meter| meter["meter"] == "tasks").expect("a meter")["used"];
        assert!(used.as_u64() <= Some(ROWS as u64), "counted twice: {usage}");
        (used == ROWS).then_some(())
    })
    .await;
    assert!(hub.interrupt().await.success());
}

#[tokio::test]
#[cfg_attr(not(feature = "own-hub"), ignore = "kills its own hub")]
async fn a_message_that_was_sent_when_the_process_died_is_unknown_and_goes_again_under_its_id() {
    let messages = survive("delivery.sent", 2).await;
    assert_eq!(messages[0], messages[1], "the receiver can tell that it is the same");
}

#[tokio::test]
#[cfg_attr(not(feature = "own-hub"), ignore = "kills its own hub")]
async fn a_message_that_was_about_to_be_sent_when_the_process_died_is_unknown_and_sent() {
    survive("delivery.claimed", 1).await;
}

/// Has a message sent by a hub that dies at `point`, and by the next one; answers the ids of the `expected` messages that
/// arrived.
async fn survive(point: &str, expected: usize) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    // An attempt may take a second, so one without a record is lost after two.
    let patient = |start: Start| {
        start
            .with("CLOUDTASKHUB_NOTIFICATION__WEBHOOKS__ALLOW_PRIVATE_TARGETS", "true")
            .with("CLOUDTASKHUB_NOTIFICATION__WEBHOOKS__TIMEOUT_S", "1")
            .with("CLOUDTASKHUB_NOTIFICATION__DELIVERIES__LEASE_S", "2")
    };
    let target = Target::answering(&[]).await;
    let hub = patient(Start::default().in_folder(folder.path())).ready().await;
    let mut ada = Person::join(&hub, "ada").await;
    let project = ada.create_project("Apollo").await;
    let hook = json!({ "url": target.url(), "event_types": ["task.created.v1"] });
    let webhook = ada.post("/v1/webhooks", hook).await.expect(201);
    // From now on notification knows whose project it is.
    ada.create_task(&project, json!({ "title": "Sweep the floor" })).await;
    target.got(1).await;
    assert!(hub.interrupt().await.success());

    let mut hub = patient(doomed(folder.path(), point)).ready().await;
    ada.move_to(&hub);
    let (path, task) = (
        format!("/v1/projects/{project}/tasks"),
        json!({ "title": "Fix the valve" }),
    );
    // It may die before it can answer.
    drop(ada.try_send("POST", &path, &[], Some(task)).await);
    assert!(!hub.ended().await.success(), "it was killed");

    let hub = patient(Start::default().in_folder(folder.path())).ready().await;
    ada.move_to(&hub);
    let path = format!("/v1/webhooks/{}/deliveries", text(&webhook["id"]));
    let delivered = until("the message is delivered", async || {
        let list = ada.get(&path).await.expect(200);
        let items = list["items"].as_array().expect("items");
        assert!(items.len() <= 2, "{items:#?}");
        let newest = items
            .first()
            .filter(|item| items.len() == 2 && item["state"] == "delivered");
        newest.cloned()
    })
    .await;
    let path = format!("/v1/deliveries/{}", text(&delivered["id"]));
    let delivered = ada.get(&path).await.expect(200);
    let log = delivered["log"].as_array().expect("attempts").iter();
    let results: Vec<&Value> = log.map(|attempt| &attempt["result"]).collect();
    assert_eq!(results, ["unknown", "delivered"], "{delivered:#}");
    assert!(hub.interrupt().await.success());
    let messages = target.messages().split_off(1);
    assert_eq!(messages.len(), expected);
    let ids: Vec<String> = messages
        .iter()
        .map(|message| message.header("webhook-id").to_owned())
        .collect();
    assert!(ids.iter().all(|id| *id == delivered["message_id"]), "{ids:?}");
    ids
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}
