//! Looking at the inbox and marking what was read.

use contracts::{id::NotificationId, notification::NotificationRead};
use rstest::rstest;
use serde_json::{Value, json};

use crate::world::{App, World, badge, id_of, inbox};

/// Puts `count` notifications into the inbox of a new user.
async fn filled(app: &App, count: i64) -> testkit::Actor {
    let (bo, ada) = (app.user(), app.user());
    let world = World::new();
    for version in 1..=count {
        app.deliver(&world.assigned(bo.id, ada.id, version)).await;
    }
    bo
}

#[tokio::test]
async fn a_new_user_has_an_empty_inbox_and_no_badge() {
    let app = App::start().await;
    let bo = app.user();
    let answer = bo.get("/v1/notifications").await.expect(200);
    assert_eq!(answer.json, json!({ "items": [], "next_cursor": null }));
    assert_eq!(badge(&bo).await, 0);
}

#[tokio::test]
async fn an_inbox_is_read_page_by_page_newest_first_and_what_comes_meanwhile_moves_no_page() {
    let app = App::start().await;
    let bo = filled(&app, 5).await;
    let first = bo.get("/v1/notifications?limit=2").await.expect(200).json;
    app.deliver(&World::new().assigned(bo.id, app.user().id, 1)).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = bo
        .get(format!("/v1/notifications?limit=2&cursor={cursor}"))
        .await
        .expect(200)
        .json;
    let cursor = second["next_cursor"].as_str().unwrap();
    let third = bo
        .get(format!("/v1/notifications?limit=2&cursor={cursor}"))
        .await
        .expect(200)
        .json;
    assert_eq!(third["next_cursor"], Value::Null);
    let pages = [first, second, third];
    let ids: Vec<NotificationId> = pages
        .iter()
        .flat_map(|page| page["items"].as_array().unwrap())
        .map(id_of)
        .collect();
    assert_eq!(ids.len(), 5);
    assert!(ids.is_sorted_by(|newer, older| newer > older), "{ids:?}");
}

#[tokio::test]
async fn a_cursor_of_another_list_or_another_user_is_refused_with_what_to_do() {
    let app = App::start().await;
    let bo = filled(&app, 3).await;
    let page = bo.get("/v1/notifications?limit=1").await.expect(200).json;
    let cursor = page["next_cursor"].as_str().unwrap();
    for path in [
        "/v1/notifications?unread=true&cursor=",
        "/v1/notifications?cursor=x",
        "/v1/notifications?cursor=%FF&c=",
    ] {
        let answer = bo.get(format!("{path}{cursor}")).await.expect(400);
        assert_eq!(answer.problem(), "malformed-request", "{path}");
    }
    assert_eq!(
        app.user()
            .get(format!("/v1/notifications?cursor={cursor}"))
            .await
            .expect(400)
            .wrong(),
        ["?cursor"]
    );
}

#[rstest]
#[case("limit=0", 422)]
#[case("limit=201", 422)]
#[case("limit=-1", 422)]
#[case("limit=many", 422)]
#[case("unread=perhaps", 422)]
#[tokio::test]
async fn a_wrong_parameter_is_told(#[case] query: &str, #[case] status: u16) {
    let app = App::start().await;
    let answer = app
        .user()
        .get(format!("/v1/notifications?{query}"))
        .await
        .expect(status);
    assert!(!answer.problem().is_empty());
}

#[tokio::test]
async fn reading_one_lowers_the_badge_once_and_is_published_once() {
    let app = App::start().await;
    let bo = filled(&app, 3).await;
    let one = id_of(&inbox(&bo).await[1]);
    let answer = bo
        .post("/v1/notifications/read", json!({ "ids": [one, one] }))
        .await
        .expect(200);
    assert_eq!(answer.json, json!({ "marked": 1, "unread_count": 2 }));
    let again = bo
        .post("/v1/notifications/read", json!({ "ids": [one] }))
        .await
        .expect(200);
    assert_eq!(again.json, json!({ "marked": 0, "unread_count": 2 }));
    let read = NotificationRead {
        user_id: bo.id,
        notification_ids: vec![one],
        up_to: None,
        unread_count: 2,
    };
    assert_eq!(app.published_of::<NotificationRead>().await, [read]);
    assert_eq!(badge(&bo).await, 2);
    let unread = bo.get("/v1/notifications?unread=true").await.expect(200).json;
    assert!(
        unread["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|other| id_of(other) != one && other["read_at"].is_null())
    );
}

#[tokio::test]
async fn reading_all_empties_the_badge_and_names_the_newest_that_was_read() {
    let app = App::start().await;
    let bo = filled(&app, 3).await;
    let newest = id_of(&inbox(&bo).await[0]);
    let answer = bo
        .post("/v1/notifications/read", json!({ "all": true }))
        .await
        .expect(200);
    assert_eq!(answer.json, json!({ "marked": 3, "unread_count": 0 }));
    bo.post("/v1/notifications/read", json!({ "all": true }))
        .await
        .expect(200);
    let read = NotificationRead {
        user_id: bo.id,
        notification_ids: vec![],
        up_to: Some(newest),
        unread_count: 0,
    };
    assert_eq!(app.published_of::<NotificationRead>().await, [read]);
    assert!(inbox(&bo).await.iter().all(|one| one["read_at"].is_string()));
}

#[tokio::test]
async fn reading_all_that_was_shown_leaves_what_came_since_unread() {
    let app = App::start().await;
    let bo = filled(&app, 2).await;
    let shown = id_of(&inbox(&bo).await[0]);
    app.deliver(&World::new().assigned(bo.id, app.user().id, 1)).await;
    let answer = bo
        .post("/v1/notifications/read", json!({ "all": true, "up_to": shown }))
        .await
        .expect(200);
    assert_eq!(answer.json, json!({ "marked": 2, "unread_count": 1 }));
    assert_eq!(badge(&bo).await, 1);
}

#[tokio::test]
async fn nobody_sees_or_marks_the_notifications_of_others_nor_learns_that_they_exist() {
    let app = App::start().await;
    let bo = filled(&app, 2).await;
    let eve = app.user();
    let foreign = id_of(&inbox(&bo).await[0]);
    assert!(inbox(&eve).await.is_empty());
    let of_foreign = eve
        .post("/v1/notifications/read", json!({ "ids": [foreign] }))
        .await
        .expect(200);
    let of_unknown = eve
        .post("/v1/notifications/read", json!({ "ids": [NotificationId::new()] }))
        .await
        .expect(200);
    assert_eq!(of_foreign.json, of_unknown.json);
    eve.post("/v1/notifications/read", json!({ "all": true, "up_to": foreign }))
        .await
        .expect(200);
    assert_eq!(badge(&bo).await, 2);
    assert!(app.published_of::<NotificationRead>().await.is_empty());
}

#[tokio::test]
async fn a_request_that_cannot_be_carried_out_is_explained_and_marks_nothing() {
    let app = App::start().await;
    let bo = filled(&app, 2).await;
    let one = id_of(&inbox(&bo).await[0]).to_string();
    let many: Vec<String> = (0..201).map(|_| NotificationId::new().to_string()).collect();
    let cases = [
        (json!({}), 422, vec!["#"]),
        (json!({ "all": false }), 422, vec!["#"]),
        (json!({ "all": true, "ids": [one] }), 422, vec!["#"]),
        (json!({ "ids": [] }), 422, vec!["#/ids"]),
        (
            json!({ "ids": [one, "nonsense", "tsk_01h455vb4pex5vsknk084sn02q", ""] }),
            422,
            vec!["#/ids/1", "#/ids/2", "#/ids/3"],
        ),
        (json!({ "ids": many }), 422, vec!["#/ids"]),
        (json!({ "ids": [one], "up_to": one }), 422, vec!["#/up_to"]),
        (json!({ "all": true, "up_to": "yesterday" }), 422, vec!["#/up_to"]),
        (json!({ "ids": [one, 7] }), 422, vec!["#/ids/1"]),
        (json!({ "ids": one }), 422, vec!["#/ids"]),
        (json!({ "all": "yes" }), 422, vec!["#/all"]),
    ];
    for (body, status, pointers) in cases {
        let answer = bo.post("/v1/notifications/read", body.clone()).await.expect(status);
        assert_eq!(answer.problem(), "validation-failed", "{body}");
        assert_eq!(answer.wrong(), pointers, "{body}");
    }
    let unknown = bo
        .post("/v1/notifications/read", json!({ "ids": [one], "everything": true }))
        .await
        .expect(422);
    assert!(unknown.text().contains("everything"), "{}", unknown.text());
    for body in [&b""[..], b"{", b"[1]]", b"\xff\xfe", b"null"] {
        let answer = bo
            .request("POST", "/v1/notifications/read")
            .header("content-type", "application/json")
            .body(body)
            .await;
        assert!([400, 422].contains(&answer.status), "{body:?}: {}", answer.text());
        assert!(!answer.problem().is_empty());
    }
    bo.request("POST", "/v1/notifications/read")
        .body("ids")
        .await
        .expect(415);
    assert_eq!(badge(&bo).await, 2);
}
