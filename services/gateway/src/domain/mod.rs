//! The rules of the edge: no HTTP, no SQL, no broker, and the time is always an argument.

pub mod announcement;
pub mod audience;
pub mod breaker;
pub mod order;
pub mod retry;
pub mod revocation;
pub mod route;
