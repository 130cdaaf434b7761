//! HTTP in and out: handlers and what is on the wire. No SQL, no rule.

pub mod delivery;
pub mod notification;
pub mod personal_data;
pub mod preference;
pub mod slack;
pub mod unsubscribe;
pub mod webhook;
pub mod webhook_answer;

use std::sync::Arc;

use chassis::{Api, Clock};
use database::Db;
use poem_openapi::Tags;

use crate::secrets::Secrets;

/// Groups of operations in the document.
#[derive(Tags)]
pub enum Tag {
    /// What happened that concerns the caller.
    Notifications,
    /// What the caller wants to hear of.
    Preferences,
    /// Endpoints that get signed messages about what concerns the caller.
    Webhooks,
    /// What left the house for the caller, and what came of it.
    Deliveries,
    /// Slack's incoming webhooks of the caller and of projects.
    Slack,
    /// All that is held about the caller.
    PersonalData,
}

type Operations = (
    notification::NotificationApi,
    preference::PreferenceApi,
    webhook::WebhookApi,
    delivery::DeliveryApi,
    slack::SlackApi,
    unsubscribe::UnsubscribeApi,
    personal_data::PersonalDataApi,
);

const TITLE: &str = "CloudTaskHub notification";

/// The OpenAPI document of all operations.
pub fn document() -> serde_json::Value {
    Api::document::<Operations>(TITLE)
}

/// All operations; `allow_private`: whether a webhook may be anywhere.
pub fn new(db: &Db, clock: &Clock, secrets: &Arc<Secrets>, allow_private: bool) -> Api {
    let (db, clock) = (|| db.clone(), || clock.clone());
    let operations: Operations = (
        notification::NotificationApi {
            db: db(),
            clock: clock(),
        },
        preference::PreferenceApi { db: db() },
        webhook::WebhookApi {
            db: db(),
            clock: clock(),
            secrets: Arc::clone(secrets),
            allow_private,
        },
        delivery::DeliveryApi {
            db: db(),
            clock: clock(),
        },
        slack::SlackApi {
            db: db(),
            clock: clock(),
            secrets: Arc::clone(secrets),
            allow_private,
        },
        unsubscribe::UnsubscribeApi {
            db: db(),
            secrets: Arc::clone(secrets),
        },
        personal_data::PersonalDataApi {
            db: db(),
            clock: clock(),
        },
    );
    Api::new(TITLE, operations)
}
