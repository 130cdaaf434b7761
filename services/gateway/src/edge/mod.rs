//! The mechanism of the edge: every request is measured against the limits, its credential is introspected, and it goes to
//! the service that the route table names, or to the gateway's own operations.

pub mod body;
pub mod docs;
pub mod feed;
pub mod forwarded;
pub mod hub;
pub mod inquiry;
pub mod introspection;
pub mod limit;
pub mod mailbox;
pub mod meters;
pub mod order_pruner;
pub mod proxy;
pub mod routes;
pub mod tail;
pub mod throttle;
pub mod upstream;
