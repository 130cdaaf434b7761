//! Stories of the edge: a real gateway on a real port, with stand-ins for the services behind it.

mod credentials;
mod document;
mod home;
mod limits;
mod proxy;
mod resilience;
mod stream;
mod support;
