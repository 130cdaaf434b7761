//! Forgets orders that were settled long ago; billing keeps them.

use std::time::Duration;

use chassis::Clock;
use database::Db;
use messaging::worker::{Step, StepError, Worker};

use crate::store::order;

/// Orders that are forgotten at once.
const BATCH: u64 = 1000;

/// See the head of the file.
pub struct OrderPruner {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// For how long settled orders are kept.
    pub retention: Duration,
}

#[async_trait::async_trait]
impl Worker for OrderPruner {
    fn name(&self) -> &'static str {
        "order-pruner"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        let before = self.clock.now() - self.retention;
        let pruned = self.db.write(async |tx| order::prune(tx, before, BATCH).await).await?;
        Ok(if pruned == BATCH { Step::Full } else { Step::Drained })
    }
}
