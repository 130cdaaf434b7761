//! Notifications, and what happens in a project, in Slack.

use std::time::Duration;

use contracts::{
    id::UserId,
    project::{MemberRoleChanged, TaskCreated, TaskSnapshot},
};
use serde_json::json;

use crate::{
    target::{Target, Verdict},
    world::{App, World, registered},
};

const HERE: &str = "[notification.webhooks]\nallow_private_targets = true";

#[tokio::test]
async fn a_notification_is_posted_with_slacks_own_characters_escaped() {
    let (app, slack, world) = (App::with(HERE).await, Target::start().await, World::new());
    let (ada, bo) = (UserId::new(), app.user());
    app.deliver(&registered(bo.id, "Bo")).await;
    app.deliver(&registered(ada, "Ada <!channel> & Co")).await;
    bo.put("/v1/slack", json!({ "url": slack.url() })).await.expect(200);
    app.deliver(&world.assigned(bo.id, ada, 1)).await;
    app.step_workers().await;
    let [post] = &slack.received()[..] else {
        panic!("one post")
    };
    let text = post.json()["text"].as_str().unwrap().to_owned();
    assert_eq!(text, "Ada &lt;!channel&gt; &amp; Co assigned “Fix the valve” to you");
    let shown = bo.get("/v1/slack").await.expect(200).text() + &bo.get("/v1/deliveries").await.expect(200).text();
    assert!(!shown.contains("team=7"), "the address is a secret: {shown}");
    bo.delete("/v1/slack").await.expect(204);
    bo.get("/v1/slack").await.expect(404);
    app.deliver(&world.assigned(bo.id, ada, 2)).await;
    app.step_workers().await;
    assert_eq!(slack.received().len(), 1);
}

#[tokio::test]
async fn slack_gets_the_time_it_asks_for_and_is_not_asked_again_when_it_says_never() {
    let (app, slack, world) = (App::with(HERE).await, Target::start().await, World::new());
    let (ada, bo) = (UserId::new(), app.user());
    app.deliver(&registered(bo.id, "Bo")).await;
    bo.put("/v1/slack", json!({ "url": slack.url() })).await.expect(200);
    slack.answers([
        Verdict::Say("429 Too Many Requests", "retry-after: 1800"),
        Verdict::Say("200 OK", "\n\nok"),
        Verdict::Say("404 Not Found", "\n\nno_service"),
    ]);
    app.deliver(&world.assigned(bo.id, ada, 1)).await;
    app.step_workers().await;
    app.clock.advance(Duration::from_secs(600));
    app.step_workers().await;
    assert_eq!(slack.received().len(), 1);
    app.clock.advance(Duration::from_secs(1800));
    app.step_workers().await;
    assert_eq!(slack.received().len(), 2);
    app.deliver(&world.assigned(bo.id, ada, 2)).await;
    app.step_workers().await;
    let list = bo.get("/v1/deliveries?channel=slack&state=failed").await.expect(200);
    let error = list.json["items"][0]["error"].as_str().unwrap();
    assert!(error.contains("404 Not Found; make a new incoming webhook"), "{error}");
}

#[tokio::test]
async fn only_slacks_own_host_is_accepted_and_only_managers_set_a_projects() {
    let (app, world) = (App::start().await, World::new());
    let (ada, bo, cleo) = (app.user(), app.user(), app.user());
    let good = json!({ "url": "https://hooks.slack.com/services/T0/B0/x" }); // pragma: allowlist secret
    for url in [
        "https://example.com/",
        "http://hooks.slack.com/x",
        "http://169.254.169.254/",
    ] {
        let answer = ada.put("/v1/slack", json!({ "url": url })).await.expect(422);
        assert_eq!(answer.wrong(), ["#/url"], "{url}");
    }
    ada.put("/v1/slack", good.clone()).await.expect(200);

    let hook = format!("/v1/projects/{}/slack", world.project);
    app.deliver(&world.added(ada.id, ada.id, 1)).await;
    app.deliver(&world.added(bo.id, ada.id, 1)).await;
    app.deliver(&MemberRoleChanged {
        project_id: world.project,
        project_name: "Apollo".to_owned(),
        user_id: ada.id,
        role: "owner".to_owned(),
        actor_id: ada.id,
        version: 2,
    })
    .await;
    ada.put(&hook, good.clone()).await.expect(200);
    assert_eq!(
        bo.put(&hook, good.clone()).await.expect(403).problem(),
        "project-role-too-low"
    );
    assert_eq!(cleo.put(&hook, good).await.expect(404).problem(), "project-not-found");
    assert_eq!(ada.get(&hook).await.expect(200).json["set_by"], json!(ada.id));
    ada.delete(&hook).await.expect(204);
    ada.get(&hook).await.expect(404);
}

#[tokio::test]
async fn what_happens_in_a_project_is_posted_to_its_channel() {
    let (app, slack, world) = (App::with(HERE).await, Target::start().await, World::new());
    let ada = app.user();
    app.deliver(&registered(ada.id, "Ada")).await;
    let mut made = world.added(ada.id, ada.id, 1);
    made.role = "owner".to_owned();
    app.deliver(&made).await;
    ada.put(
        format!("/v1/projects/{}/slack", world.project),
        json!({ "url": slack.url() }),
    )
    .await
    .expect(200);
    app.deliver(&TaskCreated {
        task_id: world.task,
        task: TaskSnapshot {
            task_id: world.task,
            project_id: world.project,
            title: "Fix the valve".to_owned(),
            status: "todo".to_owned(),
            priority: "none".to_owned(),
            due_at: None,
            assignee_ids: Vec::new(),
            labels: Vec::new(),
            created_by: ada.id,
            created_at: contracts::Timestamp::now(),
            completed_at: None,
            version: 1,
        },
        actor_id: ada.id,
    })
    .await;
    app.deliver(&world.comment(ada.id, &[], &[])).await;
    app.step_workers().await;
    let mut texts: Vec<String> = slack
        .received()
        .iter()
        .map(|post| post.json()["text"].to_string())
        .collect();
    texts.sort_unstable();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(
        texts[0].contains("Ada commented on “Fix the valve”\\nthe pressure is too high"),
        "{texts:?}"
    );
    assert!(texts[1].contains("Ada made the task “Fix the valve”"), "{texts:?}");
}
