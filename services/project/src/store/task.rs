//! Tasks: rows, the access check, and every way a task changes.
//!
//! [`create`], [`change`], [`super::task_order::relocate`] and [`remove`] store a change together with its join rows, its
//! events and its entry in the activity list, so that none can be forgotten. Each statement's text is constant: it is prepared once.
//!
//! On PostgreSQL a task's row is locked by the access check; on SQLite there is one writer anyway.

use chassis::FieldError;
use contracts::{
    Timestamp,
    id::{LabelId, ProjectId, TaskId, UserId},
    project::{TaskAssigned, TaskCreated, TaskDeleted, TaskUpdated},
};
use database::{Tx, insert_all};
use identity::{Caller, ProjectRole};
use messaging::append;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};
use serde_json::json;

use super::{activity::record_activity, json_list, label, member, room::Room, task_order};
use crate::domain::{
    access::AccessError,
    position::Position,
    task::{Destination, Effect, Priority, Status, Task, TaskError},
    task_change::Change,
};

/// The columns of a task, in the order that [`task`] reads them.
pub(super) const COLUMNS: &str = "t.id, t.project_id, t.title, t.description, t.status, t.priority, t.due_at, t.position, \
     t.assignee_ids, t.labels, t.created_by, t.created_at, t.updated_at, t.completed_at, t.version";

/// How many columns those are.
pub(super) const WIDTH: usize = 15;

/// Reads a row that begins with [`COLUMNS`].
pub(super) fn task(row: &QueryResult) -> Result<Task, DbErr> {
    let unknown = |what: &str| DbErr::Type(format!("{what} of a stored task"));
    Ok(Task {
        id: row.try_get_by_index(0)?,
        project_id: row.try_get_by_index(1)?,
        title: row.try_get_by_index(2)?,
        description: row.try_get_by_index(3)?,
        status: Status::parse(&row.try_get_by_index::<String>(4)?).ok_or_else(|| unknown("status"))?,
        priority: Priority::from_rank(row.try_get_by_index(5)?).ok_or_else(|| unknown("priority"))?,
        due_at: row.try_get_by_index(6)?,
        position: Position::parse(&row.try_get_by_index::<String>(7)?).ok_or_else(|| unknown("position"))?,
        assignee_ids: json_list::read(&row.try_get_by_index::<String>(8)?)?,
        labels: json_list::read(&row.try_get_by_index::<String>(9)?)?,
        created_by: row.try_get_by_index(10)?,
        created_at: row.try_get_by_index(11)?,
        updated_at: row.try_get_by_index(12)?,
        completed_at: row.try_get_by_index(13)?,
        version: row.try_get_by_index(14)?,
    })
}

/// Lets the caller see (`least` = viewer) or change (any higher role) task `id`: one query yields the task and the right.
///
/// # Errors
/// [`TaskError::NotFound`] for an unknown, foreign or malformed id; [`AccessError`] for a role that is too low or an
/// archived project.
pub async fn access(
    tx: &impl ConnectionTrait,
    caller: &Caller,
    id: &str,
    least: ProjectRole,
) -> Result<(Task, ProjectRole), TaskError> {
    let id: TaskId = id.parse().map_err(|_| TaskError::NotFound)?;
    let changes = least > ProjectRole::Viewer;
    let backend = tx.get_database_backend();
    let lock = if changes && backend == DbBackend::Postgres {
        "FOR NO KEY UPDATE OF t FOR KEY SHARE OF p"
    } else {
        ""
    };
    let query = Statement::from_sql_and_values(
        backend,
        format!(
            "SELECT {COLUMNS}, m.role, p.archived_at
             FROM tasks t
             JOIN members m ON m.project_id = t.project_id AND m.user_id = $2 AND m.removed_at IS NULL
             JOIN projects p ON p.id = t.project_id
             WHERE t.id = $1 {lock}"
        ),
        [id.into(), caller.user.into()],
    );
    let row = tx.query_one_raw(query).await?.ok_or(TaskError::NotFound)?;
    let role = member::role(&row.try_get_by_index::<String>(WIDTH)?)?;
    if role < least {
        return Err(AccessError::Forbidden(least).into());
    }
    if changes && row.try_get_by_index::<Option<Timestamp>>(WIDTH + 1)?.is_some() {
        return Err(AccessError::Archived.into());
    }
    Ok((task(&row)?, role))
}

/// Makes a task of `change` at the end of the project that has room for it.
///
/// # Errors
/// [`TaskError::Invalid`] for assignees who are no members and for too many labels; or the database's.
pub async fn create(tx: &Tx, room: &Room, change: Change, now: Timestamp) -> Result<Task, TaskError> {
    let (project, actor) = (room.member.project.id, room.member.user);
    let change = Change {
        title: Some(change.title.unwrap_or_default()),
        ..change
    };
    let labels = checked_labels(tx, project, &change, "", now).await?;
    let position = match Position::end(room.last.as_ref()) {
        Some(position) => position,
        None => task_order::place(tx, project, None, Destination::End).await?,
    };
    let mut task = Task {
        id: TaskId::new(),
        project_id: project,
        title: String::new(),
        description: String::new(),
        status: Status::default(),
        priority: Priority::default(),
        due_at: None,
        position,
        assignee_ids: Vec::new(),
        labels: Vec::new(),
        created_by: actor,
        created_at: now,
        updated_at: now,
        completed_at: None,
        version: 0,
    };
    let names = labels
        .as_ref()
        .map(|labels| labels.iter().map(|(_, name)| name.clone()).collect());
    let effect = task.apply(change, names, now);
    known_assignees(tx, &task, &effect, "").await?;
    insert(tx, std::slice::from_ref(&task)).await?;
    set_assignees(tx, &task).await?;
    set_labels(tx, task.id, &labels.unwrap_or_default()).await?;
    append(
        tx,
        &TaskCreated {
            task_id: task.id,
            task: task.snapshot(),
            actor_id: actor,
        },
    )?;
    assigned(tx, &task, &effect, actor).await?;
    record_activity(
        tx,
        project,
        actor,
        "task.created",
        &task.id.to_string(),
        json!({ "title": task.title }),
        now,
    )
    .await?;
    Ok(task)
}

/// Changes a task that the caller holds; `at` is where the fields are in the body.
///
/// # Errors
/// [`TaskError::Invalid`] for new assignees who are no members and for too many labels; or the database's.
pub async fn change(
    tx: &Tx,
    task: &mut Task,
    change: Change,
    at: &str,
    actor: UserId,
    now: Timestamp,
) -> Result<(), TaskError> {
    let labels = checked_labels(tx, task.project_id, &change, at, now).await?;
    let names = labels
        .as_ref()
        .map(|labels| labels.iter().map(|(_, name)| name.clone()).collect());
    let effect = task.apply(change, names, now);
    if effect.changed.is_empty() {
        return Ok(());
    }
    known_assignees(tx, task, &effect, at).await?;
    update(tx, task).await?;
    if effect.changed.contains(&"assignee_ids") {
        forget(tx, "DELETE FROM task_assignees WHERE task_id = $1", task.id).await?;
        set_assignees(tx, task).await?;
    }
    if let Some(labels) = labels.filter(|_| effect.changed.contains(&"labels")) {
        forget(tx, "DELETE FROM task_labels WHERE task_id = $1", task.id).await?;
        set_labels(tx, task.id, &labels).await?;
    }
    published(tx, task, &effect, actor, now).await
}

/// Writes down that the task's labels bear these names from now on; its join rows are the label's business.
///
/// # Errors
/// The database's.
pub async fn relabel(
    tx: &Tx,
    task: &mut Task,
    labels: Vec<String>,
    actor: UserId,
    now: Timestamp,
) -> Result<(), TaskError> {
    let effect = task.apply(Change::default(), Some(labels), now);
    if effect.changed.is_empty() {
        return Ok(());
    }
    update(tx, task).await?;
    let event = TaskUpdated {
        task_id: task.id,
        task: task.snapshot(),
        changed: effect.changed.iter().map(|&name| name.to_owned()).collect(),
        previous_status: None,
        actor_id: actor,
    };
    append(tx, &event)?;
    Ok(())
}

/// Tells the world and the activity list of a change that is stored.
async fn published(tx: &Tx, task: &Task, effect: &Effect, actor: UserId, now: Timestamp) -> Result<(), TaskError> {
    let previous = effect.previous_status.map(Status::name);
    let event = TaskUpdated {
        task_id: task.id,
        task: task.snapshot(),
        changed: effect.changed.iter().map(|&name| name.to_owned()).collect(),
        previous_status: previous.map(str::to_owned),
        actor_id: actor,
    };
    append(tx, &event)?;
    assigned(tx, task, effect, actor).await?;
    let mut data = json!({ "title": task.title, "changed": effect.changed });
    if let Some(previous) = previous {
        data["status"] = task.status.name().into();
        data["previous_status"] = previous.into();
    }
    record_activity(
        tx,
        task.project_id,
        actor,
        "task.updated",
        &task.id.to_string(),
        data,
        now,
    )
    .await?;
    Ok(())
}

async fn assigned(tx: &Tx, task: &Task, effect: &Effect, actor: UserId) -> Result<(), DbErr> {
    for assignee in &effect.newly_assigned {
        let event = TaskAssigned {
            task_id: task.id,
            project_id: task.project_id,
            title: task.title.clone(),
            assignee_id: *assignee,
            actor_id: actor,
            version: task.version,
        };
        append(tx, &event)?;
    }
    Ok(())
}

/// Removes a task that the caller holds, with its comments.
///
/// # Errors
/// The database's.
pub async fn remove(tx: &Tx, task: &Task, actor: UserId, now: Timestamp) -> Result<(), TaskError> {
    forget(tx, "DELETE FROM tasks WHERE id = $1", task.id).await?;
    let event = TaskDeleted {
        task_id: task.id,
        project_id: task.project_id,
        title: task.title.clone(),
        actor_id: actor,
        version: task.version + 1,
    };
    append(tx, &event)?;
    let data = json!({ "title": task.title });
    record_activity(
        tx,
        task.project_id,
        actor,
        "task.deleted",
        &task.id.to_string(),
        data,
        now,
    )
    .await?;
    Ok(())
}

async fn checked_labels(
    tx: &Tx,
    project: ProjectId,
    change: &Change,
    at: &str,
    now: Timestamp,
) -> Result<Option<Vec<(LabelId, String)>>, TaskError> {
    use crate::domain::label::LabelError;
    let Some(names) = &change.labels else { return Ok(None) };
    match label::ensure(tx, project, names, now).await {
        Ok(labels) => Ok(Some(labels)),
        Err(LabelError::Store(error)) => Err(error.into()),
        Err(error) => Err(TaskError::Invalid(vec![FieldError::new(
            format!("{at}/labels"),
            error.to_string(),
        )])),
    }
}

async fn known_assignees(tx: &Tx, task: &Task, effect: &Effect, at: &str) -> Result<(), TaskError> {
    let members = member::members_among(tx, task.project_id, &effect.newly_assigned).await?;
    let strangers: Vec<FieldError> = (effect.newly_assigned.iter())
        .filter(|user| !members.contains(user))
        .map(|user| {
            FieldError::new(
                format!("{at}/assignee_ids"),
                format!("{user} is not a member of this project"),
            )
        })
        .collect();
    if strangers.is_empty() {
        Ok(())
    } else {
        Err(TaskError::Invalid(strangers))
    }
}

/// Stores new tasks, without what is joined to them.
pub(super) async fn insert(tx: &Tx, tasks: &[Task]) -> Result<(), DbErr> {
    let row = |task: &Task| -> Result<[Value; 16], DbErr> {
        Ok([
            task.id.into(),
            task.project_id.into(),
            task.title.as_str().into(),
            task.description.as_str().into(),
            task.status.name().into(),
            task.priority.rank().into(),
            task.due_at.into(),
            task.position.as_str().into(),
            json_list::value(&task.assignee_ids).into(),
            json_list::value(&task.labels).into(),
            task.created_by.into(),
            task.created_at.into(),
            task.updated_at.into(),
            task.completed_at.into(),
            task.version.into(),
            answer(task)?.into(),
        ])
    };
    let sql = "INSERT INTO tasks (id, project_id, title, description, status, priority, due_at, position, assignee_ids, labels,
                                  created_by, created_at, updated_at, completed_at, version, json)";
    insert_all(tx, sql, tasks.iter().map(row).collect::<Result<_, _>>()?).await
}

async fn update(tx: &Tx, task: &Task) -> Result<(), DbErr> {
    let update = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "UPDATE tasks SET title = $2, description = $3, status = $4, priority = $5, due_at = $6, assignee_ids = $7,
                          labels = $8, updated_at = $9, completed_at = $10, version = $11, json = $12
         WHERE id = $1",
        [
            task.id.into(),
            task.title.as_str().into(),
            task.description.as_str().into(),
            task.status.name().into(),
            task.priority.rank().into(),
            task.due_at.into(),
            json_list::value(&task.assignee_ids).into(),
            json_list::value(&task.labels).into(),
            task.updated_at.into(),
            task.completed_at.into(),
            task.version.into(),
            answer(task)?.into(),
        ],
    );
    tx.execute_raw(update).await?;
    Ok(())
}

/// The task as clients get it.
pub(super) fn answer(task: &Task) -> Result<String, DbErr> {
    serde_json::to_string(task).map_err(|error| DbErr::Custom(format!("task as JSON: {error}")))
}

async fn set_assignees(tx: &Tx, task: &Task) -> Result<(), DbErr> {
    let sql = "INSERT INTO task_assignees (task_id, user_id) SELECT $1, value FROM ";
    set(tx, sql, task.id, &task.assignee_ids).await
}

async fn set_labels(tx: &Tx, task: TaskId, labels: &[(LabelId, String)]) -> Result<(), DbErr> {
    let ids: Vec<LabelId> = labels.iter().map(|(id, _)| *id).collect();
    set(
        tx,
        "INSERT INTO task_labels (task_id, label_id) SELECT $1, value FROM ",
        task,
        &ids,
    )
    .await
}

async fn set<T: serde::Serialize>(tx: &Tx, sql: &str, task: TaskId, ids: &[T]) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let backend = tx.get_database_backend();
    let sql = format!("{sql}{}", json_list::table(backend, "$2"));
    tx.execute_raw(Statement::from_sql_and_values(
        backend,
        sql,
        [task.into(), json_list::value(ids).into()],
    ))
    .await?;
    Ok(())
}

async fn forget(tx: &Tx, sql: &str, task: TaskId) -> Result<(), DbErr> {
    tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        sql,
        [task.into()],
    ))
    .await?;
    Ok(())
}
