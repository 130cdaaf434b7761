//! A service's own database: SQLite or PostgreSQL behind one [`Db`].
//!
//! Reading takes [`Db::read`]; every change goes through [`Db::write`], one closure that is one transaction. Nothing else
//! in the project begins a transaction, so nothing can commit half of a change.

mod error;
mod group;
mod migrate;
mod open;

use std::sync::Arc;

pub use error::{is_transient, is_unique_violation};
use group::GroupCommit;
pub use migrate::{MigrationError, migrate, pending};
pub use open::{OpenError, Options};
use sea_orm::{DatabaseConnection, DbBackend, DbErr, TransactionTrait};
pub use sea_orm_migration::{MigrationTrait, SchemaManager};
use tokio::sync::Notify;

/// The transaction that a change belongs to.
pub type Tx = sea_orm::DatabaseTransaction;

/// A handle on the database; clones share it.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    read: DatabaseConnection,
    write: Writer,
    committed: Notify,
}

enum Writer {
    /// SQLite has one writer at a time: concurrent writes share one commit.
    Grouped(GroupCommit),
    /// PostgreSQL: each write has a connection of the pool.
    Pooled(DatabaseConnection),
}

impl Db {
    /// Opens the database that `options` name; creates a missing SQLite file.
    ///
    /// # Errors
    /// When it cannot be opened within [`Options::wait`].
    pub async fn open(options: &Options) -> Result<Self, OpenError> {
        let (read, write) = open::connect(options).await?;
        let write = match write {
            Some(writer) => Writer::Grouped(GroupCommit::start(writer)),
            None => Writer::Pooled(read.clone()),
        };
        Ok(Self { inner: Arc::new(Inner { read, write, committed: Notify::new() }) })
    }

    /// Which SQL this database speaks.
    pub fn backend(&self) -> DbBackend {
        self.inner.read.get_database_backend()
    }

    /// For queries. On SQLite these connections refuse to write.
    pub fn read(&self) -> &DatabaseConnection {
        &self.inner.read
    }

    /// Runs `work` in a transaction, commits when it answers `Ok`, and rolls back when it answers `Err` or is dropped.
    ///
    /// When this answers `Ok`, the change is on disk. Nothing in `work` may leave the process or take long: on SQLite all
    /// writers wait for it.
    ///
    /// # Errors
    /// What `work` answered, or the error of the transaction itself.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> AsyncFnOnce(&'t Tx) -> Result<T, E>,
        E: From<DbErr>,
    {
        let done = match &self.inner.write {
            Writer::Grouped(group) => group.write(work).await?,
            Writer::Pooled(pool) => {
                #[expect(clippy::disallowed_methods, reason = "the one place that begins a transaction")]
                let tx = pool.begin().await?;
                match work(&tx).await {
                    Ok(done) => {
                        tx.commit().await?;
                        done
                    }
                    Err(error) => {
                        if let Err(rollback) = tx.rollback().await {
                            tracing::warn!(error = %rollback, "rolling back");
                        }
                        return Err(error);
                    }
                }
            }
        };
        self.inner.committed.notify_one();
        Ok(done)
    }

    /// Waits until a write of this process has committed since the last call. Keeps one wake-up for a late caller; one
    /// task (the relay) may use it.
    pub async fn committed(&self) {
        self.inner.committed.notified().await;
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// The error of the attempt.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.inner.read.ping().await
    }

    /// Closes all connections, after running writes have ended.
    ///
    /// # Errors
    /// The error of the last commit or of closing.
    pub async fn close(&self) -> Result<(), DbErr> {
        if let Writer::Grouped(group) = &self.inner.write {
            group.close().await?;
        }
        self.inner.read.close_by_ref().await
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("backend", &self.backend()).finish()
    }
}
