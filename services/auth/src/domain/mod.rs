//! The rules: types that cannot hold an invalid state. No HTTP, no SQL, no Kafka.

pub mod client;
pub mod email;
pub mod erasure;
pub mod handle;
pub mod key;
pub mod mail;
pub mod password;
pub mod secret;
pub mod session;
pub mod throttle;
pub mod token;
pub mod user;
