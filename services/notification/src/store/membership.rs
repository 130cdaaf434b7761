//! Who is a member of which project: whoever is may hear of it outside.
//!
//! A membership's version rises over removal and return, so an event that comes late or twice changes nothing. One that
//! ended stays as a row without a role.

use contracts::id::{ProjectId, UserId};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, Statement};

/// Somebody's role in a project, unless something newer is known.
///
/// # Errors
/// The database's.
pub async fn learn(tx: &Tx, project: ProjectId, user: UserId, role: &str, version: i64) -> Result<(), DbErr> {
    let sql = "INSERT INTO memberships (project_id, user_id, role, version) VALUES ($1, $2, $3, $4)
               ON CONFLICT (project_id, user_id) DO UPDATE SET role = excluded.role, version = excluded.version
               WHERE excluded.version > memberships.version";
    let values = [project.into(), user.into(), role.into(), version.into()];
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await
        .map(drop)
}

/// Somebody is no member any more, unless something newer is known.
///
/// # Errors
/// The database's.
pub async fn end(tx: &Tx, project: ProjectId, user: UserId, version: i64) -> Result<(), DbErr> {
    learn(tx, project, user, "", version).await
}

/// A project is gone.
///
/// # Errors
/// The database's.
pub async fn end_all(tx: &Tx, project: ProjectId) -> Result<(), DbErr> {
    let sql = "DELETE FROM memberships WHERE project_id = $1";
    tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        sql,
        [project.into()],
    ))
    .await
    .map(drop)
}

/// The role of `user` in `project`; `None` when they are no member.
///
/// # Errors
/// The database's.
pub async fn role(db: &impl ConnectionTrait, project: ProjectId, user: UserId) -> Result<Option<String>, DbErr> {
    let sql = "SELECT role FROM memberships WHERE project_id = $1 AND user_id = $2 AND role <> ''";
    let query = Statement::from_sql_and_values(db.get_database_backend(), sql, [project.into(), user.into()]);
    let row = db.query_one_raw(query).await?;
    row.map(|row| row.try_get("", "role")).transpose()
}

/// The projects of `user`, with their roles.
///
/// # Errors
/// The database's.
pub async fn of(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<(ProjectId, String)>, DbErr> {
    let sql = "SELECT project_id, role FROM memberships WHERE user_id = $1 AND role <> '' ORDER BY project_id";
    let query = Statement::from_sql_and_values(db.get_database_backend(), sql, [user.into()]);
    let rows = db.query_all_raw(query).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "project_id")?, row.try_get("", "role")?)))
        .collect()
}
