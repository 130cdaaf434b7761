//! Why figures cannot be given.

use chassis::FieldError;
use sea_orm::DbErr;

/// Why figures cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum FiguresError {
    /// No such project, or not one of the caller's: it cannot be told which.
    #[error("there is no such project, or you are not a member of it")]
    NoSuchProject,
    /// What is asked for is no range.
    #[error("the range cannot be read")]
    Range(Vec<FieldError>),
    /// The database failed.
    #[error("reading figures")]
    Store(#[from] DbErr),
}
