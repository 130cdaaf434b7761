//! Labels: words by which a project sorts its tasks.

use chassis::{FieldError, Problem, http::idempotency::KeyError};
use contracts::{
    Timestamp,
    id::{LabelId, ProjectId},
};
use sea_orm::DbErr;

use super::{access::AccessError, task::TaskError, text};

/// Characters of a label's name at most.
pub const NAME_MAX: usize = 50;
/// Labels of one project at most, those that tasks bring along included.
pub const PER_PROJECT: u64 = 500;
/// How many tasks may have a label that is renamed or deleted: each of them changes in the same transaction.
pub const TASKS_CHANGED_AT_ONCE: u64 = 5_000;

/// What a label gets whose maker does not choose: one of these, by its name.
const PALETTE: [&str; 8] = [
    "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#17becf",
];

/// A label's name; two names that differ in case only are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelName {
    name: String,
    key: String,
}

impl LabelName {
    /// Reads a name.
    ///
    /// # Errors
    /// When it is empty, too long or not one line; at `pointer`.
    pub fn parse(pointer: &str, name: &str) -> Result<Self, FieldError> {
        let name = text::line(pointer, name, NAME_MAX)?;
        let key = name.to_lowercase();
        Ok(Self { name, key })
    }

    /// Reads at most `max` names; one that comes twice counts once.
    ///
    /// # Errors
    /// All that are wrong, or that they are too many.
    pub fn parse_all(pointer: &str, names: &[String], max: usize) -> Result<Vec<Self>, Vec<FieldError>> {
        if names.len() > max {
            let detail = format!("a task has at most {max} labels, not {}", names.len());
            return Err(vec![FieldError::new(pointer, detail)]);
        }
        let mut wrong = Vec::new();
        let mut parsed: Vec<Self> = Vec::with_capacity(names.len());
        for (place, name) in names.iter().enumerate() {
            match Self::parse(&format!("{pointer}/{place}"), name) {
                Ok(name) if parsed.iter().any(|other| other.key == name.key) => {}
                Ok(name) => parsed.push(name),
                Err(error) => wrong.push(error),
            }
        }
        if wrong.is_empty() { Ok(parsed) } else { Err(wrong) }
    }

    /// As it was written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is equal for equal names.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The colour of a label that nobody chose one for; the same name has the same everywhere.
    pub fn usual_colour(&self) -> &'static str {
        let sum = self.key.bytes().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        PALETTE[sum % PALETTE.len()]
    }
}

/// A colour as clients write it: `#1f77b4`.
///
/// # Errors
/// When it is not `#` and six hexadecimal digits.
pub fn colour(pointer: &str, text: &str) -> Result<String, FieldError> {
    let digits = text
        .strip_prefix('#')
        .filter(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
    match digits {
        Some(digits) => Ok(format!("#{}", digits.to_ascii_lowercase())),
        None => Err(FieldError::new(
            pointer,
            "must be # and six hexadecimal digits, such as #1f77b4",
        )),
    }
}

/// A label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Which label.
    pub id: LabelId,
    /// In which project.
    pub project_id: ProjectId,
    /// Its name.
    pub name: String,
    /// `#rrggbb`
    pub colour: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// Rises by one with each change.
    pub version: i64,
}

/// Why something could not be done with a label.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// No such label in this project.
    #[error("there is no such label in this project")]
    NotFound,
    /// The caller may not do it in the project.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A task that has it cannot be changed.
    #[error(transparent)]
    Task(#[from] Box<TaskError>),
    /// The project has a label of this name.
    #[error("the project has a label of this name, in whatever case; names are unique")]
    NameTaken,
    /// Too many labels.
    #[error("a project has at most {PER_PROJECT} labels; delete one that is not used")]
    TooMany,
    /// Too many tasks would change.
    #[error(
        "{0} tasks have this label, more than the {TASKS_CHANGED_AT_ONCE} that can change at once; take it off some with a bulk update first"
    )]
    InWideUse(u64),
    /// Another version was expected.
    #[error(transparent)]
    Precondition(#[from] Problem),
    /// The key was used for something else.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database failed.
    #[error("storing the label")]
    Store(#[from] DbErr),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_case_only_are_one_label() {
        let names = [
            "Bug".to_owned(),
            "bug".to_owned(),
            "ÜBER".to_owned(),
            " über ".to_owned(),
        ];
        let parsed = LabelName::parse_all("/labels", &names, 50).unwrap();
        assert_eq!(parsed.iter().map(LabelName::name).collect::<Vec<_>>(), ["Bug", "ÜBER"]);
    }

    #[test]
    fn a_colour_is_six_hexadecimal_digits() {
        assert_eq!(colour("/colour", "#A1B2C3").unwrap(), "#a1b2c3");
        for text in ["", "red", "#abc", "#12345g", "#1234567", "a1b2c3", "#ééé"] {
            assert!(colour("/colour", text).is_err(), "{text:?}");
        }
    }
}
