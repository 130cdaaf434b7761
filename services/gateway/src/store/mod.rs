//! The gateway's own tables: what goes through streams, and who is a member of what.

pub mod m1001_stream;
pub mod membership;
pub mod stream_event;

use database::MigrationTrait;

/// In the order they are applied.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m1001_stream::Migration)]
}
