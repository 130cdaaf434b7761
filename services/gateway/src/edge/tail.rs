//! Follows the table of stream events and hands what is new to the hub; also hears what ended.
//!
//! Every replica does this for itself: reactions run in one of them, clients hang on all. A commit of this process wakes
//! it at once, what other replicas wrote is found by looking again and again. Revocations travel the same way, which is why
//! there is no idle replica: one without streams must forget credentials too.

use std::{sync::Arc, time::Duration};

use chassis::Clock;
use database::Db;
use messaging::worker::{Step, StepError, Worker};
use tokio::sync::watch;

use super::{hub::Hub, introspection::Introspector};
use crate::store::stream_event;

/// Events that are read at once.
const BATCH: u64 = 500;

/// See the head of the file.
pub struct Tail {
    db: Db,
    commits: watch::Receiver<u64>,
    hub: Arc<Hub>,
    introspector: Arc<Introspector>,
}

impl Tail {
    /// Begins after the newest event.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin(db: Db, hub: Arc<Hub>, introspector: Arc<Introspector>) -> Result<Self, sea_orm::DbErr> {
        let commits = db.commits();
        let (_, newest) = stream_event::bounds(db.read()).await?;
        hub.begin(newest);
        Ok(Self {
            db,
            commits,
            hub,
            introspector,
        })
    }
}

#[async_trait::async_trait]
impl Worker for Tail {
    fn name(&self) -> &'static str {
        "stream-tail"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        // Marked before the look, so that a commit meanwhile wakes us again.
        self.commits.mark_unchanged();
        let events = stream_event::after(self.db.read(), self.hub.position(), BATCH).await?;
        for revocation in events.iter().filter_map(|event| event.revocation) {
            self.introspector.revoke(revocation);
            self.hub.revoke(revocation);
        }
        self.hub.deliver(&events);
        Ok(if events.len() as u64 == BATCH {
            Step::Full
        } else {
            Step::Drained
        })
    }

    async fn woken(&self) {
        let mut commits = self.commits.clone();
        if commits.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Deletes stream events that are too old to be resumed.
pub struct Pruner {
    db: Db,
    clock: Clock,
    retention: Duration,
    keep: u64,
}

impl Pruner {
    /// Keeps events of `retention`, and `keep` of them at most.
    pub fn new(db: Db, clock: Clock, retention: Duration, keep: u64) -> Self {
        Self {
            db,
            clock,
            retention,
            keep,
        }
    }
}

#[async_trait::async_trait]
impl Worker for Pruner {
    fn name(&self) -> &'static str {
        "stream-pruner"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        let before = self.clock.now() - self.retention;
        let pruned = self
            .db
            .write(async |tx| stream_event::prune(tx, before, self.keep, 5000).await)
            .await?;
        Ok(if pruned > 0 { Step::Full } else { Step::Drained })
    }
}
