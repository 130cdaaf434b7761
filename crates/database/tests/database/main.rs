//! Stories about writing, migrating and opening.
//!
//! They run on SQLite files, and where it makes no difference on the PostgreSQL that `DATABASE_URL` names.
#![expect(clippy::disallowed_methods, reason = "tests run writers beside themselves")]

mod migrating;
mod opening;
mod writing;
