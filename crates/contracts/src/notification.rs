//! What notification publishes: changes of a user's inbox.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    event::events,
    id::{NotificationId, ProjectId, TaskId, UserId},
};

/// A user has a new notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotificationCreated {
    /// Which notification.
    pub notification_id: NotificationId,
    /// For whom.
    pub user_id: UserId,
    /// `task_assigned`, `mentioned`, `project_invited`, `task_commented`, `task_due_soon`, `password_changed` or `new_session`.
    pub kind: String,
    /// One line to show.
    pub title: String,
    /// Some more text.
    pub body: String,
    /// Whose action caused it.
    pub actor_id: Option<UserId>,
    /// The project it is about.
    pub project_id: Option<ProjectId>,
    /// The task it is about.
    pub task_id: Option<TaskId>,
    /// When.
    pub created_at: Timestamp,
}

/// A user has read notifications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotificationRead {
    /// Who.
    pub user_id: UserId,
    /// Which; empty when all up to now.
    pub notification_ids: Vec<NotificationId>,
    /// How many are left unread.
    pub unread_count: u64,
}

events! { Notification:
    NotificationCreated = "notification.created.v1" by user_id;
    NotificationRead = "notification.read.v1" by user_id;
}
