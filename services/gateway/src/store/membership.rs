//! Who is a member of which project, as `member.*` events tell it.

use contracts::id::{ProjectId, UserId};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, Statement};

/// Notes that `user` is a member, or is none any more. What is older than what is known changes nothing; who left is
/// remembered as having left, so that an old event cannot bring them back.
///
/// # Errors
/// The database's.
pub async fn note(tx: &Tx, project: ProjectId, user: UserId, active: bool, version: i64) -> Result<(), DbErr> {
    let sql = "INSERT INTO memberships (project_id, user_id, active, version) VALUES ($1, $2, $3, $4)
               ON CONFLICT (project_id, user_id) DO UPDATE SET active = excluded.active, version = excluded.version
               WHERE memberships.version < excluded.version";
    let values = [project.into(), user.into(), active.into(), version.into()];
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?;
    Ok(())
}

/// Forgets a project.
///
/// # Errors
/// The database's.
pub async fn forget_project(tx: &Tx, project: ProjectId) -> Result<(), DbErr> {
    let sql = "DELETE FROM memberships WHERE project_id = $1";
    tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        sql,
        [project.into()],
    ))
    .await?;
    Ok(())
}

/// The user is a member of nothing any more. The rows stay with their versions, so that no old event brings them back.
///
/// # Errors
/// The database's.
pub async fn leave_all(tx: &Tx, user: UserId) -> Result<(), DbErr> {
    let sql = "UPDATE memberships SET active = $2 WHERE user_id = $1";
    let values = [user.into(), false.into()];
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?;
    Ok(())
}

/// The projects of a user.
///
/// # Errors
/// The database's.
pub async fn projects(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<ProjectId>, DbErr> {
    let sql = "SELECT project_id FROM memberships WHERE user_id = $1 AND active = $2";
    let query = Statement::from_sql_and_values(db.get_database_backend(), sql, [user.into(), true.into()]);
    db.query_all_raw(query)
        .await?
        .iter()
        .map(|row| row.try_get("", "project_id"))
        .collect()
}
