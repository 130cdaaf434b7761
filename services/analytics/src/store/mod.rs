//! What is kept: the log of events, the projections made of it, and what was published about them. Every write takes the
//! transaction it belongs to.

pub mod activity;
pub mod business;
pub mod erasure;
pub mod event;
pub mod fold;
pub mod member;
pub mod migrations;
pub mod milestone;
pub mod projection;
pub mod rebuild;
pub mod report;
mod rows;
pub mod task;

use database::Tx;
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

/// Takes the turn to change log and projections, until `tx` ends.
///
/// Folding reads what is there and writes what it becomes, so two folds must not cross. On SQLite writers take turns anyway;
/// on PostgreSQL this lock makes them. The schema is part of it: test databases share a server by schemas.
///
/// # Errors
/// The database's.
pub async fn lock(tx: &Tx) -> Result<(), DbErr> {
    if tx.get_database_backend() == DbBackend::Postgres {
        tx.execute_unprepared("SELECT pg_advisory_xact_lock(hashtext(current_schema()), hashtext('analytics fold'))")
            .await?;
    }
    Ok(())
}
