//! How services say it reliably: no event is lost, no effect happens twice.
//!
//! - A domain write and its events commit in one transaction ([`outbox::append`]).
//! - The [`relay`] publishes committed rows, in order for each key, until the broker has acknowledged them.
//! - A [`consumer`] handles an event and remembers it in the [`inbox`] in one transaction; the offset follows the commit.
//! - What cannot be handled becomes a [`dead_letter`], and later events of its key wait behind it for the operator.

pub mod outbox;
pub mod reaction;
pub mod worker;

pub use outbox::append;
pub use reaction::{Reaction, ReactionError, Reactions, Received};
