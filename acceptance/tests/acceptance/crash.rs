//! The whole process is killed, as by a power failure, between any two steps of an event's way. Nothing is lost and
//! nothing happens twice.

use acceptance::{Person, hub::Start, until};
use serde_json::{Value, json};

/// How often each point is hit.
const ROUNDS: u32 = 4;

#[tokio::test]
#[cfg_attr(not(feature = "own-hub"), ignore = "kills its own hub")]
async fn killed_after_the_commit_and_before_publishing() {
    survive("outbox.committed").await;
}

#[tokio::test]
#[cfg_attr(not(feature = "own-hub"), ignore = "kills its own hub")]
async fn killed_after_publishing_and_before_marking_as_sent() {
    survive("relay.published").await;
}

#[tokio::test]
#[cfg_attr(not(feature = "own-hub"), ignore = "kills its own hub")]
async fn killed_after_the_effect_and_before_the_offset() {
    survive("consumer.committed").await;
}

/// Assigns tasks while the hub is killed again and again at `point`; then every accepted task must have exactly one
/// notification, and no task that was refused or unanswered more than one.
async fn survive(point: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let hub = Start::default().in_folder(folder.path()).ready().await;
    let mut ada = Person::join(&hub, "ada").await;
    let mut bob = Person::join(&hub, "bob").await;
    let project = ada.create_project("Survivor").await;
    ada.bring_in(&project, &bob, "member").await;
    assert!(hub.interrupt().await.success());

    let mut accepted = Vec::new();
    for round in 0..ROUNDS {
        // The further into its work each time, the more different states it leaves behind.
        let crash = format!("{point}:{}", 3 + round * 7);
        let mut hub = Start::default()
            .in_folder(folder.path())
            .with("CLOUDTASKHUB_CRASH_AT", crash)
            .begin();
        let path = format!("/v1/projects/{project}/tasks");
        for number in 0.. {
            if !hub.runs() {
                break;
            }
            ada.move_to(&hub);
            let body = json!({ "title": format!("round {round} number {number}"), "assignee_ids": [bob.id] });
            // Unanswered while it starts or after it died; nobody was told then that the task exists.
            if let Some(answer) = ada.try_send("POST", &path, &[], Some(body)).await
                && answer.status == 201
            {
                accepted.push(answer.json["id"].as_str().expect("an id").to_owned());
            } else {
                tokio::task::yield_now().await;
            }
        }
        assert!(!hub.ended().await.success(), "it was killed");
    }
    assert!(!accepted.is_empty(), "some tasks were accepted between the crashes");

    let hub = Start::default().in_folder(folder.path()).ready().await;
    ada.move_to(&hub);
    bob.move_to(&hub);
    bob.sign_in().await;
    let notified = until("every accepted task has its notification", async || {
        let notified = all_assigned(&bob).await;
        accepted.iter().all(|task| notified.contains(task)).then_some(notified)
    })
    .await;
    let mut once = notified.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), notified.len(), "a task was told twice");
    assert!(hub.interrupt().await.success());
}

/// The tasks of all notifications of an assignment, over all pages.
async fn all_assigned(person: &Person) -> Vec<String> {
    let mut tasks = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = person
            .get(&format!("/v1/notifications?limit=200{cursor}"))
            .await
            .expect(200);
        let items = page["items"].as_array().expect("items");
        let assigned = items.iter().filter(|item| item["type"] == "task_assigned");
        tasks.extend(assigned.filter_map(|item| item["task_id"].as_str().map(str::to_owned)));
        match &page["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return tasks,
        }
    }
}
