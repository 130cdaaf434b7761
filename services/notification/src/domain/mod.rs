//! The rules: what becomes a notification, for whom, and what it says.

pub mod notification;
pub mod preference;
pub mod session;
