//! How messages leave the house: requests to targets that users name, and the worker that makes them.

mod channel;
mod dispatcher;
mod guard;
mod http;
mod webhook;

pub use channel::Channels;
pub use dispatcher::{Dispatcher, Room};
pub use guard::{Forbidden, Guard, Lookup, SystemLookup};
pub use http::{Exchange, Http, Limits, NoAnswer};
