//! What is gone, and for whom.
//!
//! Events of different aggregates overtake each other: a comment's may come after the end of its task, an assignment's after
//! its assignee left the project. A tombstone keeps such a latecomer from telling somebody of what they may not see any
//! more. A departure counts for what happened before it only, since people come back.

use contracts::{
    Timestamp,
    id::{ProjectId, TaskId, UserId},
};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

/// In place of a user: everybody.
pub(super) const EVERYBODY: &str = "";

/// A task is gone.
///
/// # Errors
/// The database's.
pub async fn bury_task(tx: &Tx, task: TaskId, gone_at: Timestamp) -> Result<(), DbErr> {
    bury(tx, task.into(), EVERYBODY.into(), gone_at).await
}

/// A project is gone.
///
/// # Errors
/// The database's.
pub async fn bury_project(tx: &Tx, project: ProjectId, gone_at: Timestamp) -> Result<(), DbErr> {
    bury(tx, project.into(), EVERYBODY.into(), gone_at).await
}

/// Somebody left a project.
///
/// # Errors
/// The database's.
pub async fn depart(tx: &Tx, project: ProjectId, user: UserId, gone_at: Timestamp) -> Result<(), DbErr> {
    bury(tx, project.into(), user.into(), gone_at).await
}

async fn bury(tx: &Tx, target: Value, user: Value, gone_at: Timestamp) -> Result<(), DbErr> {
    let sql = "INSERT INTO tombstones (target, user_id, gone_at) VALUES ($1, $2, $3)
               ON CONFLICT (target, user_id) DO UPDATE SET gone_at = excluded.gone_at WHERE excluded.gone_at > tombstones.gone_at";
    tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        sql,
        [target, user, gone_at.into()],
    ))
    .await?;
    Ok(())
}

/// Removes at most `limit` tombstones older than `before`; answers how many.
///
/// # Errors
/// The database's.
pub async fn prune(tx: &Tx, before: Timestamp, limit: u32) -> Result<u64, DbErr> {
    let sql = "DELETE FROM tombstones WHERE (target, user_id) IN
               (SELECT target, user_id FROM tombstones WHERE gone_at < $1 ORDER BY gone_at LIMIT $2)";
    let delete =
        Statement::from_sql_and_values(tx.get_database_backend(), sql, [before.into(), i64::from(limit).into()]);
    Ok(tx.execute_raw(delete).await?.rows_affected())
}
