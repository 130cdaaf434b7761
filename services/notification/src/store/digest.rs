//! What waits to be mailed together.

use contracts::{
    Timestamp,
    id::{CommentId, ProjectId, TaskId, UserId},
};
use database::Tx;
use sea_orm::{DbBackend, IntoActiveModel, QueryOrder, QuerySelect, entity::prelude::*};

/// A row of `digest_entries`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "digest_entries")]
pub struct Model {
    /// For whom.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// The occasion; each is there once.
    #[sea_orm(primary_key, auto_increment = false)]
    pub cause: String,
    /// One line.
    pub title: String,
    /// Some more; may be empty.
    pub body: String,
    /// The project it is about.
    pub project_id: Option<ProjectId>,
    /// The task it is about.
    pub task_id: Option<TaskId>,
    /// The comment it is about.
    pub comment_id: Option<CommentId>,
    /// When it is mailed.
    pub due_at: Timestamp,
    /// When it happened.
    pub created_at: Timestamp,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Keeps one, unless its occasion is there.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &Tx, entry: Model) -> Result<(), DbErr> {
    Entity::insert(entry.into_active_model())
        .on_conflict_do_nothing_on([Column::UserId, Column::Cause])
        .exec_without_returning(tx)
        .await
        .map(drop)
}

/// Users with something due, at most `limit`.
///
/// # Errors
/// The database's.
pub async fn due(db: &impl ConnectionTrait, now: Timestamp, limit: u64) -> Result<Vec<UserId>, DbErr> {
    Entity::find()
        .select_only()
        .column(Column::UserId)
        .distinct()
        .filter(Column::DueAt.lte(now))
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}

/// Takes out at most `limit` of what is due for `user`, oldest first. Others wait until this transaction ends.
///
/// # Errors
/// The database's.
pub async fn take(tx: &Tx, user: UserId, now: Timestamp, limit: u64) -> Result<Vec<Model>, DbErr> {
    let mut query = Entity::find()
        .filter(Column::UserId.eq(user))
        .filter(Column::DueAt.lte(now))
        .order_by_asc(Column::CreatedAt)
        .order_by_asc(Column::Cause)
        .limit(limit);
    if tx.get_database_backend() == DbBackend::Postgres {
        query = query.lock_exclusive();
    }
    let entries = query.all(tx).await?;
    let causes: Vec<String> = entries.iter().map(|entry| entry.cause.clone()).collect();
    Entity::delete_many()
        .filter(Column::UserId.eq(user))
        .filter(Column::Cause.is_in(causes))
        .exec(tx)
        .await?;
    Ok(entries)
}
