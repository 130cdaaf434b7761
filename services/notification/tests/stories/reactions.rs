//! What leads to a notification, for whom, and what it says.

use contracts::notification::NotificationCreated;
use serde_json::json;

use crate::world::{
    App, World, badge, disabled, inbox, password_changed, registered, renamed, signed_in, titles, types,
};

#[tokio::test]
async fn who_is_assigned_by_somebody_else_is_told_who_did_it_and_which_task() {
    let app = App::start().await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    app.deliver(&registered(ada.id, "Ada Lovelace")).await;
    app.deliver(&world.assigned(bo.id, ada.id, 3)).await;
    let one = &inbox(&bo).await[0];
    assert_eq!(one["type"], "task_assigned");
    assert_eq!(one["title"], "Ada Lovelace assigned “Fix the valve” to you");
    assert_eq!(one["actor_id"], json!(ada.id));
    assert_eq!(one["actor_name"], "Ada Lovelace");
    assert_eq!(
        (&one["project_id"], &one["task_id"]),
        (&json!(world.project), &json!(world.task))
    );
    assert_eq!(one["read_at"], json!(null));
    assert!(inbox(&ada).await.is_empty());
}

#[tokio::test]
async fn every_notification_is_published_with_its_words_and_the_new_badge() {
    let app = App::start().await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    app.deliver(&registered(ada.id, "Ada Lovelace")).await;
    app.deliver(&world.assigned(bo.id, ada.id, 3)).await;
    app.deliver(&world.comment(ada.id, &[bo.id], &[])).await;
    let created = app.published_of::<NotificationCreated>().await;
    let inbox = inbox(&bo).await;
    assert_eq!(created.len(), 2);
    for (event, (listed, unread)) in created.iter().zip([(&inbox[1], 1), (&inbox[0], 2)]) {
        assert_eq!(json!(event.notification_id), listed["id"]);
        assert_eq!(json!(event.title), listed["title"]);
        assert_eq!(json!(event.body), listed["body"]);
        assert_eq!(json!(event.kind), listed["type"]);
        assert_eq!(json!(event.created_at), listed["created_at"]);
        assert_eq!((event.user_id, event.unread_count), (bo.id, unread));
    }
    assert!(app.published().await.iter().all(|event| event.key == bo.id.to_string()));
}

#[tokio::test]
async fn nobody_is_told_of_what_they_did_themselves() {
    let app = App::start().await;
    let (ada, world) = (app.user(), World::new());
    app.deliver(&world.assigned(ada.id, ada.id, 1)).await;
    app.deliver(&world.added(ada.id, ada.id, 1)).await;
    app.deliver(&world.comment(ada.id, &[ada.id], &[ada.id])).await;
    assert!(inbox(&ada).await.is_empty());
    assert!(app.published().await.is_empty());
}

#[tokio::test]
async fn a_comment_makes_one_notification_for_each_and_a_mention_wins() {
    let app = App::start().await;
    let (ada, bo, cleo, world) = (app.user(), app.user(), app.user(), World::new());
    app.deliver(&world.comment(ada.id, &[bo.id, bo.id], &[bo.id, cleo.id, ada.id]))
        .await;
    assert_eq!(types(&bo).await, ["mentioned"]);
    assert_eq!(types(&cleo).await, ["task_commented"]);
    assert!(types(&ada).await.is_empty());
    assert_eq!(inbox(&cleo).await[0]["body"], "the pressure is too high");
}

#[tokio::test]
async fn an_edit_that_mentions_a_participant_replaces_the_plain_notification() {
    let app = App::start().await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    let comment = world.comment(ada.id, &[], &[bo.id]);
    app.deliver(&comment).await;
    bo.post("/v1/notifications/read", json!({ "all": true }))
        .await
        .expect(200);
    app.deliver(&world.edited(&comment, "@bo look", &[bo.id])).await;
    assert_eq!(types(&bo).await, ["mentioned"]);
    assert_eq!(inbox(&bo).await[0]["body"], "@bo look");
    assert_eq!(badge(&bo).await, 1);
}

#[tokio::test]
async fn an_edit_shows_in_notifications_that_exist_and_tells_nobody_again() {
    let app = App::start().await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    let comment = world.comment(ada.id, &[bo.id], &[]);
    app.deliver(&comment).await;
    app.deliver(&world.edited(&comment, "the secret is gone", &[])).await;
    assert_eq!(inbox(&bo).await[0]["body"], "the secret is gone");
    assert_eq!(badge(&bo).await, 1);
}

#[tokio::test]
async fn who_is_added_to_a_project_by_somebody_else_is_told_and_its_maker_is_not() {
    let app = App::start().await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    app.deliver(&registered(ada.id, "Ada")).await;
    app.deliver(&world.added(ada.id, ada.id, 1)).await;
    app.deliver(&world.added(bo.id, ada.id, 1)).await;
    assert!(inbox(&ada).await.is_empty());
    let one = &inbox(&bo).await[0];
    assert_eq!(
        (&one["type"], &one["title"]),
        (&json!("project_invited"), &json!("Ada added you to “Apollo”"))
    );
    assert_eq!(one["body"], "Your role is member.");
}

#[tokio::test]
async fn everybody_concerned_is_told_when_a_task_comes_due_once_for_each_due_time() {
    let app = App::start().await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    app.deliver(&world.due("2026-03-03T17:00:00Z", &[ada.id, bo.id])).await;
    app.deliver(&world.due("2026-03-03T18:00:00+01:00", &[ada.id, bo.id]))
        .await;
    assert_eq!((badge(&ada).await, badge(&bo).await), (1, 1));
    app.deliver(&world.due("2026-03-04T17:00:00Z", &[ada.id])).await;
    assert_eq!((badge(&ada).await, badge(&bo).await), (2, 1));
    assert_eq!(inbox(&bo).await[0]["body"], "It is due at 2026-03-03T17:00:00Z.");
}

#[tokio::test]
async fn a_changed_password_is_told_also_to_who_changed_it() {
    let app = App::start().await;
    let ada = app.user();
    app.deliver(&password_changed(ada.id, false, 2)).await;
    app.deliver(&password_changed(ada.id, true, 3)).await;
    assert_eq!(
        titles(&ada).await,
        ["Your password was reset", "Your password was changed"]
    );
}

#[tokio::test]
async fn a_sign_in_from_an_unseen_client_is_told_of_but_never_the_very_first() {
    let app = App::start().await;
    let ada = app.user();
    let at = |second: i64| contracts::Timestamp::from_micros(1_700_000_000_000_000 + second * 1_000_000);
    app.deliver(&signed_in(ada.id, "Firefox on Linux", true, at(0))).await;
    app.deliver(&signed_in(ada.id, "Firefox on Linux", false, at(60))).await;
    assert!(inbox(&ada).await.is_empty());
    app.deliver(&signed_in(ada.id, "curl", true, at(120))).await;
    assert_eq!(titles(&ada).await, ["New sign-in with curl"]);
}

#[tokio::test]
async fn an_unknown_actor_is_someone_until_the_directory_knows_the_name() {
    let app = App::start().await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    app.deliver(&world.assigned(bo.id, ada.id, 1)).await;
    assert_eq!(titles(&bo).await, ["Someone assigned “Fix the valve” to you"]);
    app.deliver(&registered(ada.id, "Ada")).await;
    assert_eq!(titles(&bo).await, ["Ada assigned “Fix the valve” to you"]);
    app.deliver(&renamed(ada.id, "Ada Lovelace", 2)).await;
    assert_eq!(titles(&bo).await, ["Ada Lovelace assigned “Fix the valve” to you"]);
}

#[tokio::test]
async fn a_shut_account_gets_nothing_until_it_is_opened_again() {
    let app = App::start().await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    app.deliver(&registered(bo.id, "Bo")).await;
    app.deliver(&disabled(bo.id, 2)).await;
    app.deliver(&world.assigned(bo.id, ada.id, 1)).await;
    assert_eq!(badge(&bo).await, 0);
    app.deliver(&contracts::auth::UserEnabled {
        user_id: bo.id,
        version: 3,
    })
    .await;
    app.deliver(&world.assigned(bo.id, ada.id, 2)).await;
    assert_eq!(badge(&bo).await, 1);
}

#[tokio::test]
async fn what_is_gone_keeps_its_titles_in_the_inbox_but_no_text_of_comments() {
    let app = App::start().await;
    let (ada, bo, cleo) = (app.user(), app.user(), app.user());
    for end in 0..4 {
        let world = World::new();
        let comment = world.comment(ada.id, &[bo.id], &[cleo.id]);
        app.deliver(&comment).await;
        match end {
            0 => app.deliver(&world.comment_deleted(&comment)).await,
            1 => app.deliver(&world.task_deleted(ada.id)).await,
            2 => app.deliver(&world.deleted(ada.id)).await,
            _ => app.deliver(&world.removed(bo.id, ada.id, 2)).await,
        };
        let of_bo = &inbox(&bo).await[0];
        assert_eq!(
            (&of_bo["title"], &of_bo["body"]),
            (&json!("Someone mentioned you on “Fix the valve”"), &json!("")),
            "end {end}"
        );
        let of_cleo = &inbox(&cleo).await[0]["body"];
        assert_eq!(
            of_cleo.as_str() == Some(""),
            end < 3,
            "only who left loses the text: end {end}"
        );
    }
    assert_eq!((badge(&bo).await, badge(&cleo).await), (4, 4));
}

#[tokio::test]
async fn texts_of_any_size_and_sort_become_one_bounded_line() {
    let app = App::start().await;
    let (ada, bo, world) = (app.user(), app.user(), World::new());
    let mut event = world.assigned(bo.id, ada.id, 1);
    event.title = format!("a\r\nb\u{7}{}", "漢".repeat(10_000));
    app.deliver(&event).await;
    let title = titles(&bo).await.remove(0);
    assert!(
        title.chars().count() < 400 && !title.contains(char::is_control),
        "{title}"
    );
    assert!(title.contains("“a b 漢漢"), "{title}");
}
