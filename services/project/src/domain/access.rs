//! What a caller is to a project, and what follows from it.

use contracts::id::UserId;
use identity::ProjectRole;
use sea_orm::DbErr;

use super::project::Project;

/// The caller's membership, with the project: the check yields the data.
#[derive(Debug, Clone)]
pub struct Member {
    /// The project, as it is in this transaction.
    pub project: Project,
    /// The caller's role in it.
    pub role: ProjectRole,
    /// The caller.
    pub user: UserId,
}

/// Why the caller may not.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// No such project, or not one of the caller's: it cannot be told which.
    #[error("there is no such project, or you are not a member of it")]
    NotFound,
    /// The caller's role is too low.
    #[error("this needs the role {} in the project", .0.name())]
    Forbidden(ProjectRole),
    /// The project is put away.
    #[error("the project is archived; an owner can restore it with PATCH {{\"archived\": false}}")]
    Archived,
    /// The database failed.
    #[error("checking access to the project")]
    Store(#[from] DbErr),
}

impl Member {
    /// Goes on only for members with at least this role.
    ///
    /// # Errors
    /// [`AccessError::Forbidden`].
    pub fn at_least(&self, least: ProjectRole) -> Result<(), AccessError> {
        if self.role >= least {
            Ok(())
        } else {
            Err(AccessError::Forbidden(least))
        }
    }

    /// Goes on only in an active project.
    ///
    /// # Errors
    /// [`AccessError::Archived`].
    pub fn unarchived(&self) -> Result<(), AccessError> {
        if self.project.archived_at.is_none() {
            Ok(())
        } else {
            Err(AccessError::Archived)
        }
    }
}
