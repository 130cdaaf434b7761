//! Tasks: their fields, how they change, and what is published about it.

use chassis::{FieldError, Problem, http::idempotency::KeyError};
use contracts::{
    Timestamp,
    id::{ProjectId, TaskId, UserId},
    project::TaskSnapshot,
};
use sea_orm::DbErr;
use serde::{Serialize, Serializer};

use super::{access::AccessError, position::Position, quota::QuotaError, task_change::Change};

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Status {
    /// Not begun.
    #[default]
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

impl Status {
    /// Every status.
    pub const ALL: [Self; 5] = [
        Self::Todo,
        Self::InProgress,
        Self::InReview,
        Self::Done,
        Self::Cancelled,
    ];

    /// The name in answers, events and the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Todo => "todo",
            Self::InProgress => "in_progress",
            Self::InReview => "in_review",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// How much a task matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Priority {
    /// Nobody has said.
    #[default]
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

impl Priority {
    /// Every priority, rising.
    pub const ALL: [Self; 5] = [Self::None, Self::Low, Self::Medium, Self::High, Self::Urgent];

    /// The name in answers and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }

    /// The number in the database, by which tasks are sorted.
    pub const fn rank(self) -> i32 {
        self as i32
    }

    /// The priority of this rank.
    pub fn from_rank(rank: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.rank() == rank)
    }

    /// The priority of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.name() == name)
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Serialize for Priority {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A task. Its JSON is what clients get: it is stored beside the task, so that lists need not be put together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Task {
    /// Which task.
    pub id: TaskId,
    /// In which project.
    pub project_id: ProjectId,
    /// One line.
    pub title: String,
    /// Empty when there is none.
    pub description: String,
    /// How far it is.
    pub status: Status,
    /// How much it matters.
    pub priority: Priority,
    /// When it is due.
    pub due_at: Option<Timestamp>,
    /// Where it stands in its project.
    pub position: Position,
    /// Who works on it.
    pub assignee_ids: Vec<UserId>,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// When it reached `done` last; absent while it is not done.
    pub completed_at: Option<Timestamp>,
    /// Rises by one with each change.
    pub version: i64,
}

/// What became of a task by a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effect {
    /// Names of the fields that are different now.
    pub changed: Vec<&'static str>,
    /// The status before, when it is different now.
    pub previous_status: Option<Status>,
    /// Who works on it from now on and did not before.
    pub newly_assigned: Vec<UserId>,
}

impl Task {
    /// Takes over `change`, with the names that its labels have in the project. A change that changes nothing leaves the
    /// version as it is.
    pub fn apply(&mut self, change: Change, labels: Option<Vec<String>>, now: Timestamp) -> Effect {
        fn replace<T: PartialEq>(old: &mut T, new: Option<T>, name: &'static str, effect: &mut Effect) {
            if let Some(new) = new
                && *old != new
            {
                *old = new;
                effect.changed.push(name);
            }
        }
        let mut effect = Effect::default();
        let status = self.status;
        let assigned = change
            .assignee_ids
            .iter()
            .flatten()
            .filter(|user| !self.assignee_ids.contains(user))
            .copied();
        effect.newly_assigned = assigned.collect();
        replace(&mut self.title, change.title, "title", &mut effect);
        replace(&mut self.description, change.description, "description", &mut effect);
        replace(&mut self.status, change.status, "status", &mut effect);
        replace(&mut self.priority, change.priority, "priority", &mut effect);
        replace(&mut self.due_at, change.due_at, "due_at", &mut effect);
        replace(&mut self.assignee_ids, change.assignee_ids, "assignee_ids", &mut effect);
        replace(&mut self.labels, labels, "labels", &mut effect);
        if self.status != status {
            effect.previous_status = Some(status);
            self.completed_at = (self.status == Status::Done).then_some(now);
        }
        if !effect.changed.is_empty() {
            self.touch(now);
        }
        effect
    }

    /// Notes that the task is another version from `now` on.
    pub fn touch(&mut self, now: Timestamp) {
        self.version += 1;
        self.updated_at = now;
    }

    /// The task as events tell it.
    pub fn snapshot(&self) -> TaskSnapshot {
        TaskSnapshot {
            task_id: self.id,
            project_id: self.project_id,
            title: self.title.clone(),
            status: self.status.name().to_owned(),
            priority: self.priority.name().to_owned(),
            due_at: self.due_at,
            assignee_ids: self.assignee_ids.clone(),
            labels: self.labels.clone(),
            created_by: self.created_by,
            created_at: self.created_at,
            completed_at: self.completed_at,
            version: self.version,
        }
    }
}

/// Where a task shall be moved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// Directly before this task.
    Before(TaskId),
    /// Directly after this task.
    After(TaskId),
    /// To the end of its project.
    End,
}

impl Destination {
    /// Reads where `task` shall go: at most one of the two, and another task than itself.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(task: TaskId, before: Option<&str>, after: Option<&str>) -> Result<Self, FieldError> {
        let other = |pointer: &str, text: &str| match text.parse::<TaskId>() {
            Ok(other) if other == task => Err(FieldError::new(
                pointer,
                "must be another task than the one that is moved",
            )),
            Ok(other) => Ok(other),
            Err(error) => Err(FieldError::new(pointer, error.to_string())),
        };
        match (before, after) {
            (None, None) => Ok(Self::End),
            (Some(before), None) => other("/before", before).map(Self::Before),
            (None, Some(after)) => other("/after", after).map(Self::After),
            (Some(_), Some(_)) => Err(FieldError::new("/after", "name only one of before and after")),
        }
    }

    /// Where in the body it was named.
    pub const fn pointer(self) -> &'static str {
        match self {
            Self::Before(_) => "/before",
            Self::After(_) | Self::End => "/after",
        }
    }
}

/// Why something could not be done with a task.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// No such task, or not one of the caller's projects': it cannot be told which.
    #[error("there is no such task, or you are not a member of its project")]
    NotFound,
    /// The caller may not do it in the project.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Values that cannot be accepted.
    #[error("{} values cannot be accepted", .0.len())]
    Invalid(Vec<FieldError>),
    /// Another version was expected.
    #[error(transparent)]
    Precondition(#[from] Problem),
    /// The plan allows no more.
    #[error(transparent)]
    Quota(#[from] QuotaError),
    /// The key was used for something else.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database failed.
    #[error("storing the task")]
    Store(#[from] DbErr),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        let now = Timestamp::from_micros(1_000_000);
        Task {
            id: TaskId::new(),
            project_id: ProjectId::new(),
            title: "Fix the valve".to_owned(),
            description: String::new(),
            status: Status::Todo,
            priority: Priority::None,
            due_at: None,
            position: Position::end(None).unwrap(),
            assignee_ids: vec![],
            labels: vec![],
            created_by: UserId::new(),
            created_at: now,
            updated_at: now,
            completed_at: None,
            version: 1,
        }
    }

    #[test]
    fn a_change_that_changes_nothing_leaves_the_version_alone() {
        let mut task = task();
        let same = Change {
            title: Some(task.title.clone()),
            status: Some(Status::Todo),
            ..Change::default()
        };
        assert_eq!(task.apply(same, None, Timestamp::now()), Effect::default());
        assert_eq!(task.version, 1);
    }

    #[test]
    fn a_task_is_completed_when_it_is_done_and_not_any_more_when_it_is_reopened() {
        let mut task = task();
        let now = Timestamp::from_micros(5_000_000);
        let done = Change {
            status: Some(Status::Done),
            ..Change::default()
        };
        let effect = task.apply(done, None, now);
        assert_eq!(
            (effect.previous_status, task.completed_at, task.version),
            (Some(Status::Todo), Some(now), 2)
        );
        let again = Change {
            status: Some(Status::InProgress),
            ..Change::default()
        };
        task.apply(again, None, now);
        assert_eq!((task.completed_at, task.version), (None, 3));
    }

    #[test]
    fn only_who_is_new_is_newly_assigned() {
        let (ada, bob) = (UserId::new(), UserId::new());
        let mut task = Task {
            assignee_ids: vec![ada],
            ..task()
        };
        let both = Change {
            assignee_ids: Some(vec![bob, ada]),
            ..Change::default()
        };
        let effect = task.apply(both, None, Timestamp::now());
        assert_eq!(effect.newly_assigned, [bob]);
        assert_eq!(effect.changed, ["assignee_ids"]);
    }

    #[test]
    fn a_task_cannot_be_moved_next_to_itself_or_to_two_places() {
        let (task, other) = (TaskId::new(), TaskId::new().to_string());
        assert_eq!(
            Destination::parse(task, Some(&task.to_string()), None)
                .unwrap_err()
                .pointer,
            "#/before"
        );
        assert_eq!(
            Destination::parse(task, Some(&other), Some(&other))
                .unwrap_err()
                .pointer,
            "#/after"
        );
        assert_eq!(
            Destination::parse(task, None, Some("prj_1")).unwrap_err().pointer,
            "#/after"
        );
        assert_eq!(Destination::parse(task, None, None), Ok(Destination::End));
    }
}
