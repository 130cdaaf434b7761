//! How messages leave the house: requests to targets that users name, mails, and the worker that makes the attempts.

mod channel;
mod dispatcher;
mod email;
mod guard;
mod http;
mod slack;
mod templates;
mod webhook;

pub use channel::Channels;
pub use dispatcher::{Dispatcher, Room};
pub use email::{DIGEST, TARGET as EMAIL_TARGET};
pub use guard::{Forbidden, Guard, Lookup, SystemLookup};
pub use http::{Exchange, Http, Limits, NoAnswer};
pub use templates::{Templates, Words};
