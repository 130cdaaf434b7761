//! Comments, and whom they mention.

use contracts::project::{CommentCreated, CommentDeleted, CommentUpdated};
use serde_json::{Value, json};

use crate::{
    team::{text, walk},
    work::Team,
};

#[tokio::test]
async fn a_comment_tells_whom_it_mentions_and_who_takes_part() {
    let team = Team::start().await;
    let task = json!({ "title": "Fix it", "assignee_ids": [team.bruno.id.to_string(), team.ada.id.to_string()] });
    let task = text(&team.task_with(task).await["id"]);
    let path = format!("/v1/tasks/{task}/comments");
    let body = "@Vera and @bruno@example.com, also @BRUNO again; @otto is no member; mail me: ada@example.com `@vera`";
    let answer = team.bruno.post(&path, json!({ "body": body })).await.expect(201);
    let comment = &answer.json;
    assert_eq!(
        answer.header("location"),
        Some(format!("/v1/comments/{}", text(&comment["id"])).as_str())
    );
    assert_eq!(
        (answer.header("etag"), &comment["body"]),
        (Some("\"v1\""), &json!(body))
    );
    let mut mentioned: Vec<String> = comment["mentioned_ids"].as_array().unwrap().iter().map(text).collect();
    let mut expected = vec![team.vera.id.to_string(), team.bruno.id.to_string()];
    mentioned.sort();
    expected.sort();
    assert_eq!(mentioned, expected);

    let created = &team.app.published_of::<CommentCreated>().await[0];
    assert_eq!(created.mentioned_ids, [team.vera.id], "the author excepted");
    assert_eq!(
        created.participant_ids,
        [team.ada.id],
        "maker and assignees, each once, the author excepted"
    );
    assert_eq!((created.task_title.as_str(), created.version), ("Fix it", 1));

    let listed = team.vera.get(&path).await.expect(200).json;
    assert_eq!(listed, json!({ "items": [comment], "next_cursor": null }));
}

#[tokio::test]
async fn a_long_comment_is_published_as_its_first_two_hundred_characters() {
    let team = Team::start().await;
    let path = format!("/v1/tasks/{}/comments", team.task("Fix it").await);
    team.ada
        .post(&path, json!({ "body": "é".repeat(10_000) }))
        .await
        .expect(201);
    assert_eq!(
        team.app.published_of::<CommentCreated>().await[0].excerpt,
        "é".repeat(200)
    );
    for body in [
        String::new(),
        " \n\t".to_owned(),
        "x".repeat(10_001),
        "a\u{0}b".to_owned(),
    ] {
        assert_eq!(
            team.ada.post(&path, json!({ "body": body })).await.expect(422).wrong(),
            ["#/body"]
        );
    }
    assert_eq!(
        team.ada.post(&path, json!({ "text": "x" })).await.expect(422).wrong(),
        ["#/text"]
    );
}

#[tokio::test]
async fn only_who_wrote_a_comment_changes_it_and_only_new_names_are_told() {
    let team = Team::start().await;
    let path = format!("/v1/tasks/{}/comments", team.task("Fix it").await);
    let made = team
        .bruno
        .post(&path, json!({ "body": "@vera look" }))
        .await
        .expect(201)
        .json;
    let path = format!("/v1/comments/{}", text(&made["id"]));
    let body = json!({ "body": "@vera and @ada look" });
    assert_eq!(
        team.bruno.patch(&path, body.clone()).await.expect(428).problem(),
        "precondition-required"
    );
    assert_eq!(
        team.ada
            .patch(&path, body.clone())
            .header("if-match", "*")
            .await
            .expect(403)
            .problem(),
        "comment-not-yours"
    );
    let changed = team
        .bruno
        .patch(&path, body.clone())
        .header("if-match", "\"v1\"")
        .await
        .expect(200);
    assert_eq!(
        (changed.header("etag"), &changed.json["body"]),
        (Some("\"v2\""), &body["body"])
    );
    assert!(changed.json["edited_at"].is_string());
    let late = team
        .bruno
        .patch(&path, json!({ "body": "x" }))
        .header("if-match", "\"v1\"")
        .await
        .expect(412);
    assert_eq!(late.problem(), "precondition-failed");
    team.bruno
        .patch(&path, body)
        .header("if-match", "\"v2\"")
        .await
        .expect(200);
    let updated = team.app.published_of::<CommentUpdated>().await;
    assert_eq!(updated.len(), 1, "the same text again is no change");
    assert_eq!(
        (updated[0].mentioned_ids.as_slice(), updated[0].version),
        ([team.ada.id].as_slice(), 2)
    );
}

#[tokio::test]
async fn a_comment_is_deleted_by_its_author_or_by_an_admin() {
    let team = Team::start().await;
    let path = format!("/v1/tasks/{}/comments", team.task("Fix it").await);
    let by_ada = text(&team.ada.post(&path, json!({ "body": "mine" })).await.expect(201).json["id"]);
    let by_bruno = text(&team.bruno.post(&path, json!({ "body": "his" })).await.expect(201).json["id"]);
    let delete =
        |actor: &testkit::Actor, id: &str| actor.delete(format!("/v1/comments/{id}")).header("if-match", "\"v1\"");
    assert_eq!(
        delete(&team.bruno, &by_ada).await.expect(403).problem(),
        "comment-not-yours"
    );
    let _ = delete(&team.ada, &by_bruno).await.expect(204);
    let _ = delete(&team.ada, &by_ada).await.expect(204);
    assert_eq!(
        delete(&team.ada, &by_ada).await.expect(404).problem(),
        "comment-not-found"
    );
    assert_eq!(team.ada.get(&path).await.expect(200).json["items"], json!([]));
    let deleted = team.app.published_of::<CommentDeleted>().await;
    assert_eq!(deleted.iter().map(|event| event.version).collect::<Vec<_>>(), [2, 2]);
}

#[tokio::test]
async fn comments_come_oldest_first_page_by_page() {
    let team = Team::start().await;
    let path = format!("/v1/tasks/{}/comments", team.task("Fix it").await);
    for number in 0..5 {
        team.ada
            .post(&path, json!({ "body": number.to_string() }))
            .await
            .expect(201);
    }
    let bodies: String = walk(&team.vera, &path, 2)
        .await
        .iter()
        .map(|comment| text(&comment["body"]))
        .collect();
    assert_eq!(bodies, "01234");
    let cursor = text(&team.ada.get(format!("{path}?limit=1")).await.expect(200).json["next_cursor"]);
    let elsewhere = format!("/v1/tasks/{}/comments?cursor={cursor}", team.task("Other").await);
    assert_eq!(team.ada.get(elsewhere).await.expect(400).problem(), "malformed-request");
}

#[tokio::test]
async fn viewers_may_not_comment_and_strangers_learn_nothing() {
    let team = Team::start().await;
    let path = format!("/v1/tasks/{}/comments", team.task("Fix it").await);
    let comment = text(&team.ada.post(&path, json!({ "body": "hi" })).await.expect(201).json["id"]);
    let comment = format!("/v1/comments/{comment}");
    assert_eq!(
        team.vera
            .post(&path, json!({ "body": "hi" }))
            .await
            .expect(403)
            .problem(),
        "project-role-too-low"
    );
    assert_eq!(
        team.vera
            .delete(&comment)
            .header("if-match", "*")
            .await
            .expect(403)
            .problem(),
        "project-role-too-low"
    );
    assert_eq!(team.otto.get(&path).await.expect(404).problem(), "task-not-found");
    assert_eq!(
        team.otto
            .post(&path, json!({ "body": "hi" }))
            .await
            .expect(404)
            .problem(),
        "task-not-found"
    );
    for path in [
        comment.as_str(),
        "/v1/comments/cmt_1",
        "/v1/comments/cmt_01h455vb4pex5vsknk084sn02q",
    ] {
        let refused = team
            .otto
            .patch(path, json!({ "body": "hi" }))
            .header("if-match", "*")
            .await
            .expect(404);
        assert_eq!(refused.problem(), "comment-not-found");
        assert_eq!(
            team.otto
                .delete(path)
                .header("if-match", "*")
                .await
                .expect(404)
                .problem(),
            "comment-not-found"
        );
    }
}

#[tokio::test]
async fn a_comment_sent_twice_with_one_key_is_written_once() {
    let team = Team::start().await;
    let path = format!("/v1/tasks/{}/comments", team.task("Fix it").await);
    let send = async || -> Value {
        team.ada
            .post(&path, json!({ "body": "hi" }))
            .header("idempotency-key", "once")
            .await
            .expect(201)
            .json
    };
    assert_eq!(send().await, send().await);
    assert_eq!(team.app.published_of::<CommentCreated>().await.len(), 1);
}

#[tokio::test]
async fn who_has_left_the_project_hears_nothing_of_new_comments() {
    let team = Team::start().await;
    let bruno = team.bruno.id.to_string();
    let task = team
        .task_with(json!({ "title": "Fix it", "assignee_ids": [bruno] }))
        .await;
    team.ada
        .delete(format!("/v1/projects/{}/members/{bruno}", team.project))
        .await
        .expect(204);
    let path = format!("/v1/tasks/{}/comments", text(&task["id"]));
    team.ada.post(&path, json!({ "body": "@bruno?" })).await.expect(201);
    let created = &team.app.published_of::<CommentCreated>().await[0];
    assert!(
        created.mentioned_ids.is_empty() && created.participant_ids.is_empty(),
        "{created:?}"
    );
}
