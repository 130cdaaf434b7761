//! Stories about events: nothing is lost, nothing happens twice.
//!
//! They run on the broker inside the process, or on the Kafka that `KAFKA_BROKERS` names; on SQLite files, or on the
//! PostgreSQL that `DATABASE_URL` names.
#![allow(clippy::unwrap_used, reason = "a step that fails ends the test")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests send what no relay would, and run things beside themselves"
)]

mod support;

mod crash;
mod dead_letters;
mod delivery;
mod interleavings;
mod lost_disk;
mod observing;
mod operation;
mod relay;
mod tracing;
