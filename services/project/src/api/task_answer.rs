//! A task as clients get it.

use poem_openapi::{Enum, Object, types::Example};
use serde::{Deserialize, Serialize};

use crate::domain::task;

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "TaskStatus", rename_all = "snake_case", remote = "task::Status")]
pub enum Status {
    /// Not begun.
    Todo,
    /// Somebody is at it.
    InProgress,
    /// Done, but somebody has to look at it.
    InReview,
    /// Done.
    Done,
    /// Will not be done.
    Cancelled,
}

/// How much a task matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "TaskPriority", rename_all = "snake_case", remote = "task::Priority")]
pub enum Priority {
    /// Nobody has said.
    None,
    /// Can wait.
    Low,
    /// As usual.
    Medium,
    /// Before others.
    High,
    /// Now.
    Urgent,
}

/// A task.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// In which project.
    pub project_id: String,
    /// One line.
    pub title: String,
    /// Empty when there is none.
    pub description: String,
    /// How far it is.
    pub status: Status,
    /// How much it matters.
    pub priority: Priority,
    /// When it is due, in UTC.
    pub due_at: Option<String>,
    /// Its place: texts compare byte by byte in the order of the project's tasks. They say nothing else, and a project's
    /// may all be renewed when there is no room between two; the order stays.
    pub position: String,
    /// Who works on it.
    pub assignee_ids: Vec<String>,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: String,
    /// When it changed last.
    pub updated_at: String,
    /// When it reached `done` last; null while it is not done.
    pub completed_at: Option<String>,
    /// Rises with each change; the `ETag` is made of it.
    pub version: i64,
}

impl Example for Task {
    fn example() -> Self {
        Self {
            id: "tsk_01k9xqv4pqe8p9h2zj6w3ndc5r".to_owned(),
            project_id: "prj_01k9xqt0vte0mbgkz9hm4rvw3e".to_owned(),
            title: "Fix the valve".to_owned(),
            description: "It leaks above four bar.".to_owned(),
            status: Status::Todo,
            priority: Priority::High,
            due_at: Some("2026-12-01T16:00:00Z".to_owned()),
            assignee_ids: Vec::new(),
            labels: vec!["hardware".to_owned()],
            position: "i0000000".to_owned(),
            created_by: "usr_01k9xqt0vte0mbgkz9hm4rvw3e".to_owned(),
            created_at: "2026-11-13T09:30:00Z".to_owned(),
            updated_at: "2026-11-13T09:30:00Z".to_owned(),
            completed_at: None,
            version: 1,
        }
    }
}

impl From<task::Task> for Task {
    fn from(task: task::Task) -> Self {
        Self {
            id: task.id.to_string(),
            project_id: task.project_id.to_string(),
            title: task.title,
            description: task.description,
            status: task.status.into(),
            priority: task.priority.into(),
            due_at: task.due_at.map(|due| due.to_string()),
            assignee_ids: task.assignee_ids.iter().map(ToString::to_string).collect(),
            labels: task.labels,
            position: task.position.to_string(),
            created_by: task.created_by.to_string(),
            created_at: task.created_at.to_string(),
            updated_at: task.updated_at.to_string(),
            completed_at: task.completed_at.map(|at| at.to_string()),
            version: task.version,
        }
    }
}

#[cfg(test)]
mod tests {
    use contracts::{
        Timestamp,
        id::{ProjectId, TaskId, UserId},
    };

    use super::*;
    use crate::domain::position::Position;

    #[test]
    fn the_json_stored_for_lists_is_the_answer_of_a_single_task() {
        let now = Timestamp::now();
        let full = task::Task {
            id: TaskId::new(),
            project_id: ProjectId::new(),
            title: "Fix \"the\" valve".to_owned(),
            description: "It leaks\nabove four bar.".to_owned(),
            status: task::Status::InReview,
            priority: task::Priority::Urgent,
            due_at: Some(now),
            position: Position::end(None).unwrap(),
            assignee_ids: vec![UserId::new()],
            labels: vec!["größe".to_owned()],
            created_by: UserId::new(),
            created_at: now,
            updated_at: now,
            completed_at: Some(now),
            version: 7,
        };
        let bare = task::Task {
            due_at: None,
            completed_at: None,
            labels: vec![],
            assignee_ids: vec![],
            ..full.clone()
        };
        for task in [full, bare] {
            let stored = serde_json::to_string(&task).unwrap();
            assert_eq!(stored, serde_json::to_string(&Task::from(task)).unwrap());
            assert!(!stored.contains('\n'), "a line of a page");
        }
    }
}
