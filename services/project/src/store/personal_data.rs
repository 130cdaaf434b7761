//! What this service holds about a person, piece by piece.

use contracts::id::UserId;
use sea_orm::{ConnectionTrait, DbErr, Statement, Value};
use serde_json::json;

/// One of the lists that may be long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Tasks that the person made.
    TasksCreated,
    /// Tasks that the person works on.
    TasksAssigned,
    /// Comments that the person wrote or imported.
    Comments,
    /// What the person did in projects.
    Activity,
}

impl List {
    /// Every list.
    pub const ALL: [Self; 4] = [Self::TasksCreated, Self::TasksAssigned, Self::Comments, Self::Activity];

    /// The name in the answer.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TasksCreated => "tasks_created",
            Self::TasksAssigned => "tasks_assigned",
            Self::Comments => "comments",
            Self::Activity => "activity",
        }
    }

    /// Each row: where it stands, and what it says as JSON.
    const fn sql(self) -> &'static str {
        match self {
            Self::TasksCreated => "SELECT id, json FROM tasks WHERE created_by = $1 AND id > $2 ORDER BY id LIMIT $3",
            Self::TasksAssigned => {
                "SELECT t.id, t.json FROM task_assignees a JOIN tasks t ON t.id = a.task_id
                 WHERE a.user_id = $1 AND t.id > $2 ORDER BY t.id LIMIT $3"
            }
            Self::Comments => {
                "SELECT id, body, task_id, created_at FROM comments WHERE author_id = $1 AND id > $2 ORDER BY id LIMIT $3"
            }
            Self::Activity => {
                "SELECT id, kind, subject_id, created_at FROM activity WHERE actor_id = $1 AND id > $2 ORDER BY id LIMIT $3"
            }
        }
    }
}

/// Up to `limit` elements of a list after the one with id `after`, each as JSON; with the id of the last.
///
/// # Errors
/// The database's.
pub async fn elements(
    db: &impl ConnectionTrait,
    user: UserId,
    list: List,
    after: &str,
    limit: u64,
) -> Result<(Vec<String>, Option<String>), DbErr> {
    let values: [Value; 3] = [
        user.into(),
        after.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    let query = Statement::from_sql_and_values(db.get_database_backend(), list.sql(), values);
    let (mut elements, mut last) = (Vec::new(), None);
    for row in db.query_all_raw(query).await? {
        let id: String = row.try_get_by_index(0)?;
        let text: String = row.try_get_by_index(1)?;
        elements.push(match list {
            List::TasksCreated | List::TasksAssigned => text,
            List::Comments => {
                let (task, at): (String, contracts::Timestamp) = (row.try_get_by_index(2)?, row.try_get_by_index(3)?);
                json!({ "id": id, "task_id": task, "body": text, "created_at": at }).to_string()
            }
            List::Activity => {
                let (subject, at): (String, contracts::Timestamp) =
                    (row.try_get_by_index(2)?, row.try_get_by_index(3)?);
                json!({ "id": id, "kind": text, "subject_id": subject, "created_at": at }).to_string()
            }
        });
        last = Some(id);
    }
    Ok((elements, last))
}

/// The projects that the person is a member of, each as JSON.
///
/// # Errors
/// The database's.
pub async fn memberships(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<serde_json::Value>, DbErr> {
    let query = "SELECT m.project_id, p.name, m.role, m.joined_at FROM members m JOIN projects p ON p.id = m.project_id
                 WHERE m.user_id = $1 AND m.removed_at IS NULL ORDER BY m.joined_at";
    let query = Statement::from_sql_and_values(db.get_database_backend(), query, [user.into()]);
    let rows = db.query_all_raw(query).await?;
    rows.iter()
        .map(|row| {
            let (project, name): (String, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            let (role, since): (String, contracts::Timestamp) = (row.try_get_by_index(2)?, row.try_get_by_index(3)?);
            Ok(json!({ "project_id": project, "name": name, "role": role, "joined_at": since }))
        })
        .collect()
}
