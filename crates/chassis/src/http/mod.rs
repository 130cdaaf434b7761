//! HTTP conventions that all services share.

pub mod answer;
mod body;
pub mod client;
mod compress;
mod cors;
pub mod deadline;
pub mod document;
mod fault;
pub mod idempotency;
pub mod json;
mod measure;
mod operations;
pub mod page;
pub mod precondition;
pub mod problem;
mod stack;

pub use client::ClientAddress;
pub use deadline::Deadline;
pub use fault::unreadable_body;
pub use stack::Stack;
