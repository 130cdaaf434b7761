//! What is kept: rows, queries, migrations. Every write takes the transaction it belongs to.

pub mod attempt;
pub mod audience;
pub mod contact;
pub mod delivery;
pub mod digest;
pub mod erasure;
pub mod inbox;
pub mod membership;
pub mod migrations;
pub mod notification;
pub mod preference;
pub mod session;
pub mod slack;
pub mod tombstone;
pub mod user;
pub mod webhook;

/// `$4, $5, $6`: placeholders for `count` values, the first of which is number `first`.
fn placeholders(first: usize, count: usize) -> String {
    (first..first + count)
        .map(|number| format!("${number}"))
        .collect::<Vec<_>>()
        .join(", ")
}
