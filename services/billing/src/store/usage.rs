//! What accounts use, counted once whatever is delivered twice, late or in another order.
//!
//! A task, project or membership is a row of its own, so that the same event counts once for ever, however long the inbox
//! remembers. What is gone stays as a tombstone: a `task.created` that comes after its `task.deleted` counts nothing. Tasks
//! of a project whose maker is not known yet are counted with the project and handed over when it is.

use contracts::{
    Timestamp,
    billing::PlanLimits,
    id::{ProjectId, TaskId, UserId},
};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::statement;
use crate::domain::usage::Meter;

/// One meter of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What is used.
    pub used: u64,
    /// What is allowed; `None` for no limit.
    pub allowed: Option<u64>,
    /// The threshold that was reached, in percent; 0 for none.
    pub threshold: u32,
}

fn reading(row: &QueryResult) -> Result<Reading, DbErr> {
    let allowed: Option<i64> = row.try_get("", "allowed")?;
    Ok(Reading {
        // A deletion can be counted before what it deletes, never more often: the number ends at 0 or above.
        used: u64::try_from(row.try_get::<i64>("", "used")?).unwrap_or_default(),
        allowed: allowed.map(|allowed| u64::try_from(allowed).unwrap_or_default()),
        threshold: u32::try_from(row.try_get::<i64>("", "threshold")?).unwrap_or_default(),
    })
}

/// Adds to a meter; answers how it stands.
///
/// # Errors
/// The database's.
pub async fn add(tx: &Tx, user: UserId, meter: Meter, by: i64) -> Result<Reading, DbErr> {
    let sql = "INSERT INTO usage_meters (user_id, meter, used, threshold) VALUES ($1, $2, $3, 0)
               ON CONFLICT (user_id, meter) DO UPDATE SET used = usage_meters.used + excluded.used
               RETURNING used, allowed, threshold";
    one(tx, sql, [user.into(), meter.name().into(), by.into()]).await
}

/// Sets a meter; answers how it stands.
///
/// # Errors
/// The database's.
pub async fn set(tx: &Tx, user: UserId, meter: Meter, used: i64) -> Result<Reading, DbErr> {
    let sql = "INSERT INTO usage_meters (user_id, meter, used, threshold) VALUES ($1, $2, $3, 0)
               ON CONFLICT (user_id, meter) DO UPDATE SET used = excluded.used
               RETURNING used, allowed, threshold";
    one(tx, sql, [user.into(), meter.name().into(), used.into()]).await
}

/// Sets what a meter allows; answers how it stands.
///
/// # Errors
/// The database's.
pub async fn allow(tx: &Tx, user: UserId, meter: Meter, limits: &PlanLimits) -> Result<Reading, DbErr> {
    let sql = "INSERT INTO usage_meters (user_id, meter, used, allowed, threshold) VALUES ($1, $2, 0, $3, 0)
               ON CONFLICT (user_id, meter) DO UPDATE SET allowed = excluded.allowed
               RETURNING used, allowed, threshold";
    let allowed = meter
        .allowed(limits)
        .map(|allowed| i64::try_from(allowed).unwrap_or(i64::MAX));
    one(tx, sql, [user.into(), meter.name().into(), allowed.into()]).await
}

async fn one<const N: usize>(tx: &Tx, sql: &str, values: [sea_orm::Value; N]) -> Result<Reading, DbErr> {
    let row = tx.query_one_raw(statement(tx, sql, values)).await?;
    reading(&row.ok_or_else(|| DbErr::RecordNotFound("the meter just written".to_owned()))?)
}

/// Notes which threshold was reached.
///
/// # Errors
/// The database's.
pub async fn set_threshold(tx: &Tx, user: UserId, meter: Meter, threshold: u32) -> Result<(), DbErr> {
    let sql = "UPDATE usage_meters SET threshold = $3 WHERE user_id = $1 AND meter = $2";
    let values = [user.into(), meter.name().into(), i64::from(threshold).into()];
    tx.execute_raw(statement(tx, sql, values)).await?;
    Ok(())
}

/// How a meter of `user` stands.
///
/// # Errors
/// The database's.
pub async fn read(db: &impl ConnectionTrait, user: UserId, meter: Meter) -> Result<Reading, DbErr> {
    let sql = "SELECT used, allowed, threshold FROM usage_meters WHERE user_id = $1 AND meter = $2";
    let row = db
        .query_one_raw(statement(db, sql, [user.into(), meter.name().into()]))
        .await?;
    row.as_ref().map_or(
        Ok(Reading {
            used: 0,
            allowed: None,
            threshold: 0,
        }),
        reading,
    )
}

/// A project as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Project {
    /// Who made it; unknown until its `project.created` comes.
    pub owner: Option<UserId>,
    /// How many tasks it has.
    pub tasks: i64,
    /// Whether it is gone.
    pub deleted: bool,
}

/// Takes a project's row until the transaction ends; makes it when there is none.
///
/// # Errors
/// The database's.
pub async fn take_project(tx: &Tx, project: ProjectId) -> Result<Project, DbErr> {
    let sql = "INSERT INTO metered_projects (project_id, tasks) VALUES ($1, 0)
               ON CONFLICT (project_id) DO UPDATE SET tasks = metered_projects.tasks
               RETURNING owner_id, tasks, deleted_at";
    project_of(tx, sql, [project.into()]).await
}

/// Notes who made a project.
///
/// # Errors
/// The database's.
pub async fn set_owner(tx: &Tx, project: ProjectId, owner: UserId) -> Result<(), DbErr> {
    let sql = "UPDATE metered_projects SET owner_id = $2 WHERE project_id = $1";
    tx.execute_raw(statement(tx, sql, [project.into(), owner.into()]))
        .await?;
    Ok(())
}

/// Forgets the meters of `user`.
///
/// # Errors
/// The database's.
pub async fn erase(tx: &Tx, user: UserId) -> Result<(), DbErr> {
    let sql = "DELETE FROM usage_meters WHERE user_id = $1";
    tx.execute_raw(statement(tx, sql, [user.into()])).await?;
    Ok(())
}

/// Notes that a project is gone.
///
/// # Errors
/// The database's.
pub async fn bury_project(tx: &Tx, project: ProjectId, now: Timestamp) -> Result<(), DbErr> {
    let sql = "UPDATE metered_projects SET deleted_at = $2, tasks = 0 WHERE project_id = $1";
    tx.execute_raw(statement(tx, sql, [project.into(), now.into()])).await?;
    Ok(())
}

/// Adds to a project's tasks; answers how the project is counted.
///
/// # Errors
/// The database's.
pub async fn add_tasks(tx: &Tx, project: ProjectId, by: i64) -> Result<Project, DbErr> {
    let sql = "INSERT INTO metered_projects (project_id, tasks) VALUES ($1, $2)
               ON CONFLICT (project_id) DO UPDATE SET tasks = metered_projects.tasks + excluded.tasks
               RETURNING owner_id, tasks, deleted_at";
    project_of(tx, sql, [project.into(), by.into()]).await
}

async fn project_of<const N: usize>(tx: &Tx, sql: &str, values: [sea_orm::Value; N]) -> Result<Project, DbErr> {
    let row = tx.query_one_raw(statement(tx, sql, values)).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the project just written".to_owned()))?;
    Ok(Project {
        owner: row.try_get("", "owner_id")?,
        tasks: row.try_get("", "tasks")?,
        deleted: row.try_get::<Option<Timestamp>>("", "deleted_at")?.is_some(),
    })
}

/// Notes a task; answers whether it is new and not gone already.
///
/// # Errors
/// The database's.
pub async fn add_task(tx: &Tx, task: TaskId, project: ProjectId) -> Result<bool, DbErr> {
    let sql = "INSERT INTO metered_tasks (task_id, project_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    let done = tx
        .execute_raw(statement(tx, sql, [task.into(), project.into()]))
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that a task is gone; answers whether it was counted until now.
///
/// # Errors
/// The database's.
pub async fn bury_task(tx: &Tx, task: TaskId, project: ProjectId, now: Timestamp) -> Result<bool, DbErr> {
    let sql = "INSERT INTO metered_tasks (task_id, project_id, deleted_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    let values = [task.into(), project.into(), now.into()];
    if tx.execute_raw(statement(tx, sql, values)).await?.rows_affected() == 1 {
        return Ok(false);
    }
    let sql = "UPDATE metered_tasks SET deleted_at = $2 WHERE task_id = $1 AND deleted_at IS NULL";
    let done = tx.execute_raw(statement(tx, sql, [task.into(), now.into()])).await?;
    Ok(done.rows_affected() == 1)
}

/// Notes whether somebody is a member of a project, unless something newer is known.
///
/// # Errors
/// The database's.
pub async fn set_member(tx: &Tx, project: ProjectId, user: UserId, present: bool, version: i64) -> Result<(), DbErr> {
    let sql = "INSERT INTO metered_members (project_id, user_id, present, version) VALUES ($1, $2, $3, $4)
               ON CONFLICT (project_id, user_id) DO UPDATE SET present = excluded.present, version = excluded.version
               WHERE excluded.version > metered_members.version";
    let values = [project.into(), user.into(), present.into(), version.into()];
    tx.execute_raw(statement(tx, sql, values)).await?;
    Ok(())
}

/// How many people are in the projects of `owner`.
///
/// # Errors
/// The database's.
pub async fn count_members(tx: &Tx, owner: UserId) -> Result<i64, DbErr> {
    let sql = "SELECT COUNT(DISTINCT m.user_id) AS many FROM metered_projects p
               JOIN metered_members m ON m.project_id = p.project_id AND m.present
               WHERE p.owner_id = $1 AND p.deleted_at IS NULL";
    let row = tx.query_one_raw(statement(tx, sql, [owner.into()])).await?;
    row.map_or(Ok(0), |row| row.try_get("", "many"))
}

/// Removes at most `limit` rows of what has been gone since before `before`, each sort; answers how many.
///
/// # Errors
/// The database's.
pub async fn prune(tx: &Tx, before: Timestamp, limit: u32) -> Result<u64, DbErr> {
    let limit = i64::from(limit);
    let sql = "DELETE FROM metered_tasks WHERE task_id IN (
                  SELECT task_id FROM metered_tasks WHERE deleted_at < $1 ORDER BY deleted_at LIMIT $2)";
    let tasks = tx
        .execute_raw(statement(tx, sql, [before.into(), limit.into()]))
        .await?;
    let sql = "DELETE FROM metered_tasks WHERE task_id IN (
                  SELECT t.task_id FROM metered_projects p JOIN metered_tasks t ON t.project_id = p.project_id
                  WHERE p.deleted_at < $1 LIMIT $2)";
    let of_projects = tx
        .execute_raw(statement(tx, sql, [before.into(), limit.into()]))
        .await?;
    let sql = "DELETE FROM metered_members WHERE (project_id, user_id) IN (
                  SELECT m.project_id, m.user_id FROM metered_projects p JOIN metered_members m ON m.project_id = p.project_id
                  WHERE p.deleted_at < $1 LIMIT $2)";
    let members = tx
        .execute_raw(statement(tx, sql, [before.into(), limit.into()]))
        .await?;
    // The project itself stays as its tombstone until nothing of it is left.
    let sql = "DELETE FROM metered_projects WHERE project_id IN (
                  SELECT p.project_id FROM metered_projects p WHERE p.deleted_at < $1
                     AND NOT EXISTS (SELECT 1 FROM metered_tasks t WHERE t.project_id = p.project_id)
                     AND NOT EXISTS (SELECT 1 FROM metered_members m WHERE m.project_id = p.project_id)
                  ORDER BY p.deleted_at LIMIT $2)";
    let projects = tx
        .execute_raw(statement(tx, sql, [before.into(), limit.into()]))
        .await?;
    Ok([tasks, of_projects, members, projects]
        .iter()
        .map(|done| done.rows_affected())
        .sum())
}
