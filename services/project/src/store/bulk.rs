//! Many tasks of one project changed in one transaction.

use contracts::{
    Timestamp,
    id::{ProjectId, TaskId, UserId},
};
use database::Tx;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::{
    json_list,
    task::{self, COLUMNS},
};
use crate::domain::{
    bulk::{Bulk, Deed},
    task::{Task, TaskError},
};

/// Does what `bulk` says, to all of its tasks or to none; answers them as they are now, deleted ones excepted, in the
/// order they were named.
///
/// # Errors
/// [`TaskError::Invalid`] when one is not in the project or a value cannot be accepted; or the database's.
pub async fn carry_out(
    tx: &Tx,
    project: ProjectId,
    bulk: Bulk,
    actor: UserId,
    now: Timestamp,
) -> Result<Vec<Task>, TaskError> {
    let mut found = of_project(tx, project, &bulk.tasks).await?;
    bulk.all_found(|id| found.iter().any(|task| task.id == id))
        .map_err(TaskError::Invalid)?;
    found.sort_by_key(|task| bulk.tasks.iter().position(|id| *id == task.id));
    match bulk.deed {
        Deed::Delete => {
            for task in &found {
                task::remove(tx, task, actor, now).await?;
            }
            Ok(Vec::new())
        }
        Deed::Change(change) => {
            for task in &mut found {
                task::change(tx, task, (*change).clone(), "/change", actor, now).await?;
            }
            Ok(found)
        }
    }
}

/// The tasks of `project` among `ids`; on PostgreSQL locked in a fixed order, so that two of these cannot deadlock.
///
/// # Errors
/// The database's.
pub async fn of_project(tx: &Tx, project: ProjectId, ids: &[TaskId]) -> Result<Vec<Task>, DbErr> {
    let backend = tx.get_database_backend();
    let lock = if backend == DbBackend::Postgres {
        "FOR NO KEY UPDATE"
    } else {
        ""
    };
    let query = Statement::from_sql_and_values(
        backend,
        format!(
            "SELECT {COLUMNS} FROM tasks t WHERE t.project_id = $1 AND t.id IN (SELECT value FROM {})
             ORDER BY t.id {lock}",
            json_list::table(backend, "$2")
        ),
        [project.into(), json_list::value(ids).into()],
    );
    tx.query_all_raw(query).await?.iter().map(task::task).collect()
}
