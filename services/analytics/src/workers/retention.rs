//! The janitor: old events leave the log, and what a killed rebuild left behind goes.

use std::time::Duration;

use chassis::{
    Clock,
    worker::{Step, StepError, Worker},
};
use database::Db;

use crate::{domain::activity::slot, store};

/// Events that one step removes at most.
const BATCH: i64 = 2000;

/// Removes what is older than the settings allow.
pub struct Retention {
    db: Db,
    clock: Clock,
    keep: Duration,
}

impl Retention {
    /// Nothing runs yet.
    pub fn new(db: Db, clock: Clock, keep: Duration) -> Self {
        Self { db, clock, keep }
    }
}

#[async_trait::async_trait]
impl Worker for Retention {
    fn name(&self) -> &'static str {
        "analytics-retention"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        let now = self.clock.now();
        // Whole quarters of an hour, so that a rebuild can begin where the log does.
        let before = slot(now - self.keep);
        let removed = self
            .db
            .write(async move |tx| -> Result<u64, sea_orm::DbErr> {
                // A rebuild counts on the log to stay as long as it was when it began.
                if store::rebuild::sweep(tx, now).await? {
                    store::event::prune(tx, before, BATCH).await
                } else {
                    Ok(0)
                }
            })
            .await?;
        Ok(if removed >= BATCH.unsigned_abs() {
            Step::Full
        } else {
            Step::Drained
        })
    }
}
