//! Stories of the edge: a real gateway on a real port, with stand-ins for the services behind it.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the message; clippy knows only the functions marked as tests"
)]

mod credentials;
mod document;
mod follower;
mod home;
mod limits;
mod order;
mod orders;
mod personal_data;
mod proxy;
mod resilience;
mod stream;
mod support;
