//! HTTP in and out: handlers and what is on the wire. No SQL, no rule.

pub mod notification;
pub mod preference;

use chassis::{Api, Clock};
use database::Db;
use poem_openapi::Tags;

/// Groups of operations in the document.
#[derive(Tags)]
pub enum Tag {
    /// What happened that concerns the caller.
    Notifications,
    /// What the caller wants to hear of.
    Preferences,
}

type Operations = (notification::NotificationApi, preference::PreferenceApi);

const TITLE: &str = "CloudTaskHub notification";

/// The OpenAPI document of all operations.
pub fn document() -> serde_json::Value {
    Api::document::<Operations>(TITLE)
}

/// All operations.
pub fn new(db: &Db, clock: &Clock) -> Api {
    let notifications = notification::NotificationApi {
        db: db.clone(),
        clock: clock.clone(),
    };
    let operations: Operations = (notifications, preference::PreferenceApi { db: db.clone() });
    Api::new(TITLE, operations)
}
