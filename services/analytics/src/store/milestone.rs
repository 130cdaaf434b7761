//! Milestones that were published.

use contracts::{Timestamp, id::ProjectId};
use database::Tx;
use sea_orm::DbErr;

use super::rows::execute;

/// Remembers that a project passed `value`; answers whether that is new.
///
/// # Errors
/// The database's.
pub async fn pass(tx: &Tx, project: ProjectId, value: u64, at: Timestamp) -> Result<bool, DbErr> {
    let sql = "INSERT INTO milestones (project_id, value, reached_at) VALUES ($1, $2, $3) ON CONFLICT (project_id, value) DO NOTHING";
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    Ok(execute(tx, sql, [project.into(), value.into(), at.into()]).await? > 0)
}
