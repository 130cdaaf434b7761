//! What a database error means for the caller.

use sea_orm::{DbErr, SqlErr};

/// Whether `error` says that a row with the same unique key exists.
pub fn is_unique_violation(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

/// Whether trying again later may help: lost or exhausted connections, locks, deadlocks, a full or failing disk.
///
/// Everything else (constraint, syntax, wrong type) would fail again.
pub fn is_transient(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(sea_orm::RuntimeErr::SqlxError(source)) | DbErr::Query(sea_orm::RuntimeErr::SqlxError(source)) => {
            transient_sqlx(source)
        }
        DbErr::Custom(text) => ["commit: ", "the database was closed", "a write took longer"]
            .iter()
            .any(|cause| text.starts_with(cause)),
        _ => false,
    }
}

fn transient_sqlx(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::BeginFailed
        | sqlx::Error::WorkerCrashed => true,
        // PostgreSQL classes 08 (connection), 40 (serialization, deadlock), 53 (resources), 55 (lock), 57 (shutdown), 58 (I/O);
        // SQLite: busy, locked, I/O, full, read-only, out of memory (primary codes in the low byte).
        sqlx::Error::Database(database) => database.code().is_some_and(|code| match code.parse::<u32>() {
            Ok(sqlite) if code.len() < 5 => matches!(sqlite & 0xff, 5 | 6 | 7 | 8 | 10 | 13),
            _ => ["08", "40", "53", "55", "57", "58"]
                .iter()
                .any(|class| code.starts_with(class)),
        }),
        _ => false,
    }
}
