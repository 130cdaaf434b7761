//! The life of a process: a real one, with real sockets, signals and exit codes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod connections;
mod process;
mod support;
mod traces;
