//! What people do with the hub, through its public API.

mod conventions;
mod crash;
mod sessions;
mod start;
mod team;
