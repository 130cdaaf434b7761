//! Saying what one wants to hear of.

use serde_json::{Value, json};

use crate::world::{App, World, badge, password_changed, types};

fn only_off(kinds: &[&str]) -> Value {
    json!({ "preferences": kinds.iter().map(|kind| json!({ "type": kind, "in_app": false })).collect::<Vec<_>>() })
}

#[tokio::test]
async fn everything_is_on_until_the_user_says_otherwise() {
    let app = App::start().await;
    let answer = app.user().get("/v1/notification-preferences").await.expect(200);
    let all = answer.json["preferences"].as_array().unwrap();
    assert_eq!(all.len(), 18);
    assert!(all.iter().all(|one| one["in_app"] == json!(true)));
    assert_eq!(answer.header("etag"), Some("\"v0\""));
}

#[tokio::test]
async fn what_is_turned_off_does_not_come_and_nobody_elses_inbox_is_touched() {
    let app = App::start().await;
    let (ada, bo, cleo, world) = (app.user(), app.user(), app.user(), World::new());
    let off = only_off(&["task_assigned", "password_changed"]);
    let answer = bo
        .request("PUT", "/v1/notification-preferences")
        .header("if-match", "\"v0\"")
        .json(&off)
        .await
        .expect(200);
    assert_eq!(answer.header("etag"), Some("\"v1\""));
    for user in [bo.id, cleo.id] {
        app.deliver(&world.assigned(user, ada.id, 1)).await;
        app.deliver(&password_changed(user, false, 2)).await;
        app.deliver(&world.added(user, ada.id, 1)).await;
    }
    assert_eq!(types(&bo).await, ["project_invited"]);
    assert_eq!(badge(&cleo).await, 3);
    let read = bo.get("/v1/notification-preferences").await.expect(200);
    assert_eq!(read.json, answer.json);
}

#[tokio::test]
async fn who_turned_mentions_off_still_hears_of_comments_on_their_tasks() {
    let app = App::start().await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    bo.request("PUT", "/v1/notification-preferences")
        .header("if-match", "*")
        .json(&only_off(&["mentioned"]))
        .await
        .expect(200);
    let comment = world.comment(ada.id, &[bo.id], &[bo.id]);
    app.deliver(&comment).await;
    app.deliver(&world.edited(&comment, "@bo again", &[bo.id])).await;
    assert_eq!(types(&bo).await, ["task_commented"]);
    assert_eq!(badge(&bo).await, 1);
}

#[tokio::test]
async fn a_type_that_is_not_named_goes_back_to_being_on() {
    let app = App::start().await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    for (tag, off) in [
        ("\"v0\"", only_off(&["task_assigned"])),
        ("\"v1\"", only_off(&["mentioned"])),
    ] {
        bo.request("PUT", "/v1/notification-preferences")
            .header("if-match", tag)
            .json(&off)
            .await
            .expect(200);
    }
    app.deliver(&world.assigned(bo.id, ada.id, 1)).await;
    assert_eq!(types(&bo).await, ["task_assigned"]);
}

#[tokio::test]
async fn two_clients_do_not_overwrite_each_other() {
    let app = App::start().await;
    let bo = app.user();
    let put = |tag: &'static str, kind: &'static str| {
        let call = bo
            .request("PUT", "/v1/notification-preferences")
            .header("if-match", tag);
        call.json(&only_off(&[kind])).send()
    };
    put("\"v0\"", "mentioned").await.expect(200);
    assert_eq!(
        put("\"v0\"", "task_assigned").await.expect(412).problem(),
        "precondition-failed"
    );
    let kept = bo.get("/v1/notification-preferences").await.expect(200);
    assert_eq!(kept.header("etag"), Some("\"v1\""));
    assert_eq!(
        kept.json["preferences"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["in_app"] == json!(false))
            .count(),
        1
    );
    let (one, other) = tokio::join!(put("\"v1\"", "task_assigned"), put("\"v1\"", "new_session"));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
}

#[tokio::test]
async fn a_change_that_cannot_be_made_is_explained_and_changes_nothing() {
    let app = App::start().await;
    let bo = app.user();
    let without = bo
        .put("/v1/notification-preferences", only_off(&["mentioned"]))
        .await
        .expect(428);
    assert_eq!(without.problem(), "precondition-required");
    let many: Vec<Value> = (0..10_000)
        .map(|_| json!({ "type": "mentioned", "in_app": true }))
        .collect();
    let cases = [
        (
            json!({ "preferences": [{ "type": "mentioned", "in_app": false }, { "type": "mentioned", "in_app": false }] }),
            "#/preferences/1/type",
        ),
        (
            json!({ "preferences": [{ "type": "birthday", "in_app": false }] }),
            "#/preferences/0/type",
        ),
        (
            json!({ "preferences": [{ "type": "mentioned", "in_app": "no" }] }),
            "#/preferences/0/in_app",
        ),
        (json!({ "preferences": [{ "type": "mentioned" }] }), "#/preferences/0"),
        (json!({ "preferences": many }), "#/preferences"),
    ];
    for (body, pointer) in cases {
        let answer = bo
            .request("PUT", "/v1/notification-preferences")
            .header("if-match", "*")
            .json(&body)
            .await
            .expect(422);
        assert_eq!(answer.problem(), "validation-failed");
        assert_eq!(answer.wrong(), [pointer]);
    }
    let unknown = json!({ "preferences": [{ "type": "mentioned", "in_app": true, "by_pigeon": true }] });
    let answer = bo
        .request("PUT", "/v1/notification-preferences")
        .header("if-match", "*")
        .json(&unknown)
        .await
        .expect(422);
    assert!(answer.text().contains("by_pigeon"), "{}", answer.text());
    let kept = bo.get("/v1/notification-preferences").await.expect(200);
    assert_eq!(kept.header("etag"), Some("\"v0\""));
}
