//! A service's own database: SQLite or PostgreSQL behind one [`Db`].
//!
//! Reading takes [`Db::read`]; every change goes through [`Db::write`], one closure that is one transaction. Nothing else
//! in the project begins a transaction, so nothing can commit half of a change.

mod error;
mod group;
mod lease;
mod migrate;
mod open;
mod rows;
#[cfg(feature = "testing")]
pub mod testing;
mod tx;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub use error::{is_transient, is_unique_violation};
use group::GroupCommit;
pub use lease::Leases;
pub use migrate::{MigrationError, migrate, pending};
pub use open::{OpenError, Options};
use prometheus_client::{
    metrics::histogram::Histogram,
    registry::{Registry, Unit},
};
pub use rows::{insert_all, places};
use sea_orm::{DatabaseConnection, DbBackend, DbErr, TransactionTrait};
pub use sea_orm_migration::{MigrationTrait, SchemaManager};
use tokio::sync::watch;
pub use tx::Tx;

/// How long one write may take: on SQLite all other writers wait for it.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// A handle on the database; clones share it.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    read: DatabaseConnection,
    write: Writer,
    commits: watch::Sender<u64>,
    durations: Histogram,
    group_sizes: Histogram,
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
        let durations = Histogram::new([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0]);
        let group_sizes = Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]);
        let write = match write {
            Some(writer) => Writer::Grouped(GroupCommit::start(writer, group_sizes.clone())),
            None => Writer::Pooled(read.clone()),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                read,
                write,
                commits: watch::Sender::new(0),
                durations,
                group_sizes,
            }),
        })
    }

    /// Which SQL this database speaks.
    pub fn backend(&self) -> DbBackend {
        self.inner.read.get_database_backend()
    }

    /// For queries. On SQLite these connections refuse to write.
    pub fn read(&self) -> &DatabaseConnection {
        &self.inner.read
    }

    /// Adds the time that writes take, and how many shared a commit, to `registry`.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let help = "Time from asking for a write to its commit";
        registry.register_with_unit("database_write", help, Unit::Seconds, self.inner.durations.clone());
        let help = "Writes that shared one commit";
        registry.register("database_group_writes", help, self.inner.group_sizes.clone());
    }

    /// Runs `work` in a transaction, commits when it answers `Ok`, and rolls back when it answers `Err` or is dropped.
    ///
    /// When this answers `Ok`, the change is on disk. Nothing in `work` may leave the process or take long: on SQLite all
    /// writers wait for it. After 30 s it is rolled back.
    ///
    /// # Errors
    /// What `work` answered, or the error of the transaction itself.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> AsyncFnOnce(&'t Tx) -> Result<T, E>,
        E: From<DbErr>,
    {
        self.write_within(WRITE_LIMIT, work).await
    }

    /// The same with another limit: migrations may take longer.
    async fn write_within<T, E, F>(&self, limit: Duration, work: F) -> Result<T, E>
    where
        F: for<'t> AsyncFnOnce(&'t Tx) -> Result<T, E>,
        E: From<DbErr>,
    {
        let begun = Instant::now();
        // The limit is on the work alone: waiting for other writers and for the disk is bounded by theirs.
        let work = async |tx: &Tx| match tokio::time::timeout(limit, work(tx)).await {
            Ok(done) => done,
            Err(_) => Err(E::from(DbErr::Custom(format!(
                "a write took longer than {limit:?} and was rolled back"
            )))),
        };
        let done = match &self.inner.write {
            Writer::Grouped(group) => group.write(work).await?,
            Writer::Pooled(pool) => {
                #[expect(clippy::disallowed_methods, reason = "the one place that begins a transaction")]
                let tx = Tx::new(pool.begin().await?);
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
        self.inner.durations.observe(begun.elapsed().as_secs_f64());
        self.inner.commits.send_modify(|commits| *commits += 1);
        Ok(done)
    }

    /// Changes with every commit of this process; any number of tasks may watch it. Mark it as seen before looking for
    /// work, so that a commit meanwhile wakes again.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.inner.commits.subscribe()
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
