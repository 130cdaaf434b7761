//! How services say it reliably: no event is lost, no effect happens twice.
//!
//! - A domain write and its events commit in one transaction ([`outbox::append`]).
//! - The [`relay`] publishes committed rows, in order for each key, until the broker has acknowledged them.
//! - A [`consumer`] handles an event and remembers it in the [`inbox`] in one transaction; the offset follows the commit.
//! - What cannot be handled becomes a [`dead_letter`], and later events of its key wait behind it for the [`operator`].

pub mod broker;
pub mod cause;
pub mod consumer;
pub mod crash;
pub mod dead_letter;
pub mod inbox;
mod membership;
pub mod message;
pub mod metrics;
pub mod operator;
pub mod outbox;
pub mod prune;
pub mod reaction;
pub mod relay;
mod schema;
mod trace;
pub mod worker;

pub use broker::Broker;
pub use cause::Cause;
pub use consumer::Consumer;
pub use metrics::Metrics;
pub use outbox::append;
pub use reaction::{Heard, Observer, Reaction, ReactionError, Reactions, Received};
pub use relay::Relay;
pub use schema::migrations;
