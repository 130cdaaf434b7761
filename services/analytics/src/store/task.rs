//! Tasks with their histories.

use std::collections::BTreeMap;

use contracts::{
    Timestamp,
    id::{ProjectId, TaskId},
};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use serde_json::json;

use super::{
    projection::Tables,
    rows::{columns, execute, json as parameter, query, source, texts},
};
use crate::domain::{
    flow::Stock,
    task::{State, Status, Task},
};

const COLUMNS: &str = "task_id, project_id, created_by, created_at, history";

fn read(row: &QueryResult) -> Result<(TaskId, Task), DbErr> {
    let history: String = row.try_get_by_index(4)?;
    let history: Vec<State> =
        serde_json::from_str(&history).map_err(|error| DbErr::Type(format!("the history of a task: {error}")))?;
    let task = Task {
        project: row.try_get_by_index(1)?,
        creator: row.try_get_by_index(2)?,
        created_at: row.try_get_by_index(3)?,
        history,
    };
    Ok((row.try_get_by_index(0)?, task))
}

/// Those of `ids` that are known.
///
/// # Errors
/// The database's.
pub async fn these(db: &impl ConnectionTrait, tables: Tables, ids: &[TaskId]) -> Result<BTreeMap<TaskId, Task>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM {{p}}tasks WHERE task_id IN {}",
        texts(db.get_database_backend(), 1)
    );
    let rows = query(db, tables.sql(&sql), [parameter(&ids)?]).await?;
    rows.iter().map(read).collect()
}

/// A task as [`write()`] takes it.
pub(super) fn row(id: TaskId, task: &Task) -> serde_json::Value {
    let newest = task.newest();
    json!([
        id,
        task.project,
        task.creator,
        task.created_at.map(Timestamp::as_micros),
        // As text: SQL has to give back what was written, letter by letter.
        serde_json::to_string(&task.history).unwrap_or_default(),
        newest.map_or(Status::Todo, |state| state.status).name(),
        task.changed_at().as_micros(),
        newest.and_then(|state| state.due),
        task.was_done(),
    ])
}

/// Writes tasks as they are now.
pub(super) async fn write(tx: &Tx, tables: Tables, rows: &[serde_json::Value]) -> Result<(), DbErr> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO {{p}}tasks (task_id, project_id, created_by, created_at, history, status, changed_at, due_at, was_done)
         SELECT {} FROM {} WHERE true
         ON CONFLICT (task_id) DO UPDATE SET created_by = excluded.created_by, created_at = excluded.created_at,
            history = excluded.history, status = excluded.status, changed_at = excluded.changed_at, due_at = excluded.due_at,
            was_done = excluded.was_done",
        columns(&["TEXT", "TEXT", "TEXT", "BIGINT", "TEXT", "TEXT", "BIGINT", "BIGINT", "BOOLEAN"]),
        source(tx.get_database_backend(), 1)
    );
    execute(tx, tables.sql(&sql), [parameter(&rows)?]).await.map(drop)
}

/// A project's tasks that were open or changed after `from`, and how many others there are that were settled before.
///
/// # Errors
/// The database's.
pub async fn of_project(
    db: &impl ConnectionTrait,
    project: ProjectId,
    from: Timestamp,
) -> Result<(Vec<Task>, Stock), DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM tasks WHERE project_id = $1 AND (changed_at >= $2 OR status IN ('todo', 'in_progress', 'in_review'))"
    );
    let rows = query(db, sql, [project.into(), from.into()]).await?;
    let tasks = rows.iter().map(|row| Ok(read(row)?.1)).collect::<Result<_, DbErr>>()?;
    let sql = "SELECT status, COUNT(*) FROM tasks
               WHERE project_id = $1 AND changed_at < $2 AND status IN ('done', 'cancelled') GROUP BY status";
    let mut settled = Stock::default();
    for row in query(db, sql, [project.into(), from.into()]).await? {
        let status: String = row.try_get_by_index(0)?;
        let count: i64 = row.try_get_by_index(1)?;
        if let Some(status) = Status::parse(&status) {
            settled.add(status, count.unsigned_abs());
        }
    }
    Ok((tasks, settled))
}

/// Every task that may have been overdue at `moment`.
///
/// # Errors
/// The database's.
pub async fn overdue_at(db: &impl ConnectionTrait, moment: Timestamp) -> Result<Vec<Task>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM tasks WHERE due_at < $1 AND due_at IS NOT NULL AND status IN ('todo', 'in_progress', 'in_review')
         UNION ALL SELECT {COLUMNS} FROM tasks WHERE changed_at >= $1 AND NOT
            (due_at IS NOT NULL AND due_at < $1 AND status IN ('todo', 'in_progress', 'in_review'))"
    );
    let rows = query(db, sql, [moment.into()]).await?;
    rows.iter().map(|row| Ok(read(row)?.1)).collect()
}
