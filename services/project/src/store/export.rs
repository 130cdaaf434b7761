//! A project's tasks page by page, with names in place of ids, for exports.

use std::collections::HashMap;

use contracts::{
    Timestamp,
    id::{ProjectId, UserId},
};
use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::{
    json_list,
    task::{self, COLUMNS},
};
use crate::domain::{position::Position, task::Task};

/// A comment with the name of its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Handle, or the name at the source of an imported one.
    pub author: String,
    /// The text.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
}

/// Tasks of the project in their order, after the one at `after`.
///
/// # Errors
/// The database's.
pub async fn tasks(
    db: &impl ConnectionTrait,
    project: ProjectId,
    after: Option<&Position>,
    limit: u64,
) -> Result<Vec<Task>, DbErr> {
    let query = Statement::from_sql_and_values(
        db.get_database_backend(),
        format!(
            "SELECT {COLUMNS} FROM tasks t WHERE t.project_id = $1 AND t.position > $2 ORDER BY t.position LIMIT $3"
        ),
        [
            project.into(),
            after.map_or("", Position::as_str).into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
        ],
    );
    db.query_all_raw(query).await?.iter().map(task::task).collect()
}

/// What the assignees of `tasks` are called: handles, or ids of those whom the directory does not know.
///
/// # Errors
/// The database's.
pub async fn names(db: &impl ConnectionTrait, tasks: &[Task]) -> Result<HashMap<UserId, String>, DbErr> {
    let users: Vec<UserId> = tasks
        .iter()
        .flat_map(|task| task.assignee_ids.iter().copied())
        .collect();
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = db.get_database_backend();
    let sql = format!(
        "SELECT id, handle FROM users WHERE handle <> '' AND id IN (SELECT value FROM {})",
        json_list::table(backend, "$1")
    );
    let query = Statement::from_sql_and_values(backend, sql, [json_list::value(&users).into()]);
    let rows = db.query_all_raw(query).await?;
    rows.iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
        .collect()
}

/// The comments of `tasks` by the ids of those, each list the oldest first.
///
/// # Errors
/// The database's.
pub async fn comments(db: &impl ConnectionTrait, tasks: &[Task]) -> Result<HashMap<String, Vec<Comment>>, DbErr> {
    let ids: Vec<String> = tasks.iter().map(|task| task.id.to_string()).collect();
    let backend = db.get_database_backend();
    let sql = format!(
        "SELECT c.task_id, COALESCE(c.original_author, NULLIF(u.handle, ''), c.author_id), c.body, c.created_at
         FROM comments c LEFT JOIN users u ON u.id = c.author_id
         WHERE c.task_id IN (SELECT value FROM {}) ORDER BY c.task_id, c.seq",
        json_list::table(backend, "$1")
    );
    let query = Statement::from_sql_and_values(backend, sql, [json_list::value(&ids).into()]);
    let mut comments: HashMap<String, Vec<Comment>> = HashMap::new();
    for row in db.query_all_raw(query).await? {
        comments.entry(row.try_get_by_index(0)?).or_default().push(Comment {
            author: row.try_get_by_index(1)?,
            body: row.try_get_by_index(2)?,
            created_at: row.try_get_by_index(3)?,
        });
    }
    Ok(comments)
}
