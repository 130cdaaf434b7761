//! The access check: one query yields the project and the caller's role in it.
//!
//! Every change begins with it, so there is no way to a row around it. A project that does not exist, one that the caller
//! is no member of, and a malformed id are the same [`AccessError::NotFound`]: its existence is private.
//!
//! On PostgreSQL a check for a change also keeps the project from being deleted under it (`FOR KEY SHARE`; such checks do
//! not wait for each other), and [`whole_project`] makes changes of the project itself and of its members' roles wait for
//! each other (`FOR NO KEY UPDATE`). On SQLite there is one writer anyway.

use contracts::{
    billing::PlanLimits,
    id::{ProjectId, UserId},
};
use identity::{Caller, ProjectRole};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, QueryResult, Statement};

use super::{project, quota::count};
use crate::domain::{
    access::{AccessError, Member},
    position::Position,
    quota::{Meter, Plan, QuotaError},
    task::TaskError,
};

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
    if tx.get_database_backend() == DbBackend::Postgres {
        // A statement of its own: one that had to wait for the lock would answer the members as they were before.
        let sql = "SELECT FROM projects WHERE id = $1 FOR NO KEY UPDATE";
        tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, [id.into()]))
            .await?;
    }
    let member = find(tx, caller.user, id, "").await?;
    member.at_least(least)?;
    Ok(member)
}

/// What somebody who makes a task needs to know.
#[derive(Debug, Clone)]
pub struct Room {
    /// The maker of the task, and the project.
    pub member: Member,
    /// The last position of the project's tasks.
    pub last: Option<Position>,
}

/// For a new task of a member: the check, the account's quota and the place of the task in one query, since this is what
/// is done most. On PostgreSQL the order of the project and the account's count stay as they are until the transaction ends.
///
/// # Errors
/// See [`AccessError`]; and [`QuotaError`] when the account may have no more tasks.
pub async fn project_with_room(tx: &database::Tx, caller: &Caller, id: &str) -> Result<Room, TaskError> {
    let id: ProjectId = id.parse().map_err(|_| AccessError::NotFound)?;
    let backend = tx.get_database_backend();
    if backend == DbBackend::Postgres {
        // A statement of its own: one that had to wait for the locks would answer what was there before.
        let sql = "SELECT 1 FROM projects p JOIN account_usage u ON u.user_id = p.created_by WHERE p.id = $1
                   FOR NO KEY UPDATE";
        tx.execute_raw(Statement::from_sql_and_values(backend, sql, [id.into()]))
            .await?;
    }
    let query = Statement::from_sql_and_values(
        backend,
        "SELECT p.id, p.name, p.description, p.archived_at, p.created_by, p.created_at, p.updated_at, p.version, m.role,
                l.plan, l.tasks AS allowed, u.tasks AS used,
                (SELECT t.position FROM tasks t WHERE t.project_id = $1 ORDER BY t.position DESC LIMIT 1) AS last
         FROM projects p JOIN members m ON m.project_id = p.id
         LEFT JOIN account_limits l ON l.user_id = p.created_by
         LEFT JOIN account_usage u ON u.user_id = p.created_by
         WHERE p.id = $1 AND m.user_id = $2 AND m.removed_at IS NULL",
        [id.into(), caller.user.into()],
    );
    let row = tx.query_one_raw(query).await?.ok_or(AccessError::NotFound)?;
    let member = member(&row, caller.user)?;
    member.at_least(ProjectRole::Member)?;
    member.unarchived()?;
    if let (Some(name), Some(allowed)) = (row.try_get("", "plan")?, row.try_get("", "allowed")?) {
        let used: Option<i64> = row.try_get("", "used")?;
        let plan = Plan {
            name,
            limits: PlanLimits {
                tasks: Some(count(allowed)),
                ..PlanLimits::default()
            },
        };
        plan.admit(Meter::Tasks, count(used.unwrap_or_default()), 1)
            .map_err(QuotaError::from)?;
    }
    let last: Option<String> = row.try_get("", "last")?;
    let last = last.map(|text| Position::parse(&text).ok_or_else(|| DbErr::Type("a stored position".to_owned())));
    Ok(Room {
        member,
        last: last.transpose()?,
    })
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
    member(&row, user)
}

fn member(row: &QueryResult, user: UserId) -> Result<Member, AccessError> {
    let role: String = row.try_get("", "role")?;
    Ok(Member {
        project: project::Model::from_query_result(row, "")?.into(),
        role: super::member::role(&role)?,
        user,
    })
}
