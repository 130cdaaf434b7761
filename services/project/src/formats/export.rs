//! What this service writes: CSV for people and other tools, JSON with everything, both read back by an import.

use contracts::Timestamp;
use serde::Serialize;

use super::cell;
use crate::domain::task::Task;

/// The columns of an exported CSV file.
pub(crate) const COLUMNS: [&str; 10] = [
    "id",
    "title",
    "description",
    "status",
    "priority",
    "due_at",
    "labels",
    "assignees",
    "created_at",
    "completed_at",
];

/// What the JSON export says of itself, so that an import knows it.
pub(crate) const MARK: &str = "cloudtaskhub.project.v1";

/// A task with the names that a file shows in place of ids.
#[derive(Debug, Serialize)]
pub(crate) struct ExportedTask {
    id: String,
    title: String,
    description: String,
    status: &'static str,
    priority: &'static str,
    due_at: Option<Timestamp>,
    labels: Vec<String>,
    assignees: Vec<String>,
    created_at: Timestamp,
    completed_at: Option<Timestamp>,
    comments: Vec<ExportedComment>,
}

/// A comment.
#[derive(Debug, Serialize)]
pub(crate) struct ExportedComment {
    /// Handle, or the name at the source for one that was imported.
    pub(crate) author: String,
    /// The text.
    pub(crate) body: String,
    /// When it was written.
    pub(crate) created_at: Timestamp,
}

impl ExportedTask {
    /// `assignees` by name.
    pub(crate) fn new(task: Task, assignees: Vec<String>, comments: Vec<ExportedComment>) -> Self {
        Self {
            id: task.id.to_string(),
            title: task.title,
            description: task.description,
            status: task.status.name(),
            priority: task.priority.name(),
            due_at: task.due_at,
            labels: task.labels,
            assignees,
            created_at: task.created_at,
            completed_at: task.completed_at,
            comments,
        }
    }
}

/// The first line of a CSV file.
pub(crate) fn csv_header() -> std::io::Result<Vec<u8>> {
    csv_lines([COLUMNS.map(str::to_owned)])
}

/// The lines of some tasks.
pub(crate) fn csv_tasks(tasks: &[ExportedTask]) -> std::io::Result<Vec<u8>> {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    csv_lines(tasks.iter().map(|task| {
        [
            task.id.clone(),
            cell::escape(&task.title).into_owned(),
            cell::escape(&task.description).into_owned(),
            task.status.to_owned(),
            task.priority.to_owned(),
            time(task.due_at),
            cell::escape(&cell::join(task.labels.iter().map(String::as_str))).into_owned(),
            cell::escape(&cell::join(task.assignees.iter().map(String::as_str))).into_owned(),
            task.created_at.to_string(),
            time(task.completed_at),
        ]
    }))
}

fn csv_lines<const N: usize>(lines: impl IntoIterator<Item = [String; N]>) -> std::io::Result<Vec<u8>> {
    let mut writer = ::csv::WriterBuilder::new()
        .terminator(::csv::Terminator::CRLF)
        .from_writer(Vec::new());
    for line in lines {
        writer.write_record(&line).map_err(std::io::Error::other)?;
    }
    writer
        .into_inner()
        .map_err(|error| std::io::Error::other(error.to_string()))
}
