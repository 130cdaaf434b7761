//! HTTP conventions that all services share.

pub mod answer;
pub mod idempotency;
pub mod json;
pub mod page;
pub mod precondition;
pub mod problem;
