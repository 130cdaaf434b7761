//! How the hub starts, stops and starts again.

use acceptance::{
    Hub, Person,
    hub::{Start, command},
    until,
};
use serde_json::json;

#[tokio::test]
#[cfg_attr(not(feature = "own-hub"), ignore = "starts and stops its own hub")]
async fn everything_is_there_after_stopping_and_starting_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let hub = Start::default().in_folder(folder.path()).ready().await;
    let ada = Person::join(&hub, "ada").await;
    let project = ada.create_project("Durable").await;
    let task = ada.create_task(&project, json!({ "title": "Still here" })).await;
    assert!(hub.interrupt().await.success());

    let hub = Start::default().in_folder(folder.path()).ready().await;
    let mut again = Person::stranger(&hub, "ada");
    again.email = ada.email.clone();
    again.sign_in().await;
    let path = format!("/v1/tasks/{}", task["id"].as_str().expect("an id"));
    assert_eq!(again.get(&path).await.expect(200)["title"], "Still here");
    assert!(hub.interrupt().await.success());
}

#[tokio::test]
#[cfg_attr(not(feature = "own-hub"), ignore = "starts and stops its own hub")]
async fn an_occupied_port_is_one_clear_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let output = command(folder.path(), port).output().await.expect("it runs");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(&port.to_string()) && said.contains("occupied"), "{said}");
}

#[tokio::test]
#[cfg_attr(not(feature = "own-hub"), ignore = "starts and stops its own hub")]
async fn a_folder_that_cannot_be_written_is_one_clear_line() {
    let folder = tempfile::tempdir().expect("a folder");
    // A file where a folder has to be: refused to root as well.
    let data = folder.path().join("occupied");
    std::fs::write(&data, "not a folder").expect("a file");
    let output = command(&data.join("data"), 0)
        .args(["--internal-port", "0"])
        .output()
        .await
        .expect("it runs");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("occupied"), "{said}");
}

#[tokio::test]
#[cfg_attr(not(feature = "own-hub"), ignore = "starts and stops its own hub")]
async fn a_corrupt_database_is_one_clear_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let hub = Start::default().in_folder(folder.path()).ready().await;
    assert!(hub.interrupt().await.success());
    let database = folder.path().join("project.db");
    std::fs::write(
        &database,
        "this is no database, and long enough that nobody takes it for an empty one".repeat(100),
    )
    .expect("written");
    let output = command(folder.path(), 0)
        .args(["--internal-port", "0"])
        .output()
        .await
        .expect("it runs");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("project.db") && said.contains("corrupt"), "{said}");
}

#[tokio::test]
#[cfg_attr(not(feature = "own-hub"), ignore = "starts and stops its own hub")]
async fn a_stopping_hub_ends_its_streams_and_exits_cleanly() {
    let hub = Hub::own().await;
    let ada = Person::join(&hub, "ada").await;
    let stream = ada.stream(None).await;
    let (status, events) = tokio::join!(hub.interrupt(), stream.rest());
    assert!(status.success());
    assert!(
        events.iter().any(|event| event.name.as_deref() == Some("closed")),
        "{events:?}"
    );
}

#[tokio::test]
#[cfg_attr(not(feature = "own-hub"), ignore = "starts and stops its own hub")]
async fn the_internal_port_tells_how_it_is() {
    let hub = Hub::own().await;
    assert_eq!(hub.internal("/livez").await.expect("an answer").status, 200);
    for name in [
        "outbox_pending",
        "outbox_oldest_age_seconds",
        "consumer_lag{",
        "inbox_duplicates_total",
        "dlq_depth",
    ] {
        until(&format!("{name} is measured"), async || {
            let metrics = hub.internal("/metrics").await.expect("an answer");
            metrics.text.contains(name).then_some(())
        })
        .await;
    }
}
