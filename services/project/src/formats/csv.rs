//! CSV: one task a row, columns by their names.

use std::io::Read;

use chassis::FieldError;
use encoding_rs::UTF_8;

use super::{
    Broken, Survey, Take, cell,
    export::COLUMNS,
    records::{Record, Records},
};
use crate::domain::import_row::{Row, SourceTask, folded};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Id,
    Title,
    Description,
    Status,
    Priority,
    DueAt,
    Labels,
    Assignees,
    CreatedAt,
    CompletedAt,
}

/// Names of columns, folded, as this and other tools write them.
const NAMES: [(Column, &[&str]); 10] = [
    (
        Column::Id,
        &["id", "key", "externalid", "taskid", "issueid", "issuekey", "number"],
    ),
    (
        Column::Title,
        &["title", "name", "summary", "subject", "task", "taskname", "cardname"],
    ),
    (
        Column::Description,
        &[
            "description",
            "body",
            "details",
            "note",
            "notes",
            "content",
            "carddescription",
        ],
    ),
    (
        Column::Status,
        &[
            "status",
            "state",
            "list",
            "listname",
            "stage",
            "section",
            "sectioncolumn",
        ],
    ),
    (Column::Priority, &["priority"]),
    (Column::DueAt, &["dueat", "due", "duedate", "deadline"]),
    (Column::Labels, &["labels", "label", "tags", "tag", "components"]),
    (
        Column::Assignees,
        &["assignees", "assignee", "assignedto", "owner", "owners", "members"],
    ),
    (
        Column::CreatedAt,
        &["createdat", "created", "createddate", "creationdate"],
    ),
    (
        Column::CompletedAt,
        &["completedat", "completed", "closedat", "resolved", "donedate"],
    ),
];

/// The first line.
struct Header {
    columns: Vec<Option<Column>>,
    ignored: Vec<String>,
    /// Whether it is the first line of our own export, in whatever order.
    ours: bool,
}

pub(super) fn survey(text: impl Read, survey: &mut Survey, named: bool) -> Result<(), Broken> {
    let mut count = 0;
    let ignored = rows(text, named || survey.charset != UTF_8, &mut |_| {
        count += 1;
        Ok(())
    })?;
    survey.rows = count;
    if !ignored.is_empty() {
        let names = ignored.join(", ");
        survey.notes.push(format!("columns that were not read: {names}"));
    }
    Ok(())
}

/// Gives every row to `take`; answers the names of columns that are not read. A byte that is no UTF-8 rejects its row where
/// the encoding is `certain`, and else shows that the file is in another one.
pub(super) fn rows(text: impl Read, certain: bool, take: &mut Take<'_>) -> Result<Vec<String>, Broken> {
    let mut records = Records::new(text)?;
    let header = match records.next()? {
        Some(Record::Fields { fields, .. }) => Header::read(&fields, certain)?,
        Some(Record::Broken { reason, .. }) => return Err(Broken::File(format!("the first line: {reason}"))),
        None => {
            return Err(Broken::File(
                "the file is empty; its first line names the columns".to_owned(),
            ));
        }
    };
    let mut number = 0;
    while let Some(record) = records.next()? {
        number += 1;
        let (line, task) = match record {
            Record::Fields { line, fields } => (line, header.task(fields, certain)?),
            Record::Broken { line, reason } => (line, Err(vec![FieldError::new("", reason)])),
        };
        take(Row {
            number,
            line: Some(line),
            task,
        })?;
    }
    Ok(header.ignored)
}

impl Header {
    fn read(fields: &[Vec<u8>], certain: bool) -> Result<Self, Broken> {
        let (mut columns, mut ignored) = (Vec::with_capacity(fields.len()), Vec::new());
        let mut names = Vec::with_capacity(fields.len());
        for field in fields {
            let name = match std::str::from_utf8(field) {
                Ok(name) => name.trim(),
                Err(_) if certain => {
                    return Err(Broken::File(
                        "the first line is not in the encoding that was named".to_owned(),
                    ));
                }
                Err(_) => return Err(Broken::Encoding),
            };
            let key = folded(name);
            let column = NAMES
                .iter()
                .find(|(_, names)| names.contains(&key.as_str()))
                .map(|(column, _)| *column);
            if column.is_some() && columns.contains(&column) {
                let detail =
                    format!("the first line names two columns for the same field, one of them {name:?}; remove one");
                return Err(Broken::File(detail));
            }
            if column.is_none() && !name.is_empty() && ignored.len() < 20 {
                ignored.push(name.chars().take(40).collect());
            }
            columns.push(column);
            names.push(name);
        }
        if !columns.contains(&Some(Column::Title)) {
            let detail = "the first line must name the columns, one of them title (or name, summary, subject)";
            return Err(Broken::File(detail.to_owned()));
        }
        let ours = COLUMNS.len() == names.len() && COLUMNS.iter().all(|name| names.contains(name));
        Ok(Self { columns, ignored, ours })
    }

    fn task(&self, fields: Vec<Vec<u8>>, certain: bool) -> Result<Result<SourceTask, Vec<FieldError>>, Broken> {
        if fields.len() > self.columns.len() {
            let detail = format!(
                "the row has {} fields and the first line names {}; put a field that holds the delimiter in quotes",
                fields.len(),
                self.columns.len()
            );
            return Ok(Err(vec![FieldError::new("", detail)]));
        }
        let mut task = SourceTask::default();
        for (field, column) in fields.into_iter().zip(&self.columns) {
            let text = match String::from_utf8(field) {
                Ok(text) if self.ours => cell::unescape(text),
                Ok(text) => text,
                Err(_) if certain => {
                    let detail = "the row is not in the encoding of the file; save the file as UTF-8";
                    return Ok(Err(vec![FieldError::new("", detail)]));
                }
                Err(_) => return Err(Broken::Encoding),
            };
            match column {
                None => {}
                Some(Column::Id) => task.external_id = text.trim().to_owned(),
                Some(Column::Title) => task.title = text,
                Some(Column::Description) => task.description = text,
                Some(Column::Status) => task.status = text,
                Some(Column::Priority) => task.priority = text,
                Some(Column::DueAt) => task.due_at = text,
                Some(Column::Labels) => task.labels = cell::split(&text),
                Some(Column::Assignees) => task.assignees = cell::split(&text),
                Some(Column::CreatedAt) => task.created_at = text,
                Some(Column::CompletedAt) => task.completed_at = text,
            }
        }
        Ok(Ok(task))
    }
}
