//! Notifications: rows and their life. Who changes what is unread holds the [`super::inbox`]'s row.

use contracts::{
    Timestamp,
    id::{CommentId, NotificationId, ProjectId, TaskId, UserId},
};
use database::{Tx, places};
use sea_orm::{
    ConnectionTrait, DbErr, IntoActiveModel, QueryOrder, QuerySelect, Statement, TryInsertResult, Value,
    entity::prelude::*,
};

use super::placeholders;
use crate::domain::notification::{Kind, News, Selection, Text, text};

/// A row of `notifications`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notifications")]
pub struct Model {
    /// For whom.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// Which; ids sort in the order in which they were put into the inbox.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: NotificationId,
    /// [`News::cause`].
    pub cause: String,
    /// [`Kind::name`], or one that a newer release wrote.
    pub kind: String,
    /// Who did it.
    pub actor_id: Option<UserId>,
    /// The project it is about.
    pub project_id: Option<ProjectId>,
    /// The task it is about.
    pub task_id: Option<TaskId>,
    /// The comment it is about.
    pub comment_id: Option<CommentId>,
    /// What the title names.
    pub subject: String,
    /// What the body is made from; for comments their beginning, which is blanked when it may not be seen any more.
    pub detail: String,
    /// When it was put into the inbox.
    pub created_at: Timestamp,
    /// When it was read.
    pub read_at: Option<Timestamp>,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The notification of `user` about `news`.
    pub fn new(news: &News, user: UserId, now: Timestamp) -> Self {
        Self {
            user_id: user,
            id: NotificationId::new(),
            cause: news.cause.clone(),
            kind: news.kind.name().to_owned(),
            actor_id: news.actor,
            project_id: news.project,
            task_id: news.task,
            comment_id: news.comment,
            subject: news.subject.clone(),
            detail: news.detail.clone(),
            created_at: now,
            read_at: None,
        }
    }

    /// Its words, with the name of its actor.
    pub fn text(&self, actor: Option<&str>) -> Text {
        text(Kind::named(&self.kind), &self.subject, &self.detail, actor)
    }
}

/// Stores those whose user has none of the same cause yet; answers which.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &Tx, notifications: Vec<Model>) -> Result<Vec<Model>, DbErr> {
    let rows = notifications.into_iter().map(IntoActiveModel::into_active_model);
    let insert = Entity::insert_many::<ActiveModel, _>(rows).on_conflict_do_nothing_on([Column::UserId, Column::Cause]);
    match insert.exec_with_returning_many(tx).await? {
        TryInsertResult::Inserted(stored) => Ok(stored),
        TryInsertResult::Empty | TryInsertResult::Conflicted => Ok(Vec::new()),
    }
}

/// At most `limit` notifications of `user`, newest first, from the one after `after` on.
///
/// # Errors
/// The database's.
pub async fn page(
    db: &impl ConnectionTrait,
    user: UserId,
    only_unread: bool,
    after: Option<NotificationId>,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let mut query = Entity::find()
        .filter(Column::UserId.eq(user))
        .order_by_desc(Column::Id)
        .limit(limit);
    if only_unread {
        query = query.filter(Column::ReadAt.is_null());
    }
    if let Some(after) = after {
        query = query.filter(Column::Id.lt(after));
    }
    query.all(db).await
}

/// Marks the selected notifications of `user` as read; answers those that were not. Others' ids select nothing.
///
/// # Errors
/// The database's.
pub async fn mark_read(
    tx: &Tx,
    user: UserId,
    selection: &Selection,
    now: Timestamp,
) -> Result<Vec<NotificationId>, DbErr> {
    let mut values: Vec<Value> = vec![now.into(), user.into()];
    let which = match selection {
        Selection::All(None) => String::new(),
        Selection::All(Some(up_to)) => {
            values.push((*up_to).into());
            " AND id <= $3".to_owned()
        }
        Selection::These(ids) => {
            values.extend(ids.iter().map(|id| Value::from(*id)));
            format!(" AND id IN ({})", placeholders(3, ids.len()))
        }
    };
    let sql =
        format!("UPDATE notifications SET read_at = $1 WHERE user_id = $2 AND read_at IS NULL{which} RETURNING id");
    let rows = tx
        .query_all_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?;
    let ids: Result<Vec<NotificationId>, DbErr> = rows.iter().map(|row| row.try_get("", "id")).collect();
    ids.map(|mut ids| {
        ids.sort_unstable();
        ids
    })
}

/// A notification that was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Whose it was.
    pub user: UserId,
    /// Which it was.
    pub id: NotificationId,
    /// Whether it was unread.
    pub unread: bool,
}

async fn remove(tx: &Tx, which: &str, values: Vec<Value>) -> Result<Vec<Removed>, DbErr> {
    let sql = format!("DELETE FROM notifications WHERE {which} RETURNING user_id, id, read_at");
    let rows = tx
        .query_all_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?;
    let removed = |row: &sea_orm::QueryResult| {
        Ok(Removed {
            user: row.try_get("", "user_id")?,
            id: row.try_get("", "id")?,
            unread: row.try_get::<Option<Timestamp>>("", "read_at")?.is_none(),
        })
    };
    rows.iter().map(removed).collect()
}

/// Removes the plain `task_commented` of these users for a comment that turns out to mention them.
///
/// # Errors
/// The database's.
pub async fn withdraw_commented(tx: &Tx, comment: CommentId, users: &[UserId]) -> Result<Vec<Removed>, DbErr> {
    let which = format!(
        "comment_id = $1 AND kind = $2 AND user_id IN ({})",
        placeholders(3, users.len())
    );
    let mut values: Vec<Value> = vec![comment.into(), Kind::TaskCommented.name().into()];
    values.extend(users.iter().map(|user| Value::from(*user)));
    remove(tx, &which, values).await
}

/// Removes at most `limit` notifications that were read before `before`; answers how many.
///
/// # Errors
/// The database's.
pub async fn remove_read(tx: &Tx, before: Timestamp, limit: u32) -> Result<u64, DbErr> {
    let sql = "DELETE FROM notifications WHERE (user_id, id) IN
               (SELECT user_id, id FROM notifications WHERE read_at IS NOT NULL AND read_at < $1 ORDER BY read_at LIMIT $2)";
    let delete =
        Statement::from_sql_and_values(tx.get_database_backend(), sql, [before.into(), i64::from(limit).into()]);
    Ok(tx.execute_raw(delete).await?.rows_affected())
}

/// Users and ids of at most `limit` unread notifications from before `before`.
///
/// # Errors
/// The database's.
pub async fn stale_unread(tx: &Tx, before: Timestamp, limit: u32) -> Result<Vec<(UserId, NotificationId)>, DbErr> {
    let query = Entity::find().select_only().columns([Column::UserId, Column::Id]);
    let query = query
        .filter(Column::ReadAt.is_null())
        .filter(Column::CreatedAt.lt(before));
    query
        .order_by_asc(Column::CreatedAt)
        .limit(u64::from(limit))
        .into_tuple()
        .all(tx)
        .await
}

/// Removes those of `ids` that are still unread.
///
/// # Errors
/// The database's.
pub async fn remove_unread(tx: &Tx, ids: &[(UserId, NotificationId)]) -> Result<Vec<Removed>, DbErr> {
    let which = format!("(user_id, id) IN (VALUES {}) AND read_at IS NULL", places(ids.len(), 2));
    remove(
        tx,
        &which,
        ids.iter()
            .flat_map(|(user, id)| [(*user).into(), (*id).into()])
            .collect(),
    )
    .await
}

/// A comment was changed: its notifications show the new beginning. Those that were blanked stay so.
///
/// # Errors
/// The database's.
pub async fn rewrite_excerpt(tx: &Tx, comment: CommentId, excerpt: &str) -> Result<(), DbErr> {
    let sql = "UPDATE notifications SET detail = $2 WHERE comment_id = $1 AND comment_id IS NOT NULL AND detail <> ''";
    let values = [comment.into(), excerpt.into()];
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await
        .map(drop)
}

/// What may not be seen any more.
#[derive(Debug, Clone, Copy)]
pub enum Hidden {
    /// A comment, by anybody.
    Comment(CommentId),
    /// A task with its comments, by anybody.
    Task(TaskId),
    /// A project with all in it, by anybody.
    Project(ProjectId),
    /// A project with all in it, by this user.
    ProjectTo(ProjectId, UserId),
}

/// Blanks the excerpts of comments that may not be seen any more, also of what waits to be mailed. The notifications stay, and so does what is unread.
///
/// # Errors
/// The database's.
pub async fn blank_excerpts(tx: &Tx, hidden: Hidden) -> Result<(), DbErr> {
    let (which, values): (&str, Vec<Value>) = match hidden {
        Hidden::Comment(comment) => ("comment_id = $1", vec![comment.into()]),
        Hidden::Task(task) => ("task_id = $1", vec![task.into()]),
        Hidden::Project(project) => ("project_id = $1", vec![project.into()]),
        Hidden::ProjectTo(project, user) => ("project_id = $1 AND user_id = $2", vec![project.into(), user.into()]),
    };
    let backend = tx.get_database_backend();
    // What waits to be mailed or posted is not sent any more; what was collected is left out.
    for sql in [
        format!("UPDATE notifications SET detail = '' WHERE {which} AND comment_id IS NOT NULL AND detail <> ''"),
        format!(
            "UPDATE deliveries SET state = 'failed', due_at = NULL, payload = '{{}}', error = 'not sent: what it is about is gone'
             WHERE {which} AND comment_id IS NOT NULL AND due_at IS NOT NULL AND state <> 'sending' AND channel <> 'webhook'"
        ),
        format!("DELETE FROM digest_entries WHERE {which} AND comment_id IS NOT NULL"),
    ] {
        tx.execute_raw(Statement::from_sql_and_values(backend, sql, values.clone()))
            .await?;
    }
    Ok(())
}

/// Forgets the inbox of `user`, and who they are in others': names are gone, and the text of their comments.
///
/// # Errors
/// The database's.
pub async fn erase(tx: &Tx, user: UserId) -> Result<(), DbErr> {
    for sql in [
        "DELETE FROM notifications WHERE user_id = $1",
        "DELETE FROM inboxes WHERE user_id = $1",
        "UPDATE notifications SET actor_id = NULL, detail = CASE WHEN comment_id IS NULL THEN detail ELSE '' END WHERE actor_id = $1",
    ] {
        tx.execute_raw(Statement::from_sql_and_values(
            tx.get_database_backend(),
            sql,
            [user.into()],
        ))
        .await?;
    }
    Ok(())
}
