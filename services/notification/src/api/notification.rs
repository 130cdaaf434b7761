//! The caller's inbox. Everybody sees and marks their own notifications only: others' ids are as good as unknown ones.

use chassis::{
    Clock, FieldError, Problem,
    http::{
        json::Json,
        page::{self, Page},
    },
};
use contracts::{id::NotificationId, notification::NotificationRead};
use database::Db;
use identity::Bearer;
use poem_openapi::{Object, OpenApi, param::Query};
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::{
    domain::notification::{NotificationError, Selection},
    store,
};

/// Operations on the inbox.
pub struct NotificationApi {
    /// The service's database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
}

/// One entry of the inbox.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(rename = "Notification", example)]
pub struct Notification {
    /// Names it; ids sort as text from old to new.
    #[oai(validator(max_length = 30))]
    pub id: String,
    /// Why the user is notified: `task_assigned`, `mentioned`, `project_invited`, `task_commented`, `task_due_soon`,
    /// `password_changed`, `new_session`, `milestone_reached`, `report_generated`, `order_completed`, `order_failed`,
    /// `invoice_issued`, `payment_failed`, `subscription_past_due`, `subscription_downgraded`, `usage_threshold_reached`,
    /// `webhook_disabled`, `email_suppressed`. Be ready for further ones.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// One line to show.
    pub title: String,
    /// Some more to show; may be empty. The text of a comment goes when the comment, its task or the membership goes.
    pub body: String,
    /// Who did it; null when it was nobody, or the user.
    pub actor_id: Option<String>,
    /// Their name; null when it is not known.
    pub actor_name: Option<String>,
    /// The project it is about.
    pub project_id: Option<String>,
    /// The task it is about.
    pub task_id: Option<String>,
    /// The comment it is about.
    pub comment_id: Option<String>,
    /// When it came.
    pub created_at: String,
    /// When it was read; null while it is unread.
    pub read_at: Option<String>,
}

impl poem_openapi::types::Example for Notification {
    fn example() -> Self {
        Self {
            id: "ntf_01k9z3v0q8e2m9xkq4t1c7h5wd".to_owned(),
            kind: "mentioned".to_owned(),
            title: "Ada Lovelace mentioned you on “Fix the valve”".to_owned(),
            body: "@grace can you look at the pressure log?".to_owned(),
            actor_id: Some("usr_01k9z3t5x1f6w8y0a2b4c6d8eg".to_owned()),
            actor_name: Some("Ada Lovelace".to_owned()),
            project_id: Some("prj_01k9z3tr7pe9nsb6f3x5m1q2za".to_owned()),
            task_id: Some("tsk_01k9z3tzjhf5k8w0c4v2d6r9ye".to_owned()),
            comment_id: Some("cmt_01k9z3v0n4e7h2m5s8x1b3g6ja".to_owned()),
            created_at: "2026-03-01T12:00:00.25Z".to_owned(),
            read_at: None,
        }
    }
}

/// Which notifications shall count as read: either `ids`, or `all`.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct MarkRead {
    /// These, 1 to 200. Ids that are not in the caller's inbox change nothing.
    #[serde(default)]
    #[oai(validator(min_items = 1, max_items = 200))]
    pub ids: Option<Vec<String>>,
    /// `true`: all of them.
    #[serde(default)]
    pub all: Option<bool>,
    /// With `all`: only up to this one, the newest that the client has shown. What came since stays unread.
    #[serde(default)]
    pub up_to: Option<String>,
}

impl poem_openapi::types::Example for MarkRead {
    fn example() -> Self {
        Self {
            ids: Some(vec!["ntf_01k9z3v0q8e2m9xkq4t1c7h5wd".to_owned()]),
            all: None,
            up_to: None,
        }
    }
}

/// What marking did.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct MarkedRead {
    /// How many were unread and are not any more.
    pub marked: u64,
    /// How many are unread now.
    pub unread_count: u64,
}

impl poem_openapi::types::Example for MarkedRead {
    fn example() -> Self {
        Self {
            marked: 1,
            unread_count: 4,
        }
    }
}

/// The number for a badge.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct UnreadCount {
    /// How many notifications are unread.
    pub unread_count: u64,
}

impl poem_openapi::types::Example for UnreadCount {
    fn example() -> Self {
        Self { unread_count: 4 }
    }
}

impl Notification {
    pub(super) fn new(row: store::notification::Model, actor_name: Option<&String>) -> Self {
        let text = row.text(actor_name.map(String::as_str));
        Self {
            id: row.id.to_string(),
            kind: row.kind,
            title: text.title,
            body: text.body,
            actor_id: row.actor_id.map(|id| id.to_string()),
            actor_name: actor_name.cloned(),
            project_id: row.project_id.map(|id| id.to_string()),
            task_id: row.task_id.map(|id| id.to_string()),
            comment_id: row.comment_id.map(|id| id.to_string()),
            created_at: row.created_at.to_string(),
            read_at: row.read_at.map(|time| time.to_string()),
        }
    }
}

#[OpenApi]
impl NotificationApi {
    /// List the caller's notifications, newest first.
    #[oai(
        path = "/v1/notifications",
        method = "get",
        operation_id = "listNotifications",
        tag = "Tag::Notifications"
    )]
    async fn list_notifications(
        &self,
        Bearer(caller): Bearer,
        /// `true`: only those that are unread.
        unread: Query<Option<bool>>,
        /// Items of a page, 1 to 200; 50 without it.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<Notification>>, Problem> {
        let unread = unread.0.unwrap_or(false);
        let limit = page::limit(limit.0)?;
        let list = format!("notifications of {} unread {unread}", caller.user);
        let after = page::position::<NotificationId>(&list, cursor.0.as_deref())?;
        let rows = store::notification::page(self.db.read(), caller.user, unread, after, limit + 1)
            .await
            .map_err(NotificationError::from)?;
        let actors = rows.iter().filter_map(|row| row.actor_id);
        let names = store::user::names(self.db.read(), actors)
            .await
            .map_err(NotificationError::from)?;
        let item = |row: store::notification::Model| {
            let name = row.actor_id.and_then(|actor| names.get(&actor));
            Notification::new(row, name)
        };
        Ok(Json(page::page(rows, limit, &list, |row| row.id, item)))
    }

    /// Mark some or all of the caller's notifications as read.
    ///
    /// Marking again changes nothing. Ids that are not in the caller's inbox are passed over.
    #[oai(
        path = "/v1/notifications/read",
        method = "post",
        operation_id = "markNotificationsRead",
        tag = "Tag::Notifications"
    )]
    async fn mark_notifications_read(
        &self,
        Bearer(caller): Bearer,
        body: Json<MarkRead>,
    ) -> Result<Json<MarkedRead>, Problem> {
        let MarkRead { ids, all, up_to } = body.0;
        let selection =
            Selection::parse(ids, all, up_to.as_deref()).map_err(|wrong: Vec<FieldError>| Problem::invalid(wrong))?;
        let now = self.clock.now();
        let answer = self
            .db
            .write(async |tx| {
                store::inbox::lock(tx, [caller.user]).await?;
                let marked = store::notification::mark_read(tx, caller.user, &selection, now).await?;
                let unread = store::inbox::change(tx, marked.iter().map(|_| (caller.user, -1))).await?;
                let Some(unread_count) = unread.get(&caller.user).copied() else {
                    return Ok(MarkedRead {
                        marked: 0,
                        unread_count: store::inbox::unread(tx, caller.user).await?,
                    });
                };
                let answer = MarkedRead {
                    marked: marked.len() as u64,
                    unread_count,
                };
                let (notification_ids, up_to) = match selection {
                    Selection::These(_) => (marked, None),
                    Selection::All(_) => (Vec::new(), marked.last().copied()),
                };
                messaging::append(
                    tx,
                    &NotificationRead {
                        user_id: caller.user,
                        notification_ids,
                        up_to,
                        unread_count,
                    },
                )?;
                Ok::<_, NotificationError>(answer)
            })
            .await?;
        Ok(Json(answer))
    }

    /// Count the caller's unread notifications.
    #[oai(
        path = "/v1/notifications/unread-count",
        method = "get",
        operation_id = "countUnreadNotifications",
        tag = "Tag::Notifications"
    )]
    async fn count_unread_notifications(&self, Bearer(caller): Bearer) -> Result<Json<UnreadCount>, Problem> {
        let unread_count = store::inbox::unread(self.db.read(), caller.user)
            .await
            .map_err(NotificationError::from)?;
        Ok(Json(UnreadCount { unread_count }))
    }
}

impl From<NotificationError> for Problem {
    fn from(error: NotificationError) -> Self {
        match error {
            NotificationError::Store(_) => Problem::internal(error),
        }
    }
}
