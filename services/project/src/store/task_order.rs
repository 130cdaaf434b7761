//! The order of a project's tasks: who may choose a position, which one, and what happens when there is no room.
//!
//! On PostgreSQL whoever chooses a position holds the lock of the project's row ([`lock`]); it is taken before that of a
//! task, never after. On SQLite there is one writer anyway. So neighbours cannot change between looking and placing.

use chassis::FieldError;
use contracts::{
    Timestamp,
    id::{ProjectId, TaskId, UserId},
    project::TaskMoved,
};
use database::Tx;
use messaging::append;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

use super::task::answer;
use crate::domain::{
    position::Position,
    task::{Destination, Task, TaskError},
};

/// Moves a task that the caller holds, with the lock of its project's order.
///
/// # Errors
/// [`TaskError::Invalid`] when the task to stand next to is not in the same project; or the database's.
pub async fn relocate(
    tx: &Tx,
    task: &mut Task,
    to: Destination,
    actor: UserId,
    now: Timestamp,
) -> Result<(), TaskError> {
    task.position = place(tx, task.project_id, Some(task.id), to).await?;
    task.touch(now);
    let update = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "UPDATE tasks SET position = $2, updated_at = $3, version = $4, json = $5 WHERE id = $1",
        [
            task.id.into(),
            task.position.as_str().into(),
            task.updated_at.into(),
            task.version.into(),
            answer(task)?.into(),
        ],
    );
    tx.execute_raw(update).await?;
    let event = TaskMoved {
        task_id: task.id,
        project_id: task.project_id,
        position: task.position.to_string(),
        actor_id: actor,
        version: task.version,
    };
    append(tx, &event)?;
    Ok(())
}

/// Waits until nobody else chooses a position in the project.
///
/// # Errors
/// The database's.
pub async fn lock(tx: &Tx, project: ProjectId) -> Result<(), DbErr> {
    if tx.get_database_backend() == DbBackend::Postgres {
        let lock = "SELECT 1 FROM projects WHERE id = $1 FOR NO KEY UPDATE";
        tx.query_one_raw(Statement::from_sql_and_values(
            DbBackend::Postgres,
            lock,
            [project.into()],
        ))
        .await?;
    }
    Ok(())
}

/// The project of a task, without any right to it: to lock its order before the task.
///
/// # Errors
/// [`TaskError::NotFound`], or the database's.
pub async fn project_of(tx: &Tx, id: TaskId) -> Result<ProjectId, TaskError> {
    let query = "SELECT project_id FROM tasks WHERE id = $1";
    let row = tx
        .query_one_raw(Statement::from_sql_and_values(
            tx.get_database_backend(),
            query,
            [id.into()],
        ))
        .await?;
    Ok(row.ok_or(TaskError::NotFound)?.try_get_by_index(0)?)
}

/// A position for `moved` (absent: a new task) at its destination.
pub(super) async fn place(
    tx: &Tx,
    project: ProjectId,
    moved: Option<TaskId>,
    to: Destination,
) -> Result<Position, TaskError> {
    if let Some(position) = free_place(tx, project, moved, to).await? {
        return Ok(position);
    }
    tracing::info!(%project, "positions have grown too long; spreading the project's tasks anew");
    spread(tx, project).await?;
    let full = || DbErr::Custom(format!("no room in the order of {project}"));
    Ok(free_place(tx, project, moved, to).await?.ok_or_else(full)?)
}

async fn free_place(
    tx: &Tx,
    project: ProjectId,
    moved: Option<TaskId>,
    to: Destination,
) -> Result<Option<Position>, TaskError> {
    const LAST: &str = "SELECT position FROM tasks WHERE project_id = $1 AND id <> $2 ORDER BY position DESC LIMIT 1";
    const OTHER: &str = "SELECT position FROM tasks WHERE project_id = $1 AND id = $2";
    const ABOVE: &str = "SELECT position FROM tasks WHERE project_id = $1 AND id <> $2 AND position < $3 ORDER BY position DESC LIMIT 1";
    const BELOW: &str =
        "SELECT position FROM tasks WHERE project_id = $1 AND id <> $2 AND position > $3 ORDER BY position LIMIT 1";
    let myself: Value = moved.map_or_else(|| "".into(), Value::from);
    let position = async |sql: &str, values: Vec<Value>| -> Result<Option<Position>, DbErr> {
        let row = tx
            .query_one_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
            .await?;
        let text = row.map(|row| row.try_get_by_index::<String>(0)).transpose()?;
        text.map(|text| Position::parse(&text).ok_or_else(|| DbErr::Type("a stored position".to_owned())))
            .transpose()
    };
    let neighbour = |other: TaskId| position(OTHER, vec![project.into(), other.into()]);
    let missing = || {
        TaskError::Invalid(vec![FieldError::new(
            to.pointer(),
            "there is no such task in this project; name one of its tasks",
        )])
    };
    Ok(match to {
        Destination::End => Position::end(position(LAST, vec![project.into(), myself]).await?.as_ref()),
        Destination::Before(other) => {
            let high = neighbour(other).await?.ok_or_else(missing)?;
            match position(ABOVE, vec![project.into(), myself, high.as_str().into()]).await? {
                Some(low) => Position::between(&low, &high),
                None => Position::start(&high),
            }
        }
        Destination::After(other) => {
            let low = neighbour(other).await?.ok_or_else(missing)?;
            match position(BELOW, vec![project.into(), myself, low.as_str().into()]).await? {
                Some(high) => Position::between(&low, &high),
                None => Position::end(Some(&low)),
            }
        }
    })
}

/// Gives all tasks of a project new, short positions in the same order; for up to ten million tasks.
///
/// In two steps, since positions are unique at every moment: `~` comes after every digit.
async fn spread(tx: &Tx, project: ProjectId) -> Result<(), DbErr> {
    let backend = tx.get_database_backend();
    let (number, json) = match backend {
        DbBackend::Postgres => (
            "'i' || lpad(CAST(ROW_NUMBER() OVER (ORDER BY position) AS TEXT), 7, '0')",
            "jsonb_set(json::jsonb, '{position}', to_jsonb(n.place))::text",
        ),
        _ => (
            "printf('i%07d', ROW_NUMBER() OVER (ORDER BY position))",
            "json_set(json, '$.position', n.place)",
        ),
    };
    let aside = "UPDATE tasks SET position = '~' || position WHERE project_id = $1";
    let anew = format!(
        "UPDATE tasks SET position = n.place, json = {json}
         FROM (SELECT seq, {number} AS place FROM tasks WHERE project_id = $1) AS n
         WHERE tasks.seq = n.seq"
    );
    tx.execute_raw(Statement::from_sql_and_values(backend, aside, [project.into()]))
        .await?;
    tx.execute_raw(Statement::from_sql_and_values(backend, anew, [project.into()]))
        .await?;
    Ok(())
}
