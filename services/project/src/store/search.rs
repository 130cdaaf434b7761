//! Finding tasks and comments by their words, newest first, in the projects of one user.
//!
//! SQLite's full-text index answers in the order of row numbers, so the newest hits come without sorting all of them.

use contracts::{
    Timestamp,
    id::{CommentId, ProjectId, TaskId, UserId},
};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use crate::domain::search::Words;

/// Something that has the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// In which project.
    pub project_id: ProjectId,
    /// The task, or the task that the comment is on.
    pub task_id: TaskId,
    /// The comment that has the words; absent when it is the task.
    pub comment_id: Option<CommentId>,
    /// Title of the task.
    pub title: String,
    /// Description of the task, or text of the comment.
    pub text: String,
    /// Who wrote it.
    pub author_id: UserId,
    /// When.
    pub created_at: Timestamp,
    /// Its number among the tasks or among the comments.
    pub seq: i64,
}

/// Where a page ended: numbers of the last task and of the last comment.
pub type After = (i64, i64);

/// Where the first page begins.
pub const START: After = (i64::MAX, i64::MAX);

/// At most `limit` hits after `after`, each with where the page ends if it is the last one.
///
/// # Errors
/// The database's.
pub async fn hits(
    db: &impl ConnectionTrait,
    user: UserId,
    words: &Words,
    after: After,
    limit: u64,
) -> Result<Vec<(Hit, After)>, DbErr> {
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let backend = db.get_database_backend();
    let (tasks, comments) = match backend {
        DbBackend::Postgres => (
            "FROM tasks t JOIN members m ON m.project_id = t.project_id
             WHERE t.search @@ to_tsquery('simple', $1) AND t.seq < $3",
            "FROM comments c JOIN tasks t ON t.id = c.task_id JOIN members m ON m.project_id = c.project_id
             WHERE c.search @@ to_tsquery('simple', $1) AND c.seq < $3",
        ),
        // CROSS JOIN is SQLite's way to say: in this order.
        _ => (
            "FROM task_search f CROSS JOIN tasks t ON t.seq = f.rowid CROSS JOIN members m ON m.project_id = t.project_id
             WHERE f.task_search MATCH $1 AND f.rowid < $3",
            "FROM comment_search f CROSS JOIN comments c ON c.seq = f.rowid CROSS JOIN tasks t ON t.id = c.task_id
             CROSS JOIN members m ON m.project_id = c.project_id
             WHERE f.comment_search MATCH $1 AND f.rowid < $3",
        ),
    };
    let row_number = |table: &str| {
        if backend == DbBackend::Postgres {
            format!("{table}.seq")
        } else {
            "f.rowid".to_owned()
        }
    };
    let run = async |columns: &str, from: &str, order: String, after: i64| -> Result<Vec<Hit>, DbErr> {
        let sql = format!(
            "SELECT {columns} {from} AND m.user_id = $2 AND m.removed_at IS NULL ORDER BY {order} DESC LIMIT $4"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = [
            expression(backend, words).into(),
            user.into(),
            after.into(),
            limit.into(),
        ];
        db.query_all_raw(Statement::from_sql_and_values(backend, sql, values))
            .await?
            .iter()
            .map(hit)
            .collect()
    };
    let task_columns = "t.project_id, t.id, NULL, t.title, t.description, t.created_by, t.created_at, t.seq";
    let comment_columns = "c.project_id, t.id, c.id, t.title, c.body, c.author_id, c.created_at, c.seq";
    let mut tasks = run(task_columns, tasks, row_number("t"), after.0)
        .await?
        .into_iter()
        .peekable();
    let mut comments = run(comment_columns, comments, row_number("c"), after.1)
        .await?
        .into_iter()
        .peekable();
    let mut merged = Vec::new();
    let mut end = after;
    while merged.len() < usize::try_from(limit).unwrap_or(usize::MAX) {
        let comment_first = match (tasks.peek(), comments.peek()) {
            (Some(task), Some(comment)) => comment.created_at > task.created_at,
            (task, _) => task.is_none(),
        };
        let Some(hit) = (if comment_first { comments.next() } else { tasks.next() }) else {
            break;
        };
        if comment_first {
            end.1 = hit.seq
        } else {
            end.0 = hit.seq
        }
        merged.push((hit, end));
    }
    Ok(merged)
}

fn hit(row: &QueryResult) -> Result<Hit, DbErr> {
    Ok(Hit {
        project_id: row.try_get_by_index(0)?,
        task_id: row.try_get_by_index(1)?,
        comment_id: row.try_get_by_index(2)?,
        title: row.try_get_by_index(3)?,
        text: row.try_get_by_index(4)?,
        author_id: row.try_get_by_index(5)?,
        created_at: row.try_get_by_index(6)?,
        seq: row.try_get_by_index(7)?,
    })
}

/// The words in the database's query language; they hold letters and digits only, so quotes suffice.
pub(super) fn expression(backend: DbBackend, words: &Words) -> String {
    let each: Vec<String> = match backend {
        DbBackend::Postgres => words.iter().map(|word| format!("'{word}':*")).collect(),
        _ => words.iter().map(|word| format!("\"{word}\"*")).collect(),
    };
    each.join(if backend == DbBackend::Postgres { " & " } else { " AND " })
}
