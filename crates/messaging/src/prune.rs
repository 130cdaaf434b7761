//! Removes what nobody needs any more: sent outbox rows, and inbox rows older than any event that could come again.
//!
//! Small batches, oldest first, so that no writer waits long. The inbox must remember longer than the outbox: an event
//! that is published again from the outbox has to be known.

use std::time::Duration;

use async_trait::async_trait;
use contracts::Timestamp;
use database::Db;
use sea_orm::{ConnectionTrait, DbErr, Statement};

use crate::worker::{Step, StepError, Worker};

const BATCH: i64 = 500;

/// Removes old rows; run it every minute or so.
pub struct Prune {
    db: Db,
    outbox: Duration,
    inbox: Duration,
    /// Rows of the outbox up to here were looked at in this round.
    looked_at: i64,
}

impl Prune {
    /// Keeps sent events for `outbox` and the memory of handled ones for `inbox`, or twice `outbox` if that is longer.
    pub fn new(db: Db, outbox: Duration, inbox: Duration) -> Self {
        Self {
            db,
            outbox,
            inbox: inbox.max(outbox * 2),
            looked_at: 0,
        }
    }

    /// Sent events for 7 days, the memory of handled ones for 14.
    pub fn usual(db: Db) -> Self {
        Self::new(db, Duration::from_hours(7 * 24), Duration::from_hours(14 * 24))
    }

    async fn outbox(&mut self) -> Result<bool, DbErr> {
        let before = Timestamp::now() - self.outbox;
        // Rows are numbered in the order they were made: a batch that holds a young one is the last.
        let query = Statement::from_sql_and_values(
            self.db.backend(),
            "SELECT MAX(seq) AS last, COUNT(*) AS old FROM \
             (SELECT seq, created_at FROM outbox WHERE seq > $1 ORDER BY seq LIMIT $2) AS oldest WHERE created_at < $3",
            [self.looked_at.into(), BATCH.into(), before.into()],
        );
        let Some(row) = self.db.read().query_one_raw(query).await? else {
            return Ok(false);
        };
        let (last, old): (Option<i64>, i64) = (row.try_get("", "last")?, row.try_get("", "old")?);
        if let Some(last) = last {
            let delete = Statement::from_sql_and_values(
                self.db.backend(),
                "DELETE FROM outbox WHERE seq > $1 AND seq <= $2 AND sent_at < $3",
                [self.looked_at.into(), last.into(), before.into()],
            );
            self.db.write(async |tx| tx.execute_raw(delete).await.map(drop)).await?;
        }
        let full = old == BATCH;
        self.looked_at = if full { last.unwrap_or_default() } else { 0 };
        Ok(full)
    }

    async fn inbox(&self) -> Result<bool, DbErr> {
        let before = Timestamp::now() - self.inbox;
        let query = Statement::from_sql_and_values(
            self.db.backend(),
            "SELECT MAX(handled_at) AS last, COUNT(*) AS old FROM \
             (SELECT handled_at FROM inbox WHERE handled_at < $1 ORDER BY handled_at LIMIT $2) AS oldest",
            [before.into(), BATCH.into()],
        );
        let Some(row) = self.db.read().query_one_raw(query).await? else {
            return Ok(false);
        };
        let (last, old): (Option<i64>, i64) = (row.try_get("", "last")?, row.try_get("", "old")?);
        if let Some(last) = last {
            let delete = Statement::from_sql_and_values(
                self.db.backend(),
                "DELETE FROM inbox WHERE handled_at <= $1",
                [last.into()],
            );
            self.db.write(async |tx| tx.execute_raw(delete).await.map(drop)).await?;
        }
        Ok(old == BATCH)
    }
}

#[async_trait]
impl Worker for Prune {
    fn name(&self) -> &'static str {
        "messaging-prune"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        let outbox = self.outbox().await?;
        let inbox = self.inbox().await?;
        Ok(if outbox || inbox { Step::Full } else { Step::Drained })
    }
}
