//! Ends what was not refreshed in time, and removes what nobody needs any more, a bounded piece at a time.

use std::time::Duration;

use async_trait::async_trait;
use chassis::Clock;
use database::{Db, Tx};
use messaging::worker::{Step, StepError, Worker};
use sea_orm::DbErr;

use crate::store;

/// Rows of one kind in one step.
const BATCH: u64 = 200;
/// How long ended sessions stay: a spent refresh token is recognised for so long.
const ENDED_SESSIONS: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long finished mails stay, for the operator.
const MAILS: Duration = Duration::from_secs(30 * 24 * 3600);

/// Tidies up.
pub struct Janitor {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// How long failed attempts are remembered.
    pub forget_failures: Duration,
}

#[async_trait]
impl Worker for Janitor {
    fn name(&self) -> &'static str {
        "janitor"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        let removed = self.db.write(async |tx| self.tidy(tx).await).await?;
        Ok(if removed.contains(&BATCH) {
            Step::Full
        } else {
            Step::Drained
        })
    }
}

impl Janitor {
    async fn tidy(&self, tx: &Tx) -> Result<[u64; 6], DbErr> {
        let now = self.clock.now();
        Ok([
            store::session::end_expired(tx, BATCH, now).await?,
            store::session::forget(tx, BATCH, now - ENDED_SESSIONS).await?,
            store::token::forget(tx, BATCH, now).await?,
            store::code::forget(tx, BATCH, now).await?,
            store::mail::forget(tx, BATCH, now - MAILS).await?,
            store::throttle::forget(tx, BATCH, now - self.forget_failures).await?,
        ])
    }
}
