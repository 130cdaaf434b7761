//! What is kept: rows, queries, migrations. Every write takes the transaction it belongs to.
//!
//! Whoever changes anything of an account takes its row in `accounts` first ([`account::take`]) and holds it to the end of
//! the transaction: orders, renewals, payments and their events of one account come in one order.

pub mod account;
pub mod catalogue;
pub mod credit_note;
pub mod invoice;
pub mod migrations;
pub mod order;
pub mod payment;
pub mod profile;
pub mod series;
pub mod subscription;
pub mod usage;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

/// `FOR UPDATE SKIP LOCKED` where several replicas look for work at once.
fn skip_locked(db: &impl ConnectionTrait) -> &'static str {
    if db.get_database_backend() == DbBackend::Postgres {
        "FOR UPDATE SKIP LOCKED"
    } else {
        ""
    }
}

fn statement(db: &impl ConnectionTrait, sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(db.get_database_backend(), sql, values)
}

/// A stored text that this release cannot read.
fn unreadable(error: impl std::fmt::Display) -> DbErr {
    DbErr::Type(error.to_string())
}

/// As JSON, for a column.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Result<String, DbErr> {
    serde_json::to_string(value).map_err(unreadable)
}

/// From a column with JSON.
fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, DbErr> {
    serde_json::from_str(text).map_err(unreadable)
}
