//! User stories of billing, on SQLite or, when `DATABASE_URL` is set, on PostgreSQL.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod contract;
mod orders;
mod renewals;
mod subscriptions;
mod world;
