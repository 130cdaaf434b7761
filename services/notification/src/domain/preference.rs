//! What a user wants to hear of, where, and when.

use chassis::{FieldError, Problem};
use contracts::id::ProjectId;

use super::{notification::Kind, schedule::Schedule};

/// Projects that a user may make exceptions for at most.
pub const MOST_PROJECTS: usize = 100;

/// One kind of notification, and where the user wants it.
///
/// A channel is a field; each is at its default until the user says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preference {
    /// Which kind.
    pub kind: Kind,
    /// Whether it is put into the inbox.
    pub in_app: bool,
    /// Whether it is mailed.
    pub email: bool,
    /// Whether it goes to the user's Slack.
    pub slack: bool,
}

impl Preference {
    /// What holds until the user says otherwise.
    pub const fn default(kind: Kind) -> Self {
        Self {
            kind,
            in_app: true,
            email: kind.is_mailed_by_default(),
            slack: true,
        }
    }
}

/// An exception for one kind in one project; an absent field is as everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception {
    /// Which kind.
    pub kind: Kind,
    /// Whether it is put into the inbox.
    pub in_app: Option<bool>,
    /// Whether it is mailed.
    pub email: Option<bool>,
    /// Whether it goes to the user's Slack.
    pub slack: Option<bool>,
}

/// The exceptions for one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectExceptions {
    /// Which project.
    pub project: ProjectId,
    /// Each kind at most once.
    pub exceptions: Vec<Exception>,
}

/// The preferences of a user: one for each kind in the order of [`Kind::ALL`], the exceptions, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preferences {
    all: Vec<Preference>,
    /// Exceptions by project.
    pub projects: Vec<ProjectExceptions>,
    /// When to hear of it outside of the inbox.
    pub schedule: Schedule,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            all: Kind::ALL.into_iter().map(Preference::default).collect(),
            projects: Vec::new(),
            schedule: Schedule::default(),
        }
    }
}

impl Preferences {
    /// Kinds that are not among `given` are at their default.
    ///
    /// # Errors
    /// The kinds and projects that are given twice, or too many of them.
    pub fn new(
        given: &[Preference],
        projects: Vec<ProjectExceptions>,
        schedule: Schedule,
    ) -> Result<Self, Vec<FieldError>> {
        let mut wrong = repeated(given.iter().map(|one| one.kind), "/preferences");
        if projects.len() > MOST_PROJECTS {
            let detail = format!("must name {MOST_PROJECTS} projects at most");
            return Err(vec![FieldError::new("/projects", detail)]);
        }
        for (position, one) in projects.iter().enumerate() {
            if projects[..position].iter().any(|other| other.project == one.project) {
                let pointer = format!("/projects/{position}/project_id");
                wrong.push(FieldError::new(pointer, "this project is there twice"));
            }
            let kinds = one.exceptions.iter().map(|one| one.kind);
            wrong.append(&mut repeated(kinds, &format!("/projects/{position}/preferences")));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let of = |kind| given.iter().find(|one| one.kind == kind).copied();
        let all = Kind::ALL
            .into_iter()
            .map(|kind| of(kind).unwrap_or(Preference::default(kind)));
        Ok(Self {
            all: all.collect(),
            projects,
            schedule,
        })
    }

    /// One for each kind.
    pub fn all(&self) -> &[Preference] {
        &self.all
    }

    /// The one for a kind, to change it.
    pub fn of_mut(&mut self, kind: Kind) -> Option<&mut Preference> {
        self.all.iter_mut().find(|one| one.kind == kind)
    }
}

fn repeated(kinds: impl Iterator<Item = Kind>, pointer: &str) -> Vec<FieldError> {
    let kinds: Vec<Kind> = kinds.collect();
    if kinds.len() > Kind::ALL.len() {
        let detail = format!("must name each type at most once; there are {}", Kind::ALL.len());
        return vec![FieldError::new(pointer, detail)];
    }
    let twice = kinds
        .iter()
        .enumerate()
        .filter(|(position, kind)| kinds[..*position].contains(kind));
    let told = twice.map(|(position, kind)| {
        let detail = format!("{} is there twice", kind.name());
        FieldError::new(format!("{pointer}/{position}/type"), detail)
    });
    told.collect()
}

/// Why preferences cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum PreferenceError {
    /// They are not of the version that the client changed.
    #[error("somebody changed them in the meantime")]
    Stale(Problem),
    /// The link to unsubscribe is not one of ours.
    #[error("this link is not valid; change what you want to hear of in your preferences")]
    Link,
    /// The database failed.
    #[error("reading or storing preferences")]
    Store(#[from] sea_orm::DbErr),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(kinds: &[Kind]) -> Result<Preferences, Vec<FieldError>> {
        let off = |kind: &Kind| Preference {
            in_app: false,
            ..Preference::default(*kind)
        };
        let given: Vec<Preference> = kinds.iter().map(off).collect();
        Preferences::new(&given, Vec::new(), Schedule::default())
    }

    #[test]
    fn what_is_not_named_is_at_its_default() {
        let preferences = given(&[Kind::Mentioned]).unwrap();
        let off: Vec<Kind> = preferences
            .all()
            .iter()
            .filter(|one| !one.in_app)
            .map(|one| one.kind)
            .collect();
        assert_eq!(off, [Kind::Mentioned]);
        assert_eq!(preferences.all().len(), Kind::ALL.len());
    }

    #[test]
    fn a_kind_or_project_named_twice_is_refused_even_when_both_say_the_same() {
        let twice = [Kind::Mentioned, Kind::Mentioned];
        assert_eq!(given(&twice).unwrap_err()[0].pointer, "#/preferences/1/type");
        let project = ProjectExceptions {
            project: ProjectId::new(),
            exceptions: Vec::new(),
        };
        let wrong = Preferences::new(&[], vec![project.clone(), project], Schedule::default()).unwrap_err();
        assert_eq!(wrong[0].pointer, "#/projects/1/project_id");
    }
}
