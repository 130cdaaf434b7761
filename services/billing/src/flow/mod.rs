//! What follows from what: an order leads to an invoice, that to a payment, that to a subscription. Every step is rows and
//! events of one transaction, begun by a reaction, a worker or a handler; nothing here leaves the process.
//!
//! Each function expects that its transaction holds the account's row ([`account::take`]).

pub mod account;
pub mod invoice;
pub mod order;
pub mod payment;
pub mod renewal;
pub mod subscription;
pub mod usage;
