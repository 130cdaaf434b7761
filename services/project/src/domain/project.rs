//! Projects: what may become of them.

use chassis::{FieldError, Problem, http::idempotency::KeyError};
use contracts::{
    Timestamp,
    id::{ProjectId, UserId},
    project::{ProjectCreated, ProjectDeleted, ProjectSnapshot, ProjectUpdated},
};
use sea_orm::DbErr;

use super::{access::AccessError, quota::QuotaError, text};

/// Characters of a name at most.
pub const NAME_MAX: usize = 100;
/// Characters of a description at most.
pub const DESCRIPTION_MAX: usize = 5_000;

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Which project.
    pub id: ProjectId,
    /// One line.
    pub name: String,
    /// Empty when there is none.
    pub description: String,
    /// When it was put away; absent while it is active.
    pub archived_at: Option<Timestamp>,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// Rises by one with each change.
    pub version: i64,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The caller may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Another version was expected.
    #[error(transparent)]
    Precondition(#[from] Problem),
    /// The plan allows no more.
    #[error(transparent)]
    Quota(#[from] QuotaError),
    /// The idempotency key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database failed.
    #[error("storing the project")]
    Store(#[from] DbErr),
}

/// A project to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectDraft {
    name: String,
    description: String,
}

impl ProjectDraft {
    /// Checks what somebody typed.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(name: &str, description: Option<&str>) -> Result<Self, Vec<FieldError>> {
        let name = text::line("/name", name, NAME_MAX);
        let description = text::lines("/description", description.unwrap_or_default(), DESCRIPTION_MAX);
        match (name, description) {
            (Ok(name), Ok(description)) => Ok(Self { name, description }),
            (name, description) => Err(name.err().into_iter().chain(description.err()).collect()),
        }
    }

    /// Makes it a project of `maker`.
    pub fn create(self, maker: UserId, now: Timestamp) -> (Project, ProjectCreated) {
        let project = Project {
            id: ProjectId::new(),
            name: self.name,
            description: self.description,
            archived_at: None,
            created_by: maker,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let event = ProjectCreated {
            project_id: project.id,
            project: project.snapshot(),
            actor_id: maker,
        };
        (project, event)
    }
}

/// What shall be different; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectChange {
    name: Option<String>,
    description: Option<String>,
    archived: Option<bool>,
}

impl ProjectChange {
    /// Checks what somebody typed.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(
        name: Option<&str>,
        description: Option<&str>,
        archived: Option<bool>,
    ) -> Result<Self, Vec<FieldError>> {
        let name = name.map(|name| text::line("/name", name, NAME_MAX)).transpose();
        let description = description
            .map(|text| text::lines("/description", text, DESCRIPTION_MAX))
            .transpose();
        match (name, description) {
            (Ok(name), Ok(description)) => Ok(Self {
                name,
                description,
                archived,
            }),
            (name, description) => Err(name.err().into_iter().chain(description.err()).collect()),
        }
    }

    /// Whether it archives or restores, which is the owners' right alone.
    pub fn moves_archive(&self) -> bool {
        self.archived.is_some()
    }
}

impl Project {
    /// Applies `change`; `None` when it changes nothing.
    ///
    /// # Errors
    /// [`AccessError::Archived`] unless the change restores the project.
    pub fn change(
        mut self,
        change: ProjectChange,
        actor: UserId,
        now: Timestamp,
    ) -> Result<(Self, Option<ProjectUpdated>), AccessError> {
        let was_archived = self.archived_at.is_some();
        let mut changed = Vec::new();
        for (field, new, old) in [
            ("name", change.name, &mut self.name),
            ("description", change.description, &mut self.description),
        ] {
            if let Some(new) = new.filter(|new| new != old) {
                *old = new;
                changed.push(field.to_owned());
            }
        }
        if was_archived && !changed.is_empty() && change.archived != Some(false) {
            return Err(AccessError::Archived);
        }
        if let Some(archived) = change.archived.filter(|archived| *archived != was_archived) {
            self.archived_at = archived.then_some(now);
            changed.push("archived".to_owned());
        }
        if changed.is_empty() {
            return Ok((self, None));
        }
        self.updated_at = now;
        self.version += 1;
        let event = ProjectUpdated {
            project_id: self.id,
            project: self.snapshot(),
            changed,
            actor_id: actor,
        };
        Ok((self, Some(event)))
    }

    /// Its end.
    pub fn delete(&self, actor: UserId) -> ProjectDeleted {
        ProjectDeleted {
            project_id: self.id,
            actor_id: actor,
            version: self.version + 1,
        }
    }

    fn snapshot(&self) -> ProjectSnapshot {
        ProjectSnapshot {
            project_id: self.id,
            name: self.name.clone(),
            description: self.description.clone(),
            archived_at: self.archived_at,
            version: self.version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);
    const LATER: Timestamp = Timestamp::from_micros(2_000_000);

    fn project(archived: bool) -> Project {
        let (project, _) = ProjectDraft::parse("Apollo", Some("To the moon."))
            .unwrap()
            .create(UserId::new(), NOW);
        Project {
            archived_at: archived.then_some(NOW),
            ..project
        }
    }

    fn change(name: Option<&str>, archived: Option<bool>) -> ProjectChange {
        ProjectChange::parse(name, None, archived).unwrap()
    }

    #[test]
    fn everything_wrong_with_a_draft_is_told_at_once() {
        let wrong = ProjectDraft::parse(" ", Some(&"x".repeat(DESCRIPTION_MAX + 1))).unwrap_err();
        let pointers: Vec<_> = wrong.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["#/name", "#/description"]);
    }

    #[test]
    fn a_change_raises_the_version_by_one_and_names_what_it_changed() {
        let (after, event) = project(false)
            .change(change(Some("Artemis"), None), UserId::new(), LATER)
            .unwrap();
        let event = event.unwrap();
        assert_eq!((after.version, after.updated_at, event.project.version), (2, LATER, 2));
        assert_eq!(event.changed, ["name"]);
    }

    #[test]
    fn a_change_to_what_is_there_already_is_none() {
        for (archived, wanted) in [
            (false, change(Some("Apollo"), Some(false))),
            (true, change(None, Some(true))),
        ] {
            let before = project(archived);
            let (after, event) = before.clone().change(wanted, UserId::new(), LATER).unwrap();
            assert_eq!((after, event), (before, None));
        }
    }

    #[test]
    fn an_archived_project_is_renamed_only_while_it_is_restored() {
        let actor = UserId::new();
        let refused = project(true).change(change(Some("Artemis"), None), actor, LATER);
        assert!(matches!(refused, Err(AccessError::Archived)));
        let refused = project(true).change(change(Some("Artemis"), Some(true)), actor, LATER);
        assert!(matches!(refused, Err(AccessError::Archived)));
        let (after, event) = project(true)
            .change(change(Some("Artemis"), Some(false)), actor, LATER)
            .unwrap();
        assert_eq!((after.name.as_str(), after.archived_at), ("Artemis", None));
        assert_eq!(event.unwrap().changed, ["name", "archived"]);
        let (after, _) = project(false)
            .change(change(Some("Artemis"), Some(true)), actor, LATER)
            .unwrap();
        assert_eq!((after.name.as_str(), after.archived_at), ("Artemis", Some(LATER)));
    }
}
