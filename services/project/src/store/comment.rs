//! Comments: rows, the access check, and every way a comment changes.

use contracts::{
    Timestamp,
    id::{CommentId, TaskId, UserId},
    project::{CommentCreated, CommentDeleted, CommentUpdated},
};
use database::Tx;
use identity::{Caller, ProjectRole};
use messaging::append;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};
use serde_json::json;

use super::{activity::record_activity, json_list, member};
use crate::domain::{
    access::AccessError,
    comment::{Comment, CommentError, Reached, mentioned_names},
    task::Task,
};

const COLUMNS: &str = "c.id, c.task_id, c.project_id, c.author_id, c.body, c.mentioned_ids, c.created_at, c.edited_at, c.version, \
     c.original_author";

fn comment(row: &QueryResult) -> Result<Comment, DbErr> {
    Ok(Comment {
        id: row.try_get_by_index(0)?,
        task_id: row.try_get_by_index(1)?,
        project_id: row.try_get_by_index(2)?,
        author_id: row.try_get_by_index(3)?,
        body: row.try_get_by_index(4)?,
        mentioned_ids: json_list::read(&row.try_get_by_index::<String>(5)?)?,
        created_at: row.try_get_by_index(6)?,
        edited_at: row.try_get_by_index(7)?,
        version: row.try_get_by_index(8)?,
        original_author: row.try_get_by_index(9)?,
    })
}

/// Lets members who may write reach comment `id` to change it.
///
/// # Errors
/// [`CommentError::NotFound`] for an unknown, foreign or malformed id; [`AccessError`] for viewers and archived projects.
pub async fn access(tx: &Tx, caller: &Caller, id: &str) -> Result<Reached, CommentError> {
    let id: CommentId = id.parse().map_err(|_| CommentError::NotFound)?;
    let backend = tx.get_database_backend();
    let lock = if backend == DbBackend::Postgres {
        "FOR UPDATE OF c FOR KEY SHARE OF p"
    } else {
        ""
    };
    let query = Statement::from_sql_and_values(
        backend,
        format!(
            "SELECT {COLUMNS}, t.title, m.role, p.archived_at
             FROM comments c
             JOIN tasks t ON t.id = c.task_id
             JOIN members m ON m.project_id = c.project_id AND m.user_id = $2 AND m.removed_at IS NULL
             JOIN projects p ON p.id = c.project_id
             WHERE c.id = $1 {lock}"
        ),
        [id.into(), caller.user.into()],
    );
    let row = tx.query_one_raw(query).await?.ok_or(CommentError::NotFound)?;
    let role = member::role(&row.try_get_by_index::<String>(11)?)?;
    if role < ProjectRole::Member {
        return Err(AccessError::Forbidden(ProjectRole::Member).into());
    }
    if row.try_get_by_index::<Option<Timestamp>>(12)?.is_some() {
        return Err(AccessError::Archived.into());
    }
    Ok(Reached {
        comment: comment(&row)?,
        task_title: row.try_get_by_index(10)?,
        role,
    })
}

/// Writes a comment on a task that the caller may change.
///
/// # Errors
/// The database's.
pub async fn create(tx: &Tx, task: &Task, body: String, author: UserId, now: Timestamp) -> Result<Comment, DbErr> {
    let mentioned = member::members_by_handle_or_email(tx, task.project_id, &mentioned_names(&body)).await?;
    let comment = Comment {
        id: CommentId::new(),
        task_id: task.id,
        project_id: task.project_id,
        author_id: author,
        original_author: None,
        body,
        mentioned_ids: mentioned,
        created_at: now,
        edited_at: None,
        version: 1,
    };
    let insert = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO comments (id, task_id, project_id, author_id, body, mentioned_ids, created_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        [
            comment.id.into(),
            comment.task_id.into(),
            comment.project_id.into(),
            comment.author_id.into(),
            comment.body.as_str().into(),
            json_list::value(&comment.mentioned_ids).into(),
            comment.created_at.into(),
            comment.version.into(),
        ],
    );
    tx.execute_raw(insert).await?;
    let mut participants = vec![task.created_by];
    participants.extend(task.assignee_ids.iter().filter(|user| **user != task.created_by));
    participants.retain(|user| *user != author);
    // Somebody who has left the project hears nothing of it any more.
    let staying = member::members_among(tx, task.project_id, &participants).await?;
    participants.retain(|user| staying.contains(user));
    let event = CommentCreated {
        comment_id: comment.id,
        task_id: task.id,
        project_id: task.project_id,
        task_title: task.title.clone(),
        author_id: author,
        excerpt: comment.excerpt(),
        mentioned_ids: others(&comment.mentioned_ids, author),
        participant_ids: participants,
        version: comment.version,
    };
    append(tx, &event)?;
    let data = json!({ "task_id": task.id, "title": task.title, "excerpt": event.excerpt });
    record_activity(
        tx,
        task.project_id,
        author,
        "comment.created",
        &comment.id.to_string(),
        data,
        now,
    )
    .await?;
    Ok(comment)
}

/// Gives a comment another text; the same text changes nothing.
///
/// # Errors
/// The database's.
pub async fn change(tx: &Tx, reached: Reached, body: String, now: Timestamp) -> Result<Comment, DbErr> {
    let Reached {
        mut comment,
        task_title,
        ..
    } = reached;
    if comment.body == body {
        return Ok(comment);
    }
    let mentioned = member::members_by_handle_or_email(tx, comment.project_id, &mentioned_names(&body)).await?;
    let fresh: Vec<UserId> = mentioned
        .iter()
        .filter(|user| !comment.mentioned_ids.contains(user))
        .copied()
        .collect();
    comment.body = body;
    comment.mentioned_ids = mentioned;
    comment.edited_at = Some(now);
    comment.version += 1;
    let update = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "UPDATE comments SET body = $2, mentioned_ids = $3, edited_at = $4, version = $5 WHERE id = $1",
        [
            comment.id.into(),
            comment.body.as_str().into(),
            json_list::value(&comment.mentioned_ids).into(),
            comment.edited_at.into(),
            comment.version.into(),
        ],
    );
    tx.execute_raw(update).await?;
    let event = CommentUpdated {
        comment_id: comment.id,
        task_id: comment.task_id,
        project_id: comment.project_id,
        task_title,
        author_id: comment.author_id,
        excerpt: comment.excerpt(),
        mentioned_ids: others(&fresh, comment.author_id),
        version: comment.version,
    };
    append(tx, &event)?;
    let data = json!({ "task_id": comment.task_id, "title": event.task_title, "excerpt": event.excerpt });
    record_activity(
        tx,
        comment.project_id,
        comment.author_id,
        "comment.updated",
        &comment.id.to_string(),
        data,
        now,
    )
    .await?;
    Ok(comment)
}

/// Removes a comment.
///
/// # Errors
/// The database's.
pub async fn remove(tx: &Tx, reached: &Reached, actor: UserId, now: Timestamp) -> Result<(), DbErr> {
    let comment = &reached.comment;
    let delete = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "DELETE FROM comments WHERE id = $1",
        [comment.id.into()],
    );
    tx.execute_raw(delete).await?;
    let event = CommentDeleted {
        comment_id: comment.id,
        task_id: comment.task_id,
        project_id: comment.project_id,
        actor_id: actor,
        version: comment.version + 1,
    };
    append(tx, &event)?;
    let data = json!({ "task_id": comment.task_id, "title": reached.task_title });
    record_activity(
        tx,
        comment.project_id,
        actor,
        "comment.deleted",
        &comment.id.to_string(),
        data,
        now,
    )
    .await
}

/// At most `limit` comments of a task after the one with number `after`, the oldest first, each with its number.
///
/// # Errors
/// The database's.
pub async fn list(
    db: &impl ConnectionTrait,
    task: TaskId,
    after: i64,
    limit: u64,
) -> Result<Vec<(Comment, i64)>, DbErr> {
    let query = Statement::from_sql_and_values(
        db.get_database_backend(),
        format!("SELECT {COLUMNS}, c.seq FROM comments c WHERE c.task_id = $1 AND c.seq > $2 ORDER BY c.seq LIMIT $3"),
        [
            task.into(),
            after.into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
        ],
    );
    db.query_all_raw(query)
        .await?
        .iter()
        .map(|row| Ok((comment(row)?, row.try_get_by_index(10)?)))
        .collect()
}

fn others(users: &[UserId], author: UserId) -> Vec<UserId> {
    users.iter().filter(|user| **user != author).copied().collect()
}
