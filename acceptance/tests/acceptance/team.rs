//! A team works together: every reaction here has gone through outbox, broker and inbox.

use acceptance::{Hub, Person, until};
use serde_json::json;

#[tokio::test]
async fn a_team_registers_invites_works_and_is_notified_live() {
    let hub = Hub::any().await;
    let ada = Person::join(&hub, "ada").await;
    let mut bob = Person::stranger(&hub, "bob");
    let project = ada.create_project("Apollo").await;

    // Bob has no account yet: the invitation waits for it.
    let invited = ada
        .post(
            &format!("/v1/projects/{project}/members"),
            json!({ "email": bob.email.to_uppercase(), "role": "member" }),
        )
        .await
        .expect(201);
    assert_eq!(invited["status"], "pending");
    bob.register().await;
    until("the invitation became a membership", async || {
        (bob.get(&format!("/v1/projects/{project}")).await.status == 200).then_some(())
    })
    .await;
    let notification = bob.notified("project_invited").await;
    assert_eq!(notification["project_id"], project.as_str());

    // Ada assigns a task to Bob, who sees it on his open stream.
    let mut stream = bob.stream(None).await;
    let task = ada
        .create_task(&project, json!({ "title": "Fix the valve", "assignee_ids": [bob.id] }))
        .await;
    let id = task["id"].as_str().expect("an id").to_owned();
    let seen = stream
        .find("the task appeared", |event| event.data["type"] == "task.created")
        .await;
    assert_eq!(seen.data["data"]["task_id"], id.as_str());
    let told = stream
        // That of the invitation may still come.
        .find("the notification", |event| event.data["data"]["kind"] == "task_assigned")
        .await;
    assert_eq!(told.data["type"], "notification.created");

    // Bob comments and mentions Ada; she gets one notification, for the mention, not a second for the comment.
    let comment = json!({ "body": format!("@{} which valve?", ada.handle) });
    bob.post(&format!("/v1/tasks/{id}/comments"), comment).await.expect(201);
    let mention = ada.notified("mentioned").await;
    assert_eq!(mention["task_id"], id.as_str());
    assert_eq!(
        ada.get("/v1/notifications/unread-count").await.expect(200)["unread_count"],
        1
    );

    // Reading it clears the badge.
    ada.post("/v1/notifications/read", json!({ "ids": [mention["id"]] }))
        .await
        .expect(200);
    assert_eq!(
        ada.get("/v1/notifications/unread-count").await.expect(200)["unread_count"],
        0
    );

    // What happened is in the project's activity and can be searched.
    let activity = bob.get(&format!("/v1/projects/{project}/activity")).await.expect(200);
    assert!(
        activity["items"].as_array().is_some_and(|items| items.len() >= 3),
        "{activity}"
    );
    let found = bob.get("/v1/search?q=valve").await.expect(200);
    assert!(
        found["items"].as_array().is_some_and(|items| !items.is_empty()),
        "{found}"
    );
}

#[tokio::test]
async fn home_shows_everything_at_a_glance() {
    let hub = Hub::any().await;
    let ada = Person::join(&hub, "ada").await;
    let project = ada.create_project("Gemini").await;
    ada.create_task(
        &project,
        json!({ "title": "Today", "due_at": "2030-01-01T10:00:00+02:00", "assignee_ids": [ada.id] }),
    )
    .await;
    let home = ada.get("/v1/home").await.expect(200);
    assert_eq!(home["me"]["id"], ada.id.as_str());
    assert_eq!(home["projects"][0]["id"], project.as_str());
    assert_eq!(home["degraded"], json!([]));
}

#[tokio::test]
async fn a_stream_resumes_where_it_broke_off() {
    let hub = Hub::any().await;
    let ada = Person::join(&hub, "ada").await;
    let project = ada.create_project("Resumed").await;
    let mut stream = ada.stream(None).await;
    ada.create_task(&project, json!({ "title": "first" })).await;
    let first = stream
        .find("the first task", |event| event.data["type"] == "task.created")
        .await;
    drop(stream);
    for number in 0..20 {
        ada.create_task(&project, json!({ "title": format!("missed {number}") }))
            .await;
    }
    let mut stream = ada.stream(first.id.as_deref()).await;
    let mut missed = Vec::new();
    while missed.len() < 20 {
        let event = stream
            .find("a missed task", |event| event.data["type"] == "task.created")
            .await;
        missed.push(
            event.data["data"]["task"]["title"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        );
    }
    missed.sort_by_key(|title| title.trim_start_matches("missed ").parse::<u32>().unwrap_or(u32::MAX));
    let expected: Vec<String> = (0..20).map(|number| format!("missed {number}")).collect();
    assert_eq!(missed, expected);
}

#[tokio::test]
async fn strangers_see_nothing_of_a_team() {
    let hub = Hub::any().await;
    let ada = Person::join(&hub, "ada").await;
    let eve = Person::join(&hub, "eve").await;
    let project = ada.create_project("Private").await;
    let task = ada.create_task(&project, json!({ "title": "Secret" })).await;
    let task = task["id"].as_str().expect("an id");
    for path in [
        format!("/v1/projects/{project}"),
        format!("/v1/projects/{project}/tasks"),
        format!("/v1/tasks/{task}"),
    ] {
        assert_eq!(eve.get(&path).await.status, 404, "{path}");
    }
    assert_eq!(eve.get("/v1/search?q=Secret").await.expect(200)["items"], json!([]));
    assert_eq!(
        Person::stranger(&hub, "anon")
            .get(&format!("/v1/projects/{project}"))
            .await
            .problem(),
        "unauthenticated"
    );
}

#[tokio::test]
async fn an_update_from_a_stale_version_is_refused() {
    let hub = Hub::any().await;
    let ada = Person::join(&hub, "ada").await;
    let project = ada.create_project("Versions").await;
    let task = ada.create_task(&project, json!({ "title": "v1" })).await;
    let path = format!("/v1/tasks/{}", task["id"].as_str().expect("an id"));
    let tag = ada.get(&path).await.header("etag").expect("an etag").to_owned();
    let rename = |title: &str| Some(json!({ "title": title }));
    ada.send("PATCH", &path, &[("If-Match", &tag)], rename("v2"))
        .await
        .expect(200);
    assert_eq!(
        ada.send("PATCH", &path, &[("If-Match", &tag)], rename("v3"))
            .await
            .problem(),
        "precondition-failed"
    );
    assert_eq!(
        ada.send("PATCH", &path, &[], rename("v3")).await.problem(),
        "precondition-required"
    );
    assert_eq!(ada.get(&path).await.expect(200)["title"], "v2");
}
