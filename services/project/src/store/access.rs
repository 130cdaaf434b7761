//! The access check: one query yields the project and the caller's role in it.
//!
//! Every change begins with it, so there is no way to a row around it. A project that does not exist, one that the caller
//! is no member of, and a malformed id are the same [`AccessError::NotFound`]: its existence is private.
//!
//! On PostgreSQL a check for a change also keeps the project from being deleted under it (`FOR KEY SHARE`; such checks do
//! not wait for each other), and [`whole_project`] makes changes of the project itself and of its members' roles wait for
//! each other (`FOR NO KEY UPDATE`). On SQLite there is one writer anyway.

use contracts::id::{ProjectId, UserId};
use identity::{Caller, ProjectRole};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement};

use super::project;
use crate::domain::access::{AccessError, Member};

/// Lets the caller see (`least` = viewer) or change (any higher role) what is in project `id`.
///
/// # Errors
/// See [`AccessError`]. An archived project refuses changes.
pub async fn project(
    tx: &impl ConnectionTrait,
    caller: &Caller,
    id: &str,
    least: ProjectRole,
) -> Result<Member, AccessError> {
    let id = id.parse().map_err(|_| AccessError::NotFound)?;
    of_user(tx, caller.user, id, least).await
}

/// The same for a user who is not calling: what they have asked for is done later.
///
/// # Errors
/// See [`AccessError`].
pub async fn of_user(
    tx: &impl ConnectionTrait,
    user: UserId,
    id: ProjectId,
    least: ProjectRole,
) -> Result<Member, AccessError> {
    let changes = least > ProjectRole::Viewer;
    let member = find(tx, user, id, if changes { "FOR KEY SHARE OF p" } else { "" }).await?;
    member.at_least(least)?;
    if changes {
        member.unarchived()?;
    }
    Ok(member)
}

/// For changes of the project itself or of who its members are: they wait for each other. Archived or not.
///
/// # Errors
/// See [`AccessError`].
pub async fn whole_project(
    tx: &database::Tx,
    caller: &Caller,
    id: &str,
    least: ProjectRole,
) -> Result<Member, AccessError> {
    let id: ProjectId = id.parse().map_err(|_| AccessError::NotFound)?;
    lock_project(tx, id).await?;
    let member = find(tx, caller.user, id, "").await?;
    member.at_least(least)?;
    Ok(member)
}

/// Makes changes of a project and of who its members are wait for each other.
///
/// # Errors
/// The database's.
pub async fn lock_project(tx: &database::Tx, id: ProjectId) -> Result<(), DbErr> {
    if tx.get_database_backend() == DbBackend::Postgres {
        // A statement of its own: one that had to wait for the lock would answer the members as they were before.
        let sql = "SELECT FROM projects WHERE id = $1 FOR NO KEY UPDATE";
        tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, [id.into()]))
            .await?;
    }
    Ok(())
}

async fn find(tx: &impl ConnectionTrait, user: UserId, id: ProjectId, lock: &str) -> Result<Member, AccessError> {
    let backend = tx.get_database_backend();
    let lock = if backend == DbBackend::Postgres { lock } else { "" };
    let query = Statement::from_sql_and_values(
        backend,
        format!(
            "SELECT p.id, p.name, p.description, p.archived_at, p.created_by, p.created_at, p.updated_at, p.version, m.role
             FROM projects p JOIN members m ON m.project_id = p.id
             WHERE p.id = $1 AND m.user_id = $2 AND m.removed_at IS NULL {lock}"
        ),
        [id.into(), user.into()],
    );
    let row = tx.query_one_raw(query).await?.ok_or(AccessError::NotFound)?;
    let role: String = row.try_get("", "role")?;
    Ok(Member {
        project: project::Model::from_query_result(&row, "")?.into(),
        role: super::member::role(&role)?,
        user,
    })
}
