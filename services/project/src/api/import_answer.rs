//! Imports and their reports as clients get them.

use chassis::FieldError;
use poem_openapi::{Object, types::Example};
use serde::{Deserialize, Serialize};

use crate::{domain::import, store::import_line};

/// An import.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Import {
    /// Its id.
    pub id: String,
    /// `queued`, `running`, `completed` or `failed`.
    pub status: String,
    /// Whether it only reports what would happen.
    pub dry_run: bool,
    /// `csv`, `trello`, `github` or `cloudtaskhub`; null until it is known.
    pub format: Option<String>,
    /// The encoding of the file's text; null until it is known.
    pub charset: Option<String>,
    /// The name of the project to fill; null for an import into a project that was there.
    pub project_name: Option<String>,
    /// The project that it fills; null until there is one.
    pub project_id: Option<String>,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// Rows of the file; null until they are counted.
    pub rows_total: Option<u64>,
    /// Rows that are done with.
    pub rows_read: u64,
    /// Tasks that were created, or would be.
    pub created: u64,
    /// Rows that needed nothing: their tasks are there already.
    pub skipped: u64,
    /// Rows that could not be taken; the report says why.
    pub rejected: u64,
    /// What is good to know about the file.
    pub notes: Vec<String>,
    /// Why the import failed; null when it did not.
    pub failure: Option<String>,
    /// When it was asked for.
    pub created_at: String,
    /// When it ended; null until then.
    pub finished_at: Option<String>,
}

impl Example for Import {
    fn example() -> Self {
        Self {
            id: "imp_01k9xqv4pqe8p9h2zj6w3ndc5r".to_owned(),
            status: "running".to_owned(),
            dry_run: false,
            format: Some("csv".to_owned()),
            charset: Some("UTF-8".to_owned()),
            project_name: Some("Website relaunch".to_owned()),
            project_id: Some("prj_01k9xqv4pqe8p9h2zj6w3ndc5r".to_owned()),
            size_bytes: 104_857,
            rows_total: Some(1200),
            rows_read: 500,
            created: 497,
            skipped: 2,
            rejected: 1,
            notes: vec!["columns that were not read: sprint".to_owned()],
            failure: None,
            created_at: "2026-11-13T09:30:00Z".to_owned(),
            finished_at: None,
        }
    }
}

impl From<import::Import> for Import {
    fn from(import: import::Import) -> Self {
        Self {
            id: import.id.to_string(),
            status: import.state.name().to_owned(),
            dry_run: import.dry_run,
            format: import.format.map(|format| format.name().to_owned()),
            charset: import.charset,
            project_name: import.project_name,
            project_id: import.project_id.map(|id| id.to_string()),
            size_bytes: import.size,
            rows_total: import.rows_total,
            rows_read: import.rows_read,
            created: import.created,
            skipped: import.skipped,
            rejected: import.rejected,
            notes: import.notes,
            failure: import.failure,
            created_at: import.created_at.to_string(),
            finished_at: import.finished_at.map(|at| at.to_string()),
        }
    }
}

/// An import with the first of its rows that could not be taken.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct ImportDetail {
    /// The import.
    pub import: Import,
    /// The first 20 rows that could not be taken.
    pub problems: Vec<ImportLine>,
}

/// What became of a row.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct ImportLine {
    /// Which row, from 1; the header of a CSV file is none.
    pub row: i64,
    /// The line of the file that it begins on; null in files without lines.
    pub line: Option<i64>,
    /// `created`, `skipped` or `rejected`; in a dry run, what would become of it.
    pub outcome: String,
    /// Its title.
    pub title: String,
    /// The task that was made of it.
    pub task_id: Option<String>,
    /// Why it was skipped or rejected, or what could not be taken over. Pointers name fields: `#/due_at`.
    pub problems: Vec<RowProblem>,
}

/// Something about a row.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct RowProblem {
    /// The field; `#` for the row as a whole.
    pub pointer: String,
    /// What is wrong and what is expected.
    pub detail: String,
}

impl Example for ImportLine {
    fn example() -> Self {
        Self {
            row: 7,
            line: Some(8),
            outcome: "rejected".to_owned(),
            title: "Fix the valve".to_owned(),
            task_id: None,
            problems: vec![RowProblem {
                pointer: "#/due_at".to_owned(),
                detail:
                    "\"soon\" is no date: expected 2026-12-01, 2026-12-01 16:00 (in UTC) or 2026-12-01T16:00:00+01:00"
                        .to_owned(),
            }],
        }
    }
}

impl From<import_line::Line> for ImportLine {
    fn from(line: import_line::Line) -> Self {
        let problem = |error: FieldError| RowProblem {
            pointer: error.pointer,
            detail: error.detail,
        };
        Self {
            row: line.number,
            line: line.line,
            outcome: line.outcome.name().to_owned(),
            title: line.title,
            task_id: line.task_id.map(|id| id.to_string()),
            problems: line.problems.into_iter().map(problem).collect(),
        }
    }
}
