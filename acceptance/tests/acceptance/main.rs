//! What people do with the hub, through its public API.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod analytics;
mod conventions;
mod crash;
mod erasure;
mod files;
mod interrupted;
mod orders;
mod sessions;
mod smoke;
mod start;
mod team;
mod webhooks;
