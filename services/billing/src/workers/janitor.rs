//! The janitor: rows about tasks, members and projects that have long been gone go too, in small transactions.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use messaging::worker::{Step, StepError, Worker};

use crate::{state::State, store};

/// How long a tombstone keeps a latecomer from being counted. The inbox forgets after two weeks; an operator may redrive a
/// dead letter later than that.
const KEEP: Duration = Duration::from_secs(90 * 24 * 3600);
/// Rows that one step removes of each sort at most.
const BATCH: u32 = 500;

/// Removes what is long gone.
pub struct Janitor {
    /// What it needs.
    pub state: Arc<State>,
}

#[async_trait]
impl Worker for Janitor {
    fn name(&self) -> &'static str {
        "usage-janitor"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        let before = self.state.clock.now() - KEEP;
        let db = &self.state.db;
        let removed = db
            .write(async |tx| store::usage::prune(tx, before, BATCH).await)
            .await?;
        Ok(if removed > 0 { Step::Full } else { Step::Drained })
    }
}
