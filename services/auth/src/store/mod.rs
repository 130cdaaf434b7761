//! What is kept: rows, queries, migrations. Every write takes the transaction it belongs to.

pub mod caller;
pub mod client;
pub mod code;
pub mod erasure;
pub mod introspection;
pub mod key;
pub mod mail;
pub mod migrations;
pub mod session;
pub mod throttle;
pub mod token;
pub mod user;
