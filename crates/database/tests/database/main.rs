//! Stories about writing, migrating and opening.
//!
//! They run on SQLite files, and where it makes no difference on the PostgreSQL that `DATABASE_URL` names.
#![allow(clippy::unwrap_used, reason = "a step that fails ends the test")]
#![expect(clippy::disallowed_methods, reason = "tests run writers beside themselves")]

mod migrating;
mod opening;
mod writing;
