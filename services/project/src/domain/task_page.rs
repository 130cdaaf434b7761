//! Which tasks a list shows, and in which order.

use chassis::FieldError;
use contracts::{Timestamp, id::UserId};

use super::{
    label::LabelName,
    search::Words,
    task::{Priority, Status},
};

/// What a client asked for, not checked yet; each is a query parameter.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Names, separated by commas.
    pub status: Option<String>,
    /// Names, separated by commas.
    pub priority: Option<String>,
    /// A user's id, or `me`.
    pub assignee: Option<String>,
    /// A label's name.
    pub label: Option<String>,
    /// RFC 3339.
    pub due_before: Option<String>,
    /// RFC 3339.
    pub due_after: Option<String>,
    /// A user's id, or `me`.
    pub created_by: Option<String>,
    /// RFC 3339.
    pub updated_since: Option<String>,
    /// Words.
    pub q: Option<String>,
    /// See [`Sort`].
    pub sort: Option<String>,
}

/// Which tasks; `None` and empty: whatever.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// In one of these.
    pub status: Vec<Status>,
    /// With one of these.
    pub priority: Vec<Priority>,
    /// On which this person works.
    pub assignee: Option<UserId>,
    /// That have the label with this key.
    pub label: Option<String>,
    /// Due before.
    pub due_before: Option<Timestamp>,
    /// Due at this time or after.
    pub due_after: Option<Timestamp>,
    /// Made by this person.
    pub created_by: Option<UserId>,
    /// Changed at this time or after.
    pub updated_since: Option<Timestamp>,
    /// With these words in title or description.
    pub words: Option<Words>,
}

/// By what tasks are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortKey {
    /// The order that the members gave them.
    #[default]
    Position,
    /// When they were made.
    CreatedAt,
    /// When they changed last.
    UpdatedAt,
    /// When they are due; tasks without a due time come last either way.
    DueAt,
    /// How much they matter.
    Priority,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sort {
    /// By what.
    pub key: SortKey,
    /// Largest, latest or last first.
    pub descending: bool,
}

impl Sort {
    /// Reads `position`, `created_at`, `updated_at`, `due_at` or `priority`, with `-` before it for the other direction.
    fn parse(text: &str) -> Option<Self> {
        let (descending, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
        let key = match name {
            "position" => SortKey::Position,
            "created_at" => SortKey::CreatedAt,
            "updated_at" => SortKey::UpdatedAt,
            "due_at" => SortKey::DueAt,
            "priority" => SortKey::Priority,
            _ => return None,
        };
        Some(Self { key, descending })
    }
}

impl Asked {
    /// Checks every parameter; `me` is `caller`.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn parse(self, caller: UserId) -> Result<(Filter, Sort), Vec<FieldError>> {
        let mut wrong = Vec::new();
        let mut filter = Filter {
            status: names(
                &mut wrong,
                "status",
                self.status.as_deref(),
                Status::parse,
                &Status::ALL.map(Status::name),
            ),
            priority: names(
                &mut wrong,
                "priority",
                self.priority.as_deref(),
                Priority::parse,
                &Priority::ALL.map(Priority::name),
            ),
            ..Filter::default()
        };
        {
            let mut note = |error: FieldError| wrong.push(error);
            let mut user = |name: &str, text: Option<String>| match text.as_deref() {
                None => None,
                Some("me") => Some(caller),
                Some(id) => id
                    .parse()
                    .map_err(|error: contracts::id::InvalidId| {
                        note(FieldError::parameter(name, format!("{error}, or me")))
                    })
                    .ok(),
            };
            filter.assignee = user("assignee", self.assignee);
            filter.created_by = user("created_by", self.created_by);
        }
        let mut note = |error: FieldError| wrong.push(error);
        let mut time = |name: &str, text: Option<String>| {
            text.and_then(|text| {
                text.parse::<Timestamp>()
                    .map_err(|error| note(FieldError::parameter(name, error.to_string())))
                    .ok()
            })
        };
        filter.due_before = time("due_before", self.due_before);
        filter.due_after = time("due_after", self.due_after);
        filter.updated_since = time("updated_since", self.updated_since);
        filter.words = self.q.and_then(|q| Words::parse(&q).map_err(&mut note).ok());
        filter.label = self.label.and_then(|name| {
            let parameter = |error: FieldError| FieldError::parameter("label", error.detail);
            LabelName::parse("", &name)
                .map(|name| name.key().to_owned())
                .map_err(|error| note(parameter(error)))
                .ok()
        });
        let sort = self.sort.map_or(Some(Sort::default()), |text| Sort::parse(&text));
        match sort {
            Some(sort) if wrong.is_empty() => Ok((filter, sort)),
            Some(_) => Err(wrong),
            None => {
                let detail =
                    "must be position, created_at, updated_at, due_at or priority, with - before it to turn it round";
                wrong.push(FieldError::parameter("sort", detail));
                Err(wrong)
            }
        }
    }
}

fn names<T: PartialEq>(
    wrong: &mut Vec<FieldError>,
    parameter: &str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Option<T>,
    all: &[&str],
) -> Vec<T> {
    let mut found = Vec::new();
    for name in text.into_iter().flat_map(|text| text.split(',')).map(str::trim) {
        match parse(name) {
            Some(value) if found.contains(&value) => {}
            Some(value) => found.push(value),
            None => {
                let detail = format!("must be one or more of {}, separated by commas", all.join(", "));
                wrong.push(FieldError::parameter(parameter, detail));
                break;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_parameter_is_told_at_once() {
        let text = |text: &str| Some(text.to_owned());
        let asked = Asked {
            status: text("todo,finished"),
            priority: text(""),
            assignee: text("ada"),
            label: text(" "),
            due_before: text("2026-01-01"),
            q: text(" "),
            sort: text("title"),
            ..Asked::default()
        };
        let wrong = asked.parse(UserId::new()).unwrap_err();
        let pointers: Vec<&str> = wrong.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "?status",
                "?priority",
                "?assignee",
                "?due_before",
                "?q",
                "?label",
                "?sort"
            ]
        );
    }

    #[test]
    fn several_states_and_me_are_understood() {
        let me = UserId::new();
        let asked = Asked {
            status: Some("todo, done,todo".to_owned()),
            assignee: Some("me".to_owned()),
            sort: Some("-due_at".to_owned()),
            ..Asked::default()
        };
        let (filter, sort) = asked.parse(me).unwrap();
        assert_eq!(
            (filter.status, filter.assignee),
            (vec![Status::Todo, Status::Done], Some(me))
        );
        assert_eq!(
            sort,
            Sort {
                key: SortKey::DueAt,
                descending: true
            }
        );
    }
}
