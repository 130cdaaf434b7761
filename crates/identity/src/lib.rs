//! Who is asking, and what they may do; the same for every service.

pub mod access;
pub mod bearer;
pub mod claims;
pub mod verifier;

pub use access::{Access, ProjectRole, Role, Scope};
pub use bearer::{Bearer, Caller};
pub use claims::Claims;
pub use verifier::{KeySource, TokenError, Verifier};
