//! How a refused access is told.

use chassis::Problem;

use crate::domain::access::AccessError;

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NotFound => Problem::not_found("project-not-found", error.to_string()),
            AccessError::Forbidden(_) => Problem::forbidden("project-role-too-low", error.to_string()),
            AccessError::Archived => Problem::conflict("project-archived", error.to_string()),
            AccessError::Store(_) => Problem::internal(error),
        }
    }
}
