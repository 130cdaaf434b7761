//! User stories of analytics, on SQLite or, when `DATABASE_URL` is set, on PostgreSQL.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod business;
mod command;
mod contract;
mod erasure;
mod explorer;
mod figures;
mod milestones;
mod order;
mod rebuild;
mod reports;
mod world;
