//! What clients ask of a task's fields, and what of it is acceptable.

use chassis::FieldError;
use contracts::{Timestamp, id::UserId};

use super::{
    label::LabelName,
    task::{Priority, Status},
    text,
};

/// Characters of a title at most.
pub const TITLE_MAX: usize = 200;
/// Characters of a description at most.
pub const DESCRIPTION_MAX: usize = 20_000;
/// People who work on one task at most.
pub const ASSIGNEES_MAX: usize = 50;
/// Labels of one task at most.
pub const LABELS_MAX: usize = 50;

/// What a client wants fields to be, not checked yet. `None`: not mentioned.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// One line.
    pub title: Option<String>,
    /// Any text.
    pub description: Option<String>,
    /// How far it is.
    pub status: Option<Status>,
    /// How much it matters.
    pub priority: Option<Priority>,
    /// RFC 3339, or no due time at all.
    pub due_at: Option<Option<String>>,
    /// Ids of all who shall work on it.
    pub assignee_ids: Option<Vec<String>>,
    /// Names of all its labels.
    pub labels: Option<Vec<String>>,
}

/// New values for fields of a task, each acceptable by itself. `None`: stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// See `Task::title`.
    pub title: Option<String>,
    /// See `Task::description`.
    pub description: Option<String>,
    /// See `Task::status`.
    pub status: Option<Status>,
    /// See `Task::priority`.
    pub priority: Option<Priority>,
    /// See `Task::due_at`.
    pub due_at: Option<Option<Timestamp>>,
    /// See `Task::assignee_ids`; without duplicates.
    pub assignee_ids: Option<Vec<UserId>>,
    /// See `Task::labels`; without duplicates.
    pub labels: Option<Vec<LabelName>>,
}

impl Change {
    /// Checks each value by itself; `at` is where the fields are in the body (empty: at its root).
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn parse(wish: Wish, at: &str) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let mut note = |error: FieldError| wrong.push(error);
        let title = wish.title.and_then(|title| {
            text::line(&format!("{at}/title"), &title, TITLE_MAX)
                .map_err(&mut note)
                .ok()
        });
        let description = wish.description.and_then(|description| {
            text::lines(&format!("{at}/description"), &description, DESCRIPTION_MAX)
                .map_err(&mut note)
                .ok()
        });
        let due_at = wish.due_at.and_then(|due| match due {
            None => Some(None),
            Some(due) => time(&format!("{at}/due_at"), &due).map_err(&mut note).ok().map(Some),
        });
        let assignee_ids = wish.assignee_ids.and_then(|ids| {
            people(&format!("{at}/assignee_ids"), &ids)
                .map_err(|all| wrong.extend(all))
                .ok()
        });
        let labels = wish.labels.and_then(|names| {
            LabelName::parse_all(&format!("{at}/labels"), &names, LABELS_MAX)
                .map_err(|all| wrong.extend(all))
                .ok()
        });
        if wrong.is_empty() {
            Ok(Self {
                title,
                description,
                status: wish.status,
                priority: wish.priority,
                due_at,
                assignee_ids,
                labels,
            })
        } else {
            Err(wrong)
        }
    }
}

/// A moment, in UTC whatever the offset it was written with.
///
/// # Errors
/// When it is no RFC 3339 time with an offset; at `pointer`.
pub fn time(pointer: &str, text: &str) -> Result<Timestamp, FieldError> {
    text.parse()
        .map_err(|error: contracts::timestamp::InvalidTimestamp| FieldError::new(pointer, error.to_string()))
}

fn people(pointer: &str, ids: &[String]) -> Result<Vec<UserId>, Vec<FieldError>> {
    if ids.len() > ASSIGNEES_MAX {
        let detail = format!("a task has at most {ASSIGNEES_MAX} assignees, not {}", ids.len());
        return Err(vec![FieldError::new(pointer, detail)]);
    }
    let mut wrong = Vec::new();
    let mut people = Vec::with_capacity(ids.len());
    for (place, id) in ids.iter().enumerate() {
        match id.parse::<UserId>() {
            Ok(id) if people.contains(&id) => {}
            Ok(id) => people.push(id),
            Err(error) => wrong.push(FieldError::new(format!("{pointer}/{place}"), error.to_string())),
        }
    }
    if wrong.is_empty() { Ok(people) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_wrong_fields_are_told_at_once_with_their_place() {
        let wish = Wish {
            title: Some(" \t".to_owned()),
            description: Some("a\u{0}b".to_owned()),
            due_at: Some(Some("tomorrow".to_owned())),
            assignee_ids: Some(vec![UserId::new().to_string(), "me".to_owned()]),
            labels: Some(vec!["x".repeat(51)]),
            ..Wish::default()
        };
        let wrong = Change::parse(wish, "/changes").unwrap_err();
        let pointers: Vec<&str> = wrong.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "#/changes/title",
                "#/changes/description",
                "#/changes/due_at",
                "#/changes/assignee_ids/1",
                "#/changes/labels/0"
            ]
        );
    }

    #[test]
    fn ten_thousand_labels_are_one_error_not_ten_thousand() {
        let labels = (0..10_000).map(|n| format!("label {n}")).collect();
        let wrong = Change::parse(
            Wish {
                labels: Some(labels),
                ..Wish::default()
            },
            "",
        )
        .unwrap_err();
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].detail.contains("at most 50"), "{:?}", wrong[0]);
    }
}
