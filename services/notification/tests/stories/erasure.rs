//! What is held about somebody, and how it goes.

use contracts::{Timestamp, auth::UserDeleted, notification::NotificationErased};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;
use testkit::Actor;

use crate::{
    target::Target,
    world::{App, World, inbox, registered, renamed, signed_in},
};

const HERE: &str = "[notification.webhooks]\nallow_private_targets = true";

/// Somebody of whom every table knows something.
async fn well_known(app: &App, target: &Target, world: &World) -> (Actor, Actor) {
    let (ada, bo) = (app.user(), app.user());
    app.deliver(&registered(ada.id, "Ada Lovelace")).await;
    app.deliver(&registered(bo.id, "Bo")).await;
    let started = Timestamp::now();
    app.deliver(&signed_in(ada.id, "Firefox on Linux", true, started)).await;
    app.deliver(&world.added(ada.id, bo.id, 1)).await;
    ada.post("/v1/webhooks", json!({ "url": target.url() }))
        .header("idempotency-key", "mine")
        .await
        .expect(201);
    ada.put("/v1/slack", json!({ "url": target.url() })).await.expect(200);
    let exception = json!({ "project_id": world.project, "preferences": [{ "type": "mentioned", "slack": false }] });
    app.prefer(
        &ada,
        json!({ "preferences": [], "projects": [exception], "digest": "daily" }),
    )
    .await;
    app.deliver(&world.assigned(ada.id, bo.id, 1)).await;
    app.deliver(&world.comment(ada.id, &[bo.id], &[])).await;
    app.deliver(&world.comment(bo.id, &[ada.id], &[])).await;
    app.step_workers().await;
    (ada, bo)
}

#[tokio::test]
async fn everybody_can_read_all_that_is_held_about_them() {
    let (app, target, world) = (App::with(HERE).await, Target::start().await, World::new());
    let (ada, _) = well_known(&app, &target, &world).await;
    let data = ada.get("/v1/personal-data/notification").await.expect(200);
    assert_eq!(data.json["display_name"], "Ada Lovelace");
    assert_eq!(data.json["email"], format!("{}@example.com", ada.id));
    assert_eq!(data.json["first_client"], "Firefox on Linux");
    assert_eq!(
        data.json["memberships"],
        json!([{ "project_id": world.project, "role": "member" }])
    );
    assert_eq!(data.json["preferences"]["digest"], "daily");
    for list in ["notifications", "webhooks", "deliveries", "waiting_for_digest"] {
        assert!(!data.json[list].as_array().unwrap().is_empty(), "{list}: {}", data.json);
    }
    assert!(data.json["slack"].is_object());
    assert!(!data.text().contains("whsec_"), "secrets are no data about a person");
}

#[tokio::test]
async fn nothing_is_left_of_who_deleted_their_account_and_late_news_bring_nothing_back() {
    let (app, target, world) = (App::with(HERE).await, Target::start().await, World::new());
    let (ada, bo) = well_known(&app, &target, &world).await;
    app.deliver(&UserDeleted {
        user_id: ada.id,
        deleted_at: Timestamp::now(),
        version: 9,
    })
    .await;
    app.deliver(&renamed(ada.id, "Ada Lovelace", 8)).await;
    app.deliver(&world.assigned(ada.id, bo.id, 5)).await;
    let erased = app.published_of::<NotificationErased>().await;
    assert_eq!(erased.iter().map(|event| event.user_id).collect::<Vec<_>>(), [ada.id]);

    let mention = &inbox(&bo).await[0];
    assert_eq!((&mention["actor_id"], &mention["body"]), (&json!(null), &json!("")));
    assert_eq!(mention["title"], "Someone mentioned you on “Fix the valve”");
    let tables = [
        ("notifications", "user_id"),
        ("notifications", "actor_id"),
        ("inboxes", "user_id"),
        ("preferences", "user_id"),
        ("preference_versions", "user_id"),
        ("project_preferences", "user_id"),
        ("schedules", "user_id"),
        ("digest_entries", "user_id"),
        ("first_sessions", "user_id"),
        ("memberships", "user_id"),
        ("tombstones", "user_id"),
        ("webhooks", "user_id"),
        ("deliveries", "user_id"),
        ("slack_hooks", "user_id"),
        ("idempotency_keys", "owner"),
    ];
    for (table, column) in tables {
        let sql = format!("SELECT count(*) AS rows FROM {table} WHERE {column} = $1");
        let query = Statement::from_sql_and_values(app.db.backend(), sql, [ada.id.into()]);
        let row = app.db.read().query_one_raw(query).await.unwrap().unwrap();
        assert_eq!(row.try_get::<i64>("", "rows").unwrap(), 0, "{table}.{column}");
    }
    let query = Statement::from_string(
        app.db.backend(),
        "SELECT count(*) AS rows FROM delivery_attempts WHERE delivery_id NOT IN (SELECT id FROM deliveries)",
    );
    let row = app.db.read().query_one_raw(query).await.unwrap().unwrap();
    assert_eq!(row.try_get::<i64>("", "rows").unwrap(), 0);
    let known = format!(
        "{:?}",
        notification::store::user::names(app.db.read(), [ada.id]).await.unwrap()
    );
    assert_eq!(known, "{}");
}
