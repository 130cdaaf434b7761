//! HTTP in and out: handlers and what is on the wire. No SQL, no rule.

pub mod notification;
pub mod preference;

use chassis::Api;
use poem_openapi::Tags;

/// Groups of operations in the document.
#[derive(Tags)]
pub enum Tag {
    /// What happened that concerns the caller.
    Notifications,
    /// What the caller wants to hear of.
    Preferences,
}

/// All operations. They take database and clock from the request.
pub fn operations() -> Api {
    Api::new("CloudTaskHub notification", (notification::NotificationApi, preference::PreferenceApi))
}
