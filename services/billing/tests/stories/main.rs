//! User stories of billing, on SQLite or, when `DATABASE_URL` is set, on PostgreSQL.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod accounts;
mod catalogue;
mod contract;
mod documents;
mod invoices;
mod orders;
mod payments;
mod renewals;
mod stripe;
mod subscriptions;
mod usage;
mod world;
