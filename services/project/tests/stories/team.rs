//! The people of the stories: users whom the project service has heard of.

use contracts::{
    auth::{UserProfile, UserRegistered},
    id::UserId,
};
use project::Project;
use serde_json::{Value, json};
use testkit::{Actor, TestService};

pub(crate) type App = TestService<Project>;

/// What auth would tell of a user.
pub(crate) fn profile(user: UserId, name: &str, version: i64) -> UserProfile {
    UserProfile {
        user_id: user,
        email: format!("{}@example.com", name.to_lowercase()),
        handle: name.to_lowercase(),
        display_name: name.to_owned(),
        email_verified: true,
        role: "user".to_owned(),
        disabled: false,
        version,
    }
}

/// A user who has registered, as `name@example.com` with the handle `name`.
pub(crate) async fn person(app: &App, name: &str) -> Actor {
    let actor = app.user();
    let event = UserRegistered {
        user_id: actor.id,
        user: profile(actor.id, name, 1),
    };
    app.deliver(&event).await;
    actor
}

/// A new project of `owner`; its id.
pub(crate) async fn project_of(owner: &Actor, name: &str) -> String {
    let answer = owner.post("/v1/projects", json!({ "name": name })).await.expect(201);
    text(&answer.json["id"])
}

/// Adds `name@example.com` to the project as `role`.
pub(crate) async fn add(by: &Actor, project: &str, name: &str, role: &str) -> Value {
    let body = json!({ "email": format!("{}@example.com", name.to_lowercase()), "role": role });
    by.post(format!("/v1/projects/{project}/members"), body)
        .await
        .expect(201)
        .json
}

/// A text out of an answer.
pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

/// Walks all pages of a list, `limit` items at a time.
pub(crate) async fn walk(reader: &Actor, path: &str, limit: usize) -> Vec<Value> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = reader
            .get(format!("{path}{separator}limit={limit}{cursor}"))
            .await
            .expect(200)
            .json;
        let items = page["items"].as_array().expect("a list");
        all.extend(items.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => {
                assert_eq!(items.len(), limit, "a page that is not the last is full");
                cursor = format!("&cursor={next}");
            }
            None => return all,
        }
    }
}
