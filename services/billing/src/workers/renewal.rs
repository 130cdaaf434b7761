//! Ends periods whose time has come, one account a step.

use std::sync::Arc;

use async_trait::async_trait;
use messaging::worker::{Step, StepError, Worker};
use sea_orm::DbErr;
use tracing::Instrument;

use crate::{flow, state::State, store};

/// Ends periods.
pub struct RenewalScheduler {
    /// What it needs.
    pub state: Arc<State>,
}

#[async_trait]
impl Worker for RenewalScheduler {
    fn name(&self) -> &'static str {
        "renewals"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        let state = &self.state;
        let now = state.clock.now();
        let Some(user) = store::subscription::due(state.db.read(), now).await? else {
            return Ok(Step::Drained);
        };
        state
            .db
            .write(async |tx| {
                flow::renewal::renew(state, tx, user, now).await?;
                Ok::<_, DbErr>(())
            })
            // A trace of its own, which the payment and its attempts continue.
            .instrument(tracing::info_span!("renew"))
            .await?;
        Ok(Step::Full)
    }
}
