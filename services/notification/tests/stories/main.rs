//! User stories of notification, on SQLite or, when `DATABASE_URL` is set, on PostgreSQL.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod badge;
mod contract;
mod crash;
mod email;
mod erasure;
mod inbox;
mod mailbox;
mod master_key;
mod news;
mod order;
mod preferences;
mod reactions;
mod retention;
mod schedule;
mod slack;
mod target;
mod webhooks;
mod world;
