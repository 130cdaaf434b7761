//! The due-soon scheduler: looks for tasks that come due within the announced time, a batch in each step.

use std::time::Duration;

use async_trait::async_trait;
use chassis::Clock;
use database::Db;
use messaging::worker::{Step, StepError, Worker};

use crate::store;

/// Tasks announced in one transaction at most.
const BATCH: u64 = 200;

/// Announces tasks that come due soon.
pub(crate) struct DueScheduler {
    /// The database.
    pub(crate) db: Db,
    /// The time.
    pub(crate) clock: Clock,
    /// How long before its due time a task is announced.
    pub(crate) ahead: Duration,
}

#[async_trait]
impl Worker for DueScheduler {
    fn name(&self) -> &'static str {
        "due-scheduler"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        let now = self.clock.now();
        let claimed = self
            .db
            .write(async |tx| store::due::announce(tx, now, now + self.ahead, BATCH).await)
            .await?;
        Ok(if claimed < BATCH { Step::Drained } else { Step::Full })
    }
}
