//! One row of an import: what a file says of a task, and what of it is acceptable.
//!
//! Files of every format become [`SourceTask`]s, texts as they were written; [`TaskDraft::parse`] holds them against the
//! rules that tasks of the API have to keep. Names of states and priorities are taken in the many ways that other tools
//! write them.

use chassis::FieldError;
use contracts::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    comment,
    label::LabelName,
    task::{Priority, Status},
    task_change::{ASSIGNEES_MAX, Change, Wish, time},
};

/// Characters of an id at the source at most.
pub const EXTERNAL_ID_MAX: usize = 500;
/// Characters of the name of a comment's author at most.
const AUTHOR_MAX: usize = 200;

/// A row as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which row, from 1, without the header.
    pub number: u64,
    /// The line of the file that it begins on, where the file has lines.
    pub line: Option<u64>,
    /// What it says, or why it cannot be read.
    pub task: Result<SourceTask, Vec<FieldError>>,
}

/// What a file says of a task; empty texts say nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct SourceTask {
    /// Its id at the source.
    pub external_id: String,
    /// One line.
    pub title: String,
    /// Any text.
    pub description: String,
    /// In any of the usual words.
    pub status: String,
    /// In any of the usual words.
    pub priority: String,
    /// A date, or a moment; without an offset it is in UTC.
    pub due_at: String,
    /// When it was made.
    pub created_at: String,
    /// When it was done.
    pub completed_at: String,
    /// Names.
    pub labels: Vec<String>,
    /// Handles, addresses or ids of users.
    pub assignees: Vec<String>,
    /// What was said about it, the oldest first.
    pub comments: Vec<SourceComment>,
    /// Why it is no task, when it is none.
    pub passed_over: Option<&'static str>,
}

/// A comment at the source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct SourceComment {
    /// Who wrote it, by whatever name.
    pub author: String,
    /// The text.
    pub body: String,
    /// When it was written.
    pub created_at: String,
}

impl Row {
    /// Bytes of its texts, about.
    pub fn size(&self) -> usize {
        match &self.task {
            Ok(task) => {
                let comments: usize = task.comments.iter().map(|comment| comment.body.len() + 200).sum();
                task.title.len() + task.description.len() + comments + 500
            }
            Err(_) => 500,
        }
    }
}

/// A task to be made of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDraft {
    /// Its fields; nobody is assigned yet.
    pub change: Change,
    /// Who shall work on it, by whatever name.
    pub assignees: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was done, for one that is done.
    pub completed_at: Option<Timestamp>,
    /// Its comments.
    pub comments: Vec<CommentDraft>,
}

/// A comment to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentDraft {
    /// Who wrote it at the source; absent when nobody is named.
    pub author: Option<String>,
    /// The text.
    pub body: String,
    /// When.
    pub created_at: Timestamp,
}

impl TaskDraft {
    /// Holds a row against the rules.
    ///
    /// # Errors
    /// Everything that is wrong with it; pointers name fields, `#/due_at`.
    pub fn parse(task: SourceTask, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let mut note = |error: FieldError| wrong.push(error);
        let status = word("/status", &task.status, status).map_err(&mut note).ok();
        let priority = word("/priority", &task.priority, priority).map_err(&mut note).ok();
        let due_at = moment("/due_at", &task.due_at, "T23:59:59Z").map_err(&mut note).ok();
        let created_at = past("/created_at", &task.created_at, now).map_err(&mut note).ok();
        let completed_at = past("/completed_at", &task.completed_at, now).map_err(&mut note).ok();
        if task.external_id.chars().count() > EXTERNAL_ID_MAX || task.external_id.chars().any(char::is_control) {
            let detail = format!("must be one line of at most {EXTERNAL_ID_MAX} characters");
            note(FieldError::new("/id", detail));
        }
        if task.assignees.len() > ASSIGNEES_MAX {
            let detail = format!(
                "a task has at most {ASSIGNEES_MAX} assignees, not {}",
                task.assignees.len()
            );
            note(FieldError::new("/assignees", detail));
        }
        let mut comments = Vec::with_capacity(task.comments.len());
        for (place, comment) in task.comments.into_iter().enumerate() {
            let at = format!("/comments/{place}");
            let body = comment::body(&comment.body)
                .map_err(|error| note(FieldError::new(format!("{at}/body"), error.detail)))
                .ok();
            let written = past(&format!("{at}/created_at"), &comment.created_at, now)
                .map_err(&mut note)
                .ok();
            let author: String = comment
                .author
                .trim()
                .chars()
                .filter(|letter| !letter.is_control())
                .collect();
            let author = Some(author.chars().take(AUTHOR_MAX).collect::<String>()).filter(|name| !name.is_empty());
            if let (Some(body), Some(written)) = (body, written) {
                comments.push(CommentDraft {
                    author,
                    body,
                    created_at: written.unwrap_or(now),
                });
            }
        }
        let wish = Wish {
            title: Some(task.title),
            description: Some(task.description),
            labels: Some(task.labels),
            ..Wish::default()
        };
        let change = Change::parse(wish, "").map_err(|more| wrong.extend(more)).ok();
        let (Some(change), Some(status), Some(priority), Some(due_at), Some(created_at), Some(completed_at), true) = (
            change,
            status,
            priority,
            due_at,
            created_at,
            completed_at,
            wrong.is_empty(),
        ) else {
            return Err(wrong);
        };
        let status = status.unwrap_or_default();
        Ok(Self {
            change: Change {
                status: Some(status),
                priority: Some(priority.unwrap_or_default()),
                due_at: Some(due_at),
                ..change
            },
            assignees: task.assignees,
            created_at: created_at.unwrap_or(now),
            completed_at: (status == Status::Done).then(|| completed_at.unwrap_or(now)),
            comments,
        })
    }

    /// Names of the labels it has.
    pub fn labels(&self) -> &[LabelName] {
        self.change.labels.as_deref().unwrap_or_default()
    }
}

/// The state that is meant by a word.
pub fn status(word: &str) -> Option<Status> {
    Some(match folded(word).as_str() {
        "todo" | "open" | "opened" | "new" | "backlog" | "notstarted" | "ready" | "reopened" => Status::Todo,
        "inprogress" | "doing" | "started" | "active" | "wip" => Status::InProgress,
        "inreview" | "review" | "reviewing" | "testing" | "qa" => Status::InReview,
        "done" | "closed" | "complete" | "completed" | "resolved" | "finished" => Status::Done,
        "cancelled" | "canceled" | "wontfix" | "wontdo" | "notplanned" | "rejected" | "duplicate" => Status::Cancelled,
        _ => return None,
    })
}

fn priority(word: &str) -> Option<Priority> {
    Some(match folded(word).as_str() {
        "none" | "nopriority" => Priority::None,
        "low" | "lowest" | "minor" | "trivial" | "p3" | "p4" => Priority::Low,
        "medium" | "normal" | "p2" => Priority::Medium,
        "high" | "major" | "p1" => Priority::High,
        "urgent" | "critical" | "highest" | "blocker" | "p0" => Priority::Urgent,
        _ => return None,
    })
}

/// Letters and digits in lower case: `In Progress`, `in_progress` and `IN-PROGRESS` are one.
pub fn folded(word: &str) -> String {
    word.chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

fn word<T>(pointer: &str, text: &str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, FieldError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let expected = if pointer == "/status" {
        "todo, in_progress, in_review, done or cancelled"
    } else {
        "none, low, medium, high or urgent"
    };
    let shown: String = text.chars().take(40).collect();
    read(text)
        .map(Some)
        .ok_or_else(|| FieldError::new(pointer, format!("{shown:?} is not known; expected {expected}")))
}

/// A moment, where a bare date means that date's `time_of_day` and a missing offset UTC.
fn moment(pointer: &str, text: &str, time_of_day: &str) -> Result<Option<Timestamp>, FieldError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let full = match text.len() {
        10 => format!("{text}{time_of_day}"),
        16 | 19 if !text.ends_with('Z') => {
            let seconds = if text.len() == 16 { ":00" } else { "" };
            format!("{}{seconds}Z", text.replacen(' ', "T", 1))
        }
        _ => text.to_owned(),
    };
    time(pointer, &full).map(Some).map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        let detail = format!(
            "{shown:?} is no date: expected 2026-12-01, 2026-12-01 16:00 (in UTC) or 2026-12-01T16:00:00+01:00"
        );
        FieldError::new(pointer, detail)
    })
}

fn past(pointer: &str, text: &str, now: Timestamp) -> Result<Option<Timestamp>, FieldError> {
    match moment(pointer, text, "T00:00:00Z")? {
        Some(at) if at > now => Err(FieldError::new(pointer, "must not be in the future")),
        at => Ok(at),
    }
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A task is made.
    Created,
    /// There is nothing to do: the task is there already, or it is none.
    Skipped,
    /// It cannot be taken.
    Rejected,
}

impl Outcome {
    /// The name in answers and the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Skipped => "skipped",
            Self::Rejected => "rejected",
        }
    }

    /// The outcome of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Created, Self::Skipped, Self::Rejected]
            .into_iter()
            .find(|outcome| outcome.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titled(title: &str) -> SourceTask {
        SourceTask {
            title: title.to_owned(),
            ..SourceTask::default()
        }
    }

    #[test]
    fn states_and_priorities_are_taken_as_other_tools_write_them() {
        let task = SourceTask {
            status: "In Progress".to_owned(),
            priority: "P1".to_owned(),
            ..titled("Fix the valve")
        };
        let draft = TaskDraft::parse(task, Timestamp::now()).unwrap();
        assert_eq!(draft.change.status, Some(Status::InProgress));
        assert_eq!(draft.change.priority, Some(Priority::High));
    }

    #[test]
    fn a_bare_date_is_due_at_its_end_and_a_time_without_offset_is_utc() {
        let due = |text: &str| {
            let task = SourceTask {
                due_at: text.to_owned(),
                ..titled("Fix the valve")
            };
            TaskDraft::parse(task, Timestamp::now()).map(|draft| draft.change.due_at.flatten().map(|at| at.to_string()))
        };
        assert_eq!(due("2026-12-01").unwrap().as_deref(), Some("2026-12-01T23:59:59Z"));
        assert_eq!(
            due("2026-12-01 16:00").unwrap().as_deref(),
            Some("2026-12-01T16:00:00Z")
        );
        assert_eq!(
            due("2026-12-01T16:00:00+01:00").unwrap().as_deref(),
            Some("2026-12-01T15:00:00Z")
        );
        assert_eq!(due(" ").unwrap(), None);
        assert_eq!(due("01.12.2026").unwrap_err()[0].pointer, "#/due_at");
    }

    #[test]
    fn everything_that_is_wrong_with_a_row_is_told() {
        let task = SourceTask {
            status: "maybe".to_owned(),
            priority: "very".to_owned(),
            due_at: "tomorrow".to_owned(),
            created_at: "2999-01-01".to_owned(),
            description: "x".repeat(20_001),
            ..titled(" ")
        };
        let wrong = TaskDraft::parse(task, Timestamp::now()).unwrap_err();
        let pointers: Vec<&str> = wrong.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "#/status",
                "#/priority",
                "#/due_at",
                "#/created_at",
                "#/title",
                "#/description"
            ]
        );
    }

    #[test]
    fn only_what_is_done_was_completed() {
        let now = Timestamp::now();
        let task = |status: &str| SourceTask {
            status: status.to_owned(),
            completed_at: "2026-01-02T03:04:05Z".to_owned(),
            ..titled("Fix the valve")
        };
        let completed = |status| {
            TaskDraft::parse(task(status), now)
                .unwrap()
                .completed_at
                .map(|at| at.to_string())
        };
        assert_eq!(completed("closed").as_deref(), Some("2026-01-02T03:04:05Z"));
        assert_eq!(completed("open"), None);
    }
}
