//! What notification publishes: changes of a user's inbox.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    event::events,
    id::{CommentId, NotificationId, ProjectId, TaskId, UserId, WebhookId},
};

/// A user has a new notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotificationCreated {
    /// Which notification.
    pub notification_id: NotificationId,
    /// For whom.
    pub user_id: UserId,
    /// `task_assigned`, `mentioned`, `project_invited`, `task_commented`, `task_due_soon`, `password_changed`, `new_session`,
    /// `milestone_reached`, `report_generated`, `order_completed`, `order_failed`, `invoice_issued`, `payment_failed`,
    /// `subscription_past_due`, `subscription_downgraded`, `usage_threshold_reached`, `webhook_disabled` or
    /// `email_suppressed`; a later release may know more.
    pub kind: String,
    /// One line to show.
    pub title: String,
    /// Some more text; may be empty.
    pub body: String,
    /// Whose action caused it.
    pub actor_id: Option<UserId>,
    /// The project it is about.
    pub project_id: Option<ProjectId>,
    /// The task it is about.
    pub task_id: Option<TaskId>,
    /// The comment it is about.
    pub comment_id: Option<CommentId>,
    /// When.
    pub created_at: Timestamp,
    /// How many are unread now: what a badge shows. Absolute, so that seeing the event twice does no harm.
    pub unread_count: u64,
}

/// A user has read notifications, or unread ones grew so old that they were removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotificationRead {
    /// Who.
    pub user_id: UserId,
    /// Which; empty when all up to `up_to`.
    pub notification_ids: Vec<NotificationId>,
    /// When all were marked at once: the newest of them. Ids sort as text in the order of the inbox.
    pub up_to: Option<NotificationId>,
    /// How many are left unread.
    pub unread_count: u64,
}

/// A webhook endpoint was shut because it failed for too long; its owner is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookDisabled {
    /// Which endpoint.
    pub webhook_id: WebhookId,
    /// Whose.
    pub user_id: UserId,
    /// Its address, without credentials or query.
    pub url: String,
    /// Why, in a sentence.
    pub reason: String,
    /// When.
    pub disabled_at: Timestamp,
}

/// The notification service holds nothing of a closed account any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotificationErased {
    /// Whose account.
    pub user_id: UserId,
    /// When.
    pub erased_at: Timestamp,
}

events! { Notification:
    NotificationCreated = "notification.created.v1" by user_id;
    NotificationRead = "notification.read.v1" by user_id;
    WebhookDisabled = "webhook.disabled.v1" by webhook_id;
    NotificationErased = "erasure.notification_completed.v1" by user_id;
}
