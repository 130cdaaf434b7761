//! Who may see a project's figures, and what a project is called.

use contracts::id::{ProjectId, UserId};
use sea_orm::{ConnectionTrait, DbErr};

use super::rows::query;

/// Whether `user` is a member of `project`, and it is still there.
///
/// # Errors
/// The database's.
pub async fn may_see(db: &impl ConnectionTrait, project: ProjectId, user: UserId) -> Result<bool, DbErr> {
    let sql = "SELECT 1 FROM members m LEFT JOIN projects p ON p.project_id = m.project_id
               WHERE m.project_id = $1 AND m.user_id = $2 AND m.active AND p.deleted_at IS NULL";
    Ok(!query(db, sql, [project.into(), user.into()]).await?.is_empty())
}

/// A project's name and how many of its tasks were ever done.
///
/// # Errors
/// The database's.
pub async fn progress(db: &impl ConnectionTrait, project: ProjectId) -> Result<Option<(String, u64)>, DbErr> {
    let sql = "SELECT name, finished FROM projects WHERE project_id = $1";
    let rows = query(db, sql, [project.into()]).await?;
    rows.first()
        .map(|row| {
            let finished: i64 = row.try_get_by_index(1)?;
            Ok((row.try_get_by_index(0)?, finished.unsigned_abs()))
        })
        .transpose()
}

/// A project's members.
///
/// # Errors
/// The database's.
pub async fn of(db: &impl ConnectionTrait, project: ProjectId) -> Result<Vec<UserId>, DbErr> {
    let sql = "SELECT user_id FROM members WHERE project_id = $1 AND active ORDER BY user_id";
    let rows = query(db, sql, [project.into()]).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// The projects that `user` is a member of.
///
/// # Errors
/// The database's.
pub async fn projects_of(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<ProjectId>, DbErr> {
    let sql = "SELECT project_id FROM members WHERE user_id = $1 AND active ORDER BY project_id";
    let rows = query(db, sql, [user.into()]).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}
