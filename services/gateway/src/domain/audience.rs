//! Whom an event concerns.

use contracts::id::{ProjectId, UserId};

/// The users whose streams carry an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audience {
    /// This user.
    pub user: Option<UserId>,
    /// The members of this project.
    pub project: Option<ProjectId>,
}

impl Audience {
    /// One user.
    pub const fn user(user: UserId) -> Self {
        Self {
            user: Some(user),
            project: None,
        }
    }

    /// All members of a project.
    pub const fn project(project: ProjectId) -> Self {
        Self {
            user: None,
            project: Some(project),
        }
    }

    /// All members of a project, and a user who is none any more.
    pub const fn project_and(project: ProjectId, user: UserId) -> Self {
        Self {
            user: Some(user),
            project: Some(project),
        }
    }

    /// No user: a word among the gateway's replicas.
    pub const fn replicas() -> Self {
        Self {
            user: None,
            project: None,
        }
    }
}
