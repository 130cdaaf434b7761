//! The rules: what becomes a notification, for whom, what it says, and how it leaves the house.

pub mod address;
pub mod delivery;
pub mod money;
pub mod notification;
pub mod preference;
pub mod schedule;
pub mod session;
pub mod signature;
pub mod slack;
pub mod webhook;
