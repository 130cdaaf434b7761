//! What this service does by itself.

pub mod erasure;
pub mod report;
pub mod retention;
