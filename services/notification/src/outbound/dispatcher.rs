//! Makes the attempts that are due, many at a time.
//!
//! A step records the attempts that have ended, claims what there is room for, and waits a moment for attempts to end: those
//! under way live from step to step. So a target that never answers holds up nobody but itself, and itself only up to its share of
//! the room. Between claiming and recording the process may die. The attempt is then *lost*:
//! when its lease is over it becomes `unknown`, and the message goes again under the same id.

use std::{collections::HashMap, time::Duration};

use chassis::{
    Clock,
    worker::{Step, StepError, Worker},
};
use contracts::Timestamp;
use database::{Db, Tx};
use messaging::crash;
use sea_orm::DbErr;
use tokio::{sync::watch, task::JoinSet};

use super::channel::{Channels, Job};
use crate::{
    domain::delivery::{self, Attempt, Next, Outcome, State},
    metrics::Metrics,
    store::{self, delivery::Model},
};

/// How long a step waits for attempts to end before it looks for new work.
const MOMENT: Duration = Duration::from_millis(100);
/// How long it waits for one more, when one has ended: those that end together are recorded together.
const INSTANT: Duration = Duration::from_millis(2);
/// How long the attempts under way may take when the process stops.
const LAST_MOMENT: Duration = Duration::from_secs(5);

/// Crash point: attempts are claimed and none of them has begun.
const CLAIMED: &str = "delivery.claimed";
/// Crash point: an attempt has ended and is not recorded.
const SENT: &str = "delivery.sent";

/// How many attempts at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// In all.
    pub all: usize,
    /// With one target.
    pub each: usize,
    /// After how long an attempt without a record counts as lost. Longer than any attempt takes.
    pub lease: Duration,
}

/// Sends deliveries.
pub struct Dispatcher {
    db: Db,
    clock: Clock,
    room: Room,
    channels: Channels,
    metrics: Metrics,
    commits: watch::Receiver<u64>,
    under_way: JoinSet<Ended>,
    /// How many attempts are under way with each target.
    busy: HashMap<String, usize>,
    /// Attempts that ended and are not recorded yet.
    ended: Vec<Ended>,
}

/// A delivery with an attempt that ended.
struct Ended {
    delivery: Model,
    job: Job,
    attempt: Attempt,
}

impl Dispatcher {
    /// Nothing runs yet.
    pub fn new(db: Db, clock: Clock, room: Room, channels: Channels, metrics: Metrics) -> Self {
        Self {
            commits: db.commits(),
            db,
            clock,
            room,
            channels,
            metrics,
            under_way: JoinSet::new(),
            busy: HashMap::new(),
            ended: Vec::new(),
        }
    }

    /// Records the attempts that ended and begins as many as there is room for, in one transaction. When it fails it is tried
    /// again with the next step.
    async fn turn(&mut self) -> Result<(), DbErr> {
        let free = self.room.all.saturating_sub(self.under_way.len());
        let now = self.clock.now();
        let full = self.busy.iter().filter(|(_, count)| **count >= self.room.each);
        let full: Vec<String> = full.map(|(target, _)| target.clone()).collect();
        // Reading first: a write wakes every worker of this process.
        let due = free > 0 && store::delivery::is_due(self.db.read(), &full, now).await?;
        if !due && self.ended.is_empty() {
            return Ok(());
        }
        let this = &*self;
        let claimed = this
            .db
            .write(async |tx| {
                this.record(tx).await?;
                match due {
                    true => this.claim(tx, &full, free, now).await,
                    false => Ok(Vec::new()),
                }
            })
            .await?;
        self.count();
        if !claimed.is_empty() {
            crash::point(CLAIMED);
        }
        for (delivery, job) in claimed {
            *self.busy.entry(delivery.target.clone()).or_default() += 1;
            let channels = self.channels.clone();
            // Joined by the steps, and ended with the worker.
            self.under_way.spawn(async move {
                let attempt = channels.send(&job, &delivery, now).await;
                crash::point(SENT);
                Ended { delivery, job, attempt }
            });
        }
        Ok(())
    }

    async fn claim(&self, tx: &Tx, full: &[String], free: usize, now: Timestamp) -> Result<Vec<(Model, Job)>, DbErr> {
        // More than there is room for: some may exceed the share of their target.
        let due = store::delivery::candidates(tx, full, (free * 2) as u64, now).await?;
        let mut shares = self.busy.clone();
        let mut claimed = Vec::new();
        for mut delivery in due {
            if delivery.state == State::Sending.name() {
                store::delivery::lose(tx, &delivery, after_loss(delivery.tries, now), now).await?;
                self.metrics.attempt(&delivery.channel, "unknown");
                continue;
            }
            let share = shares.entry(delivery.target.clone()).or_default();
            if claimed.len() == free || *share >= self.room.each {
                continue;
            }
            match self.channels.prepare(tx, &delivery, now).await? {
                Err(reason) => store::delivery::give_up(tx, delivery.id, &reason, now).await?,
                Ok(job) => {
                    *share += 1;
                    delivery.attempts += 1;
                    delivery.tries += 1;
                    claimed.push((delivery, job));
                }
            }
        }
        if !claimed.is_empty() {
            let ids: Vec<_> = claimed.iter().map(|(delivery, _)| delivery.id).collect();
            store::delivery::claim(tx, &ids, now + self.room.lease).await?;
        }
        Ok(claimed)
    }

    /// Waits a moment for attempts to end, and an instant for those that end together.
    async fn wait(&mut self) {
        let mut limit = MOMENT;
        while let Ok(Some(joined)) = tokio::time::timeout(limit, self.under_way.join_next()).await {
            match joined {
                Ok(ended) => {
                    release(&mut self.busy, &ended.delivery.target);
                    self.ended.push(ended);
                }
                // A panic: its lease ends, and it is tried again. Its share is given back when nothing is under way.
                Err(error) => tracing::error!(error = %error, "an attempt broke off"),
            }
            limit = INSTANT;
        }
        if self.under_way.is_empty() {
            self.busy.clear();
        }
    }

    async fn record(&self, tx: &Tx) -> Result<(), DbErr> {
        if self.ended.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let attempts = self.ended.iter();
        let attempts: Vec<_> = attempts
            .map(|one| (one.delivery.id, one.delivery.attempts, &one.attempt))
            .collect();
        store::attempt::record(tx, &attempts).await?;
        for Ended { delivery, job, attempt } in &self.ended {
            let next = delivery::after(&attempt.outcome, delivery.tries, now, &mut rand::rng());
            let reason = attempt.outcome.reason();
            store::delivery::advance(tx, delivery.id, delivery.attempts, next, reason, now).await?;
            self.channels.settle(tx, job, delivery, &attempt.outcome, now).await?;
        }
        Ok(())
    }

    /// Counts what was recorded, and forgets it.
    fn count(&mut self) {
        for Ended { delivery, attempt, .. } in self.ended.drain(..) {
            let result = match attempt.outcome {
                Outcome::Taken => "delivered",
                Outcome::Later { .. } => "later",
                Outcome::Never { .. } | Outcome::Gone { .. } => "failed",
            };
            self.metrics.attempt(&delivery.channel, result);
        }
    }
}

fn release(busy: &mut HashMap<String, usize>, target: &str) {
    if let Some(count) = busy.get_mut(target) {
        *count -= 1;
        if *count == 0 {
            busy.remove(target);
        }
    }
}

fn after_loss(tries: i64, now: Timestamp) -> Next {
    match delivery::pause(tries, None, &mut rand::rng()) {
        Some(pause) => Next {
            state: State::Unknown,
            due_at: Some(now + pause),
        },
        None => Next {
            state: State::Failed,
            due_at: None,
        },
    }
}

#[async_trait::async_trait]
impl Worker for Dispatcher {
    fn name(&self) -> &'static str {
        "deliveries"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        self.commits.mark_unchanged();
        self.turn().await?;
        if self.under_way.is_empty() {
            return Ok(Step::Drained);
        }
        self.wait().await;
        Ok(Step::Full)
    }

    async fn finish(&mut self) {
        let ending = async {
            while let Some(one) = self.under_way.join_next().await {
                self.ended.extend(one.ok());
            }
        };
        // What does not end in time is lost, and goes again.
        if tokio::time::timeout(LAST_MOMENT, ending).await.is_err() {
            tracing::warn!("attempts were under way when the process stopped; they will be made again");
        }
        if let Err(error) = self.db.write(async |tx| self.record(tx).await).await {
            tracing::warn!(error = %error, "the last attempts were not recorded; they will be made again");
        }
    }

    async fn woken(&self) {
        // The database may be closed first when the process stops.
        if self.commits.clone().changed().await.is_err() {
            std::future::pending().await
        }
    }
}
