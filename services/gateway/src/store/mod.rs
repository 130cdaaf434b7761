//! The gateway's own tables: what goes through streams, who is a member of what, and orders with what is known of plans.

pub mod m1001_stream;
pub mod m4001_orders;
pub mod membership;
pub mod order;
pub mod plan;
pub mod plan_limit;
pub mod stream_event;

use database::MigrationTrait;

/// In the order they are applied.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m1001_stream::Migration), Box::new(m4001_orders::Migration)]
}
