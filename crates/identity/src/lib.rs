//! Who is asking, and what they may do; the same for every service.

pub mod access;
pub mod bearer;
pub mod claims;
pub mod jwks;
pub mod service;
pub mod verifier;

pub use access::{Access, ProjectRole, Role, Scope};
pub use bearer::{Bearer, Caller};
pub use claims::Claims;
pub use jwks::HttpKeySource;
pub use service::{ServiceBearer, ServiceSecret};
pub use verifier::{KeySource, TokenError, Verifier};
