//! Labels of a project, and which tasks have them.

use std::collections::HashSet;

use contracts::{
    Timestamp,
    id::{LabelId, ProjectId, TaskId, UserId},
};
use database::Tx;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use super::{bulk, json_list, task};
use crate::domain::label::{Label, LabelError, LabelName, PER_PROJECT, TASKS_CHANGED_AT_ONCE};

const COLUMNS: &str = "id, project_id, name, colour, created_at, updated_at, version";

fn label(row: &QueryResult) -> Result<Label, DbErr> {
    Ok(Label {
        id: row.try_get_by_index(0)?,
        project_id: row.try_get_by_index(1)?,
        name: row.try_get_by_index(2)?,
        colour: row.try_get_by_index(3)?,
        created_at: row.try_get_by_index(4)?,
        updated_at: row.try_get_by_index(5)?,
        version: row.try_get_by_index(6)?,
    })
}

/// The labels of the project that `names` name; makes those that it has not yet.
///
/// # Errors
/// [`LabelError::TooMany`] when the project would have too many, or the database's.
pub async fn ensure(
    tx: &Tx,
    project: ProjectId,
    names: &[LabelName],
    now: Timestamp,
) -> Result<Vec<(LabelId, String)>, LabelError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut known = by_key(tx, project, names).await?;
    let mut missing: Vec<&LabelName> = names
        .iter()
        .filter(|name| !known.iter().any(|(key, ..)| key == name.key()))
        .collect();
    if !missing.is_empty() {
        // In one order, or two transactions that make the same labels would wait for each other.
        missing.sort_by_key(|name| name.key());
        for name in &missing {
            insert(tx, &new(project, name, None, now), name).await?;
        }
        within_limit(tx, project).await?;
        // Another transaction may have been first with one of them.
        known = by_key(tx, project, names).await?;
    }
    let found = |name: &LabelName| {
        known
            .iter()
            .find(|(key, ..)| key == name.key())
            .map(|(_, id, name)| (*id, name.clone()))
    };
    names
        .iter()
        .map(|name| found(name).ok_or_else(|| DbErr::RecordNotFound(format!("label {}", name.key())).into()))
        .collect()
}

/// A label that is not stored yet.
pub fn new(project: ProjectId, name: &LabelName, colour: Option<String>, now: Timestamp) -> Label {
    Label {
        id: LabelId::new(),
        project_id: project,
        name: name.name().to_owned(),
        colour: colour.unwrap_or_else(|| name.usual_colour().to_owned()),
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

/// Stores a new label; answers `false` when the project has one of this name.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &Tx, label: &Label, name: &LabelName) -> Result<bool, DbErr> {
    let insert = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO labels (id, project_id, name, name_key, colour, created_at, updated_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        [
            label.id.into(),
            label.project_id.into(),
            label.name.clone().into(),
            name.key().into(),
            label.colour.clone().into(),
            label.created_at.into(),
            label.updated_at.into(),
            label.version.into(),
        ],
    );
    Ok(tx.execute_raw(insert).await?.rows_affected() == 1)
}

/// Goes on only while the project has no more labels than it may have.
///
/// # Errors
/// [`LabelError::TooMany`], or the database's.
pub async fn within_limit(tx: &Tx, project: ProjectId) -> Result<(), LabelError> {
    let count = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "SELECT COUNT(*) FROM labels WHERE project_id = $1",
        [project.into()],
    );
    let labels: i64 = match tx.query_one_raw(count).await? {
        Some(row) => row.try_get_by_index(0)?,
        None => 0,
    };
    if labels.unsigned_abs() > PER_PROJECT {
        Err(LabelError::TooMany)
    } else {
        Ok(())
    }
}

async fn by_key(tx: &Tx, project: ProjectId, names: &[LabelName]) -> Result<Vec<(String, LabelId, String)>, DbErr> {
    let backend = tx.get_database_backend();
    let keys: Vec<&str> = names.iter().map(LabelName::key).collect();
    let query = Statement::from_sql_and_values(
        backend,
        format!(
            "SELECT name_key, id, name FROM labels WHERE project_id = $1 AND name_key IN (SELECT value FROM {})",
            json_list::table(backend, "$2")
        ),
        [project.into(), json_list::value(&keys).into()],
    );
    let rows = tx.query_all_raw(query).await?;
    rows.iter()
        .map(|row| {
            Ok((
                row.try_get_by_index(0)?,
                row.try_get_by_index(1)?,
                row.try_get_by_index(2)?,
            ))
        })
        .collect()
}

/// The keys of all labels of a project.
///
/// # Errors
/// The database's.
pub async fn keys(tx: &Tx, project: ProjectId) -> Result<HashSet<String>, DbErr> {
    let query = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "SELECT name_key FROM labels WHERE project_id = $1",
        [project.into()],
    );
    let rows = tx.query_all_raw(query).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// All labels of a project with the number of tasks that have them, by name.
///
/// # Errors
/// The database's.
pub async fn all(db: &impl ConnectionTrait, project: ProjectId) -> Result<Vec<(Label, i64)>, DbErr> {
    let query = Statement::from_sql_and_values(
        db.get_database_backend(),
        format!(
            "SELECT {COLUMNS}, (SELECT COUNT(*) FROM task_labels tl WHERE tl.label_id = labels.id)
             FROM labels WHERE project_id = $1 ORDER BY name_key"
        ),
        [project.into()],
    );
    db.query_all_raw(query)
        .await?
        .iter()
        .map(|row| Ok((label(row)?, row.try_get_by_index(7)?)))
        .collect()
}

/// One label of a project, to be changed.
///
/// # Errors
/// [`LabelError::NotFound`], also for a malformed id, or the database's.
pub async fn find(tx: &Tx, project: ProjectId, id: &str) -> Result<Label, LabelError> {
    let id: LabelId = id.parse().map_err(|_| LabelError::NotFound)?;
    let backend = tx.get_database_backend();
    let lock = if backend == DbBackend::Postgres {
        "FOR UPDATE"
    } else {
        ""
    };
    let query = Statement::from_sql_and_values(
        backend,
        format!("SELECT {COLUMNS} FROM labels WHERE id = $1 AND project_id = $2 {lock}"),
        [id.into(), project.into()],
    );
    let row = tx.query_one_raw(query).await?.ok_or(LabelError::NotFound)?;
    Ok(label(&row)?)
}

/// Gives a label another name, another colour, or both; a new name changes every task that has the label.
///
/// # Errors
/// [`LabelError::NameTaken`], [`LabelError::InWideUse`], or the database's.
pub async fn change(
    tx: &Tx,
    label: &mut Label,
    name: Option<LabelName>,
    colour: Option<String>,
    actor: UserId,
    now: Timestamp,
) -> Result<(), LabelError> {
    let old = label.name.clone();
    let new = name.map_or_else(|| old.clone(), |name| name.name().to_owned());
    let colour = colour.unwrap_or_else(|| label.colour.clone());
    if new == old && colour == label.colour {
        return Ok(());
    }
    *label = Label {
        name: new.clone(),
        colour,
        updated_at: now,
        version: label.version + 1,
        ..label.clone()
    };
    let update = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "UPDATE labels SET name = $2, name_key = $3, colour = $4, updated_at = $5, version = $6 WHERE id = $1",
        [
            label.id.into(),
            label.name.as_str().into(),
            label.name.to_lowercase().into(),
            label.colour.as_str().into(),
            label.updated_at.into(),
            label.version.into(),
        ],
    );
    match tx.execute_raw(update).await {
        Ok(_) => {}
        Err(error) if database::is_unique_violation(&error) => return Err(LabelError::NameTaken),
        Err(error) => return Err(error.into()),
    }
    if new != old {
        relabel(tx, label, actor, now, |names| {
            for name in names.iter_mut().filter(|name| **name == old) {
                name.clone_from(&new);
            }
        })
        .await?;
    }
    Ok(())
}

/// Removes a label and takes it off its tasks.
///
/// # Errors
/// [`LabelError::InWideUse`], or the database's.
pub async fn delete(tx: &Tx, label: &Label, actor: UserId, now: Timestamp) -> Result<(), LabelError> {
    relabel(tx, label, actor, now, |names| names.retain(|name| *name != label.name)).await?;
    let delete = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "DELETE FROM labels WHERE id = $1",
        [label.id.into()],
    );
    tx.execute_raw(delete).await?;
    Ok(())
}

/// Changes the label names of every task that has `label`.
async fn relabel(
    tx: &Tx,
    label: &Label,
    actor: UserId,
    now: Timestamp,
    rename: impl Fn(&mut Vec<String>),
) -> Result<(), LabelError> {
    let query = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "SELECT task_id FROM task_labels WHERE label_id = $1",
        [label.id.into()],
    );
    let rows = tx.query_all_raw(query).await?;
    let ids: Vec<TaskId> = rows
        .iter()
        .map(|row| row.try_get_by_index(0))
        .collect::<Result<_, _>>()?;
    let count = ids.len() as u64;
    if count > TASKS_CHANGED_AT_ONCE {
        return Err(LabelError::InWideUse(count));
    }
    for mut task in bulk::of_project(tx, label.project_id, &ids).await? {
        let mut names = task.labels.clone();
        rename(&mut names);
        task::relabel(tx, &mut task, names, actor, now)
            .await
            .map_err(Box::new)?;
    }
    Ok(())
}
