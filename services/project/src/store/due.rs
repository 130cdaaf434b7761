//! Tasks that come due soon, each claimed once for each due time.
//!
//! The claim is the update itself: it notes for which due time the task was announced, in the transaction that publishes
//! the event. Two replicas cannot both win it (the second finds the note), a crash takes both back, and another due time
//! differs from the note. What was due already when it was first seen is noted without an event: it is late, not soon.

use contracts::{
    Timestamp,
    id::{ProjectId, TaskId, UserId},
    project::TaskDueSoon,
};
use database::Tx;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::{json_list, member};

/// Claims at most `limit` tasks that are due before `until`, and publishes those that are not due yet at `now`; answers
/// how many it claimed.
///
/// # Errors
/// The database's.
pub async fn announce(tx: &Tx, now: Timestamp, until: Timestamp, limit: u64) -> Result<u64, DbErr> {
    let backend = tx.get_database_backend();
    let lock = if backend == DbBackend::Postgres {
        "FOR NO KEY UPDATE OF t SKIP LOCKED"
    } else {
        ""
    };
    let claim = Statement::from_sql_and_values(
        backend,
        format!(
            "UPDATE tasks SET due_soon_for = due_at
             WHERE seq IN (SELECT t.seq FROM tasks t JOIN projects p ON p.id = t.project_id
                           WHERE t.due_at IS NOT NULL AND t.status NOT IN ('done', 'cancelled')
                             AND t.due_soon_for IS DISTINCT FROM t.due_at
                             AND t.due_at < $1 AND p.archived_at IS NULL
                           ORDER BY t.due_at LIMIT $2 {lock})
               AND due_soon_for IS DISTINCT FROM due_at
             RETURNING id, project_id, title, due_at, assignee_ids, created_by"
        ),
        [until.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()],
    );
    let claimed = tx.query_all_raw(claim).await?;
    for row in &claimed {
        let due_at: Timestamp = row.try_get_by_index(3)?;
        if due_at <= now {
            continue;
        }
        let (task_id, project_id): (TaskId, ProjectId) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        let assignees: Vec<UserId> = json_list::read(&row.try_get_by_index::<String>(4)?)?;
        let concerned = if assignees.is_empty() {
            vec![row.try_get_by_index(5)?]
        } else {
            assignees
        };
        // Somebody who has left the project hears nothing of it any more.
        let user_ids = member::members_among(tx, project_id, &concerned).await?;
        if user_ids.is_empty() {
            continue;
        }
        let event = TaskDueSoon {
            task_id,
            project_id,
            title: row.try_get_by_index(2)?,
            due_at,
            user_ids,
        };
        messaging::append(tx, &event)?;
    }
    Ok(claimed.len() as u64)
}
