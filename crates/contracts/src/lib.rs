//! What the services say to each other: ids, times, event types and the envelope they travel in.
//!
//! Types live here only, one module a publisher. A consumer depends on this crate, never on another service.

pub mod analytics;
pub mod auth;
pub mod billing;
pub mod consumers;
pub mod envelope;
pub mod event;
pub mod gateway;
pub mod id;
pub mod notification;
pub mod project;
pub mod timestamp;

pub use envelope::Envelope;
pub use event::{Event, EventKind, Topic};
pub use id::EventId;
pub use timestamp::Timestamp;
