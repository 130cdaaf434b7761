//! Group commit: concurrent writes on SQLite share one `COMMIT` and so one flush to disk.
//!
//! Each write runs in a savepoint of a shared transaction, one after the other, and is answered when that transaction has
//! committed. The first write of a group wakes the committer, which queues for the same fair lock: whoever came before it
//! is in the group, whoever comes later is in the next. So a lone write waits for nobody, and under load the group grows by
//! itself. A write that fails, panics or is dropped rolls back its savepoint alone; a failed `COMMIT` fails the whole group.
//!
//! A write is dropped wherever it waits: when its client goes away, at its deadline. What it left behind is ended by whoever
//! comes next, before anything else happens in the group. Savepoints are plain SQL for that reason: sqlx, when beginning a
//! nested transaction is dropped, rolls back twice, and so ends the transaction of all.
//!
//! SQLite may end the shared transaction by itself (disk full, I/O error, out of memory). Then the savepoint cannot be
//! released or rolled back, or the commit fails: the group is discarded, all its writes get an error, and the next write
//! begins a new one. The pool closes a connection that comes back inside a transaction (see `open.rs`), so nothing of it can linger.
//!
//! Durability is not weakened: nobody is told `Ok` before the flush (`synchronous=FULL`).

use std::sync::Arc;

use prometheus_client::metrics::histogram::Histogram;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use tokio::sync::{Mutex, Notify, watch};

use crate::Tx;

/// `None` while the group is open, then how its commit went.
type Outcome = Option<Result<(), Arc<DbErr>>>;

pub(crate) struct GroupCommit {
    shared: Arc<Shared>,
}

struct Shared {
    writer: DatabaseConnection,
    group: Mutex<Option<Group>>,
    begun: Arc<Notify>,
    sizes: Histogram,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The committer wakes, finds nothing to commit for, and ends.
        self.begun.notify_one();
    }
}

struct Group {
    tx: Tx,
    outcome: watch::Sender<Outcome>,
    size: u32,
    savepoint: Savepoint,
    /// How many rows waited for the commit when the write began whose turn it is.
    waiting: usize,
}

/// Where the write is whose turn it is; the next one finds here where it was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Savepoint {
    /// There is none.
    None,
    /// SQLite was told to begin or to release it; whether that was carried out is known when the answer is here.
    Asked,
    /// The write is at work.
    Open,
    /// What is in it belongs to the group. It is released when the next one begins, or by the commit.
    Kept,
}

impl Group {
    fn new(tx: Tx) -> Self {
        Self {
            tx,
            outcome: watch::Sender::new(None),
            size: 0,
            savepoint: Savepoint::None,
            waiting: 0,
        }
    }

    async fn begin(&mut self) -> Result<(), DbErr> {
        self.settle().await?;
        let sql = match self.savepoint {
            Savepoint::Kept => "RELEASE one_write; SAVEPOINT one_write",
            _ => "SAVEPOINT one_write",
        };
        self.savepoint = Savepoint::Asked;
        self.tx.execute_unprepared(sql).await?;
        self.savepoint = Savepoint::Open;
        self.waiting = self.tx.waiting();
        Ok(())
    }

    /// What was written since [`Group::begin`] belongs to the group.
    fn keep(&mut self) {
        self.savepoint = Savepoint::Kept;
    }

    async fn undo(&mut self) -> Result<(), DbErr> {
        self.tx.forget(self.waiting);
        self.tx.execute_unprepared("ROLLBACK TO one_write").await?;
        self.keep();
        Ok(())
    }

    /// Ends what a write has left that was dropped.
    async fn settle(&mut self) -> Result<(), DbErr> {
        match self.savepoint {
            Savepoint::None | Savepoint::Kept => Ok(()),
            Savepoint::Open => self.undo().await,
            // Either there is nothing in it yet, or all of it was to be kept.
            Savepoint::Asked => {
                let released = self.tx.execute_unprepared("RELEASE one_write").await;
                // Inside a transaction SQLite refuses this, and then there was just no savepoint to release.
                if let Err(error) = released
                    && self.tx.execute_unprepared("BEGIN").await.is_ok()
                {
                    return Err(error);
                }
                self.savepoint = Savepoint::None;
                Ok(())
            }
        }
    }
}

impl GroupCommit {
    /// `sizes` gets the number of writes in each group.
    pub(crate) fn start(writer: DatabaseConnection, sizes: Histogram) -> Self {
        let begun = Arc::new(Notify::new());
        let shared = Arc::new(Shared {
            writer,
            group: Mutex::new(None),
            begun: Arc::clone(&begun),
            sizes,
        });
        let weak = Arc::downgrade(&shared);
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with the last handle; there is nothing to join"
        )]
        tokio::spawn(async move {
            loop {
                begun.notified().await;
                match weak.upgrade() {
                    Some(shared) => shared.commit().await,
                    None => return,
                }
            }
        });
        Self { shared }
    }

    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> AsyncFnOnce(&'t Tx) -> Result<T, E>,
        E: From<DbErr>,
    {
        let mut slot = self.shared.group.lock().await;
        let group = match &mut *slot {
            Some(group) => group,
            empty => {
                let options = TransactionOptions {
                    sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                    ..TransactionOptions::default()
                };
                #[expect(clippy::disallowed_methods, reason = "the transaction of the group")]
                let tx = Tx::new(self.shared.writer.begin_with_options(options).await?);
                self.shared.begun.notify_one();
                empty.insert(Group::new(tx))
            }
        };
        if let Err(error) = group.begin().await {
            return Err(discard(&mut slot, error).await.into());
        }
        let done = match work(&group.tx).await {
            Ok(done) => {
                group.keep();
                done
            }
            Err(error) => {
                if let Err(rollback) = group.undo().await {
                    discard(&mut slot, rollback).await;
                }
                return Err(error);
            }
        };
        group.size += 1;
        let mut outcome = group.outcome.subscribe();
        drop(slot);
        let gone = || DbErr::Custom("the database was closed before the commit".to_owned());
        let committed = outcome.wait_for(Option::is_some).await.map_err(|_| gone())?.clone();
        match committed {
            Some(Ok(())) => Ok(done),
            Some(Err(error)) => Err(E::from(same(&error))),
            None => Err(E::from(gone())),
        }
    }

    pub(crate) async fn close(&self) -> Result<(), DbErr> {
        self.shared.commit().await;
        self.shared.writer.close_by_ref().await
    }
}

impl Shared {
    async fn commit(&self) {
        let mut slot = self.group.lock().await;
        // A `COMMIT` would keep what a dropped write has done by halves.
        if let Some(group) = &mut *slot
            && let Err(error) = group.settle().await
        {
            discard(&mut slot, error).await;
        }
        if let Some(Group { tx, outcome, size, .. }) = slot.take() {
            self.sizes.observe(f64::from(size));
            let committed = tx.commit().await.map_err(Arc::new);
            if let Err(error) = &committed {
                tracing::error!(error = %error, "a group commit failed");
            }
            outcome.send_replace(Some(committed));
        }
    }
}

/// Ends a group whose transaction is not what it was; gives the error back.
async fn discard(slot: &mut Option<Group>, error: DbErr) -> DbErr {
    if let Some(Group { tx, outcome, .. }) = slot.take() {
        tracing::error!(error = %error, "a group of writes is discarded");
        outcome.send_replace(Some(Err(Arc::new(same(&error)))));
        if let Err(rollback) = tx.rollback().await {
            tracing::debug!(error = %rollback, "rolling back a discarded group");
        }
    }
    error
}

/// `DbErr` cannot be cloned; the kind that callers look at (connection or execution) is kept.
fn same(error: &DbErr) -> DbErr {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => DbErr::Conn(sea_orm::RuntimeErr::Internal(error.to_string())),
        other => DbErr::Custom(format!("commit: {other}")),
    }
}
