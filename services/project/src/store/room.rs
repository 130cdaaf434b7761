//! Room for a new task: whether its maker may, whether the account may have one more, and where it goes.
//!
//! One query answers all of it, since this is what is done most. On PostgreSQL the locks come first, by a statement of their
//! own: the order of the project and the account's count then stay as they are until the transaction ends.

use contracts::{billing::PlanLimits, id::ProjectId};
use database::Tx;
use identity::{Caller, ProjectRole};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement};

use super::{member, project, quota::count};
use crate::domain::{
    access::{AccessError, Member},
    position::Position,
    quota::{Meter, Plan, QuotaError},
    task::TaskError,
};

/// What somebody who makes a task needs to know.
#[derive(Debug, Clone)]
pub struct Room {
    /// The maker of the task, and the project.
    pub member: Member,
    /// The last position of the project's tasks.
    pub last: Option<Position>,
}

const FIND: &str =
    "SELECT p.id, p.name, p.description, p.archived_at, p.created_by, p.created_at, p.updated_at, p.version, m.role,
        l.plan, l.tasks AS allowed, u.tasks AS used,
        (SELECT t.position FROM tasks t WHERE t.project_id = $1 ORDER BY t.position DESC LIMIT 1) AS last
     FROM projects p JOIN members m ON m.project_id = p.id
     LEFT JOIN account_limits l ON l.user_id = p.created_by
     LEFT JOIN account_usage u ON u.user_id = p.created_by
     WHERE p.id = $1 AND m.user_id = $2 AND m.removed_at IS NULL";

const LOCK: &str = "SELECT 1 FROM projects p JOIN account_usage u ON u.user_id = p.created_by WHERE p.id = $1
     FOR NO KEY UPDATE";

/// Lets the caller make a task in project `id`, if they are at least a member of it.
///
/// # Errors
/// See [`AccessError`]; and [`QuotaError`] when the account may have no more tasks.
pub async fn for_task(tx: &Tx, caller: &Caller, id: &str) -> Result<Room, TaskError> {
    let id: ProjectId = id.parse().map_err(|_| AccessError::NotFound)?;
    let backend = tx.get_database_backend();
    if backend == DbBackend::Postgres {
        // One query that had to wait for the locks would answer what was there before.
        tx.execute_raw(Statement::from_sql_and_values(backend, LOCK, [id.into()]))
            .await?;
    }
    let query = Statement::from_sql_and_values(backend, FIND, [id.into(), caller.user.into()]);
    let row = tx.query_one_raw(query).await?.ok_or(AccessError::NotFound)?;
    let member = Member {
        project: project::Model::from_query_result(&row, "")?.into(),
        role: member::role(&row.try_get::<String>("", "role")?)?,
        user: caller.user,
    };
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
