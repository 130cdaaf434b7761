//! The relay: publishes committed outbox rows until the broker has acknowledged each.
//!
//! A shard, that is a sixteenth of the keys, is published by one replica at a time, in the order of `seq`, so order per key
//! holds. A step claims a batch of unsent rows, gives them to the producer, awaits the acknowledgements, and marks the
//! acknowledged rows as sent in one write. A crash in between publishes them again, which inboxes drop.
//!
//! The producer never gives up by itself. When acknowledgements take too long the step fails but keeps its rows in flight
//! and goes on waiting for them in the next one; nothing is given to the producer twice while it may still send it. Two
//! relays that hold one shard for a moment (a lost database session) do no harm either: each publishes in order from
//! the first row that is not marked, so the first copy of each event is in order.

mod publisher;
mod window;

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use contracts::Envelope;
use database::{Db, Leases};
pub use publisher::{Delivery, Place, PublishError, Publisher, Record};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use window::{Published, Window};

use crate::{
    Broker, Metrics, crash,
    outbox::{self, SHARDS},
    worker::{Pace, Step, StepError, Worker},
};

/// Rows in one batch, and bytes of their payloads.
const BATCH: u64 = 500;
const BATCH_BYTES: usize = 1024 * 1024;
/// How long a step waits for acknowledgements before it says so.
const PATIENCE: Duration = Duration::from_secs(5);
const SHORTEST_POLL: Duration = Duration::from_millis(20);
const LONGEST_POLL: Duration = Duration::from_millis(500);

/// Publishes the outbox of one service; run it with [`Relay::PACE`], one in each replica.
pub struct Relay {
    db: Db,
    publisher: Arc<dyn Publisher>,
    source: String,
    metrics: Metrics,
    leases: Leases,
    commits: watch::Receiver<u64>,
    in_flight: Vec<InFlight>,
    /// On the broker inside this process: keeps from running ahead of its consumers.
    window: Option<Window>,
    poll: Duration,
    stalled: bool,
}

struct InFlight {
    seq: i64,
    topic: String,
    key: String,
    bytes: usize,
    delivery: Delivery,
}

/// A batch was not published; it is tried again.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("the broker has not acknowledged {0} events within {PATIENCE:?}")]
    Late(usize),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("reading or marking the outbox")]
    Store(#[from] sea_orm::DbErr),
}

impl Relay {
    /// How often it looks by itself; a commit in this process wakes it at once.
    pub const PACE: Pace = Pace {
        last_retry: Duration::from_secs(5),
        ..Pace::every(LONGEST_POLL)
    };

    /// Publishes the events of `service` that are in `db`.
    ///
    /// On the broker inside this process, all consumers have to be made before the first relay runs: it waits for those
    /// that it knows.
    pub fn new(db: Db, broker: Broker, service: &str, metrics: Metrics) -> Self {
        Self::through(db, Arc::new(broker), service, metrics)
    }

    /// The same through another publisher.
    pub fn through(db: Db, publisher: Arc<dyn Publisher>, service: &str, metrics: Metrics) -> Self {
        let window = publisher.positions().map(|positions| Window::new(positions.watch()));
        Self {
            leases: Leases::new(db.clone(), "relay", SHARDS),
            source: format!("/services/{service}"),
            commits: db.commits(),
            in_flight: Vec::new(),
            poll: SHORTEST_POLL,
            stalled: false,
            db,
            publisher,
            metrics,
            window,
        }
    }

    async fn relay(&mut self) -> Result<Step, RelayError> {
        if let (Some(window), Some(positions)) = (&mut self.window, self.publisher.positions()) {
            window.recover(&self.db, positions).await?;
            window.advance(&self.db, positions).await?;
        }
        let claimed = if self.in_flight.is_empty() {
            self.send().await
        } else {
            Ok(0)
        };
        // What was sent before an error is awaited and marked all the same.
        let found = !self.in_flight.is_empty();
        self.poll = if found {
            SHORTEST_POLL
        } else {
            (self.poll * 2).min(LONGEST_POLL)
        };
        let delivered = self.deliver().await;
        let claimed = claimed?;
        delivered?;
        Ok(if claimed >= BATCH as usize || (found && claimed == 0) {
            Step::Full
        } else {
            Step::Drained
        })
    }

    /// Claims a batch and gives it to the producer.
    async fn send(&mut self) -> Result<usize, RelayError> {
        // Before the look, so that a commit meanwhile wakes again.
        self.commits.mark_unchanged();
        let room = self.window.as_ref().map_or(BATCH_BYTES, Window::room).min(BATCH_BYTES);
        if room == 0 {
            return Ok(0);
        }
        let shards = self.leases.hold().await?;
        if shards.is_empty() {
            return Ok(0);
        }
        let mut rows = outbox::unsent(&self.db, shards, BATCH).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        crash::point(crash::OUTBOX_COMMITTED);
        let claimed = rows.len();
        let mut bytes = 0;
        let fit = rows.iter().take_while(|row| {
            let first = bytes == 0;
            bytes += size(row);
            first || bytes <= room
        });
        let fit = fit.count();
        rows.truncate(fit);
        for row in rows {
            let bytes = size(&row);
            let delivery = self.publisher.publish(self.record(&row))?;
            self.in_flight.push(InFlight {
                seq: row.seq,
                topic: row.topic,
                key: row.key,
                bytes,
                delivery,
            });
        }
        // A batch that was cut short counts as full: there is more.
        Ok(if fit < claimed { BATCH as usize } else { claimed })
    }

    fn record(&self, row: &outbox::Model) -> Record {
        let headers = match &row.headers {
            Some(own) => serde_json::from_str(own).unwrap_or_default(),
            None => self
                .envelope(row)
                .headers()
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        };
        Record {
            topic: row.topic.clone(),
            key: row.key.clone(),
            headers,
            payload: row.payload.clone(),
        }
    }

    fn envelope(&self, row: &outbox::Model) -> Envelope {
        Envelope {
            id: row.event_id,
            source: self.source.clone(),
            event_type: row.event_type.clone(),
            time: row.created_at,
            subject: row.key.clone(),
            causation_id: row.causation_id,
            traceparent: row.traceparent.clone(),
            tracestate: row.tracestate.clone(),
        }
    }

    /// Awaits what is in flight and marks what was acknowledged.
    async fn deliver(&mut self) -> Result<(), RelayError> {
        if self.in_flight.is_empty() {
            return Ok(());
        }
        let deadline = Instant::now() + PATIENCE;
        let mut acknowledged = Vec::with_capacity(self.in_flight.len());
        let mut failed: HashSet<(String, String)> = HashSet::new();
        let mut failure = None;
        let mut late = Vec::new();
        for mut sent in std::mem::take(&mut self.in_flight) {
            match timeout_at(deadline, &mut sent.delivery).await {
                Err(_) => late.push(sent),
                Ok(Ok(place)) => {
                    // Later rows of a key that failed count as unsent as well: they must come after it.
                    if !failed.contains(&(sent.topic.clone(), sent.key.clone())) {
                        acknowledged.push(Published::new(sent.seq, sent.topic, sent.bytes, place));
                    }
                }
                Ok(Err(error)) => {
                    failed.insert((sent.topic, sent.key));
                    failure.get_or_insert(error);
                }
            }
        }
        self.in_flight = late;
        if !acknowledged.is_empty() {
            crash::point(crash::RELAY_PUBLISHED);
            let seqs: Vec<i64> = acknowledged.iter().map(|published| published.seq).collect();
            // Before the mark: a row that is marked must be known to the window.
            if let Some(window) = &mut self.window {
                window.sent(acknowledged);
            }
            outbox::mark_sent(&self.db, &seqs).await?;
            self.metrics.published.inc_by(seqs.len() as u64);
            self.metrics.publish_batch.observe(seqs.len() as f64);
        }
        match failure {
            Some(failure) => Err(failure.into()),
            None if !self.in_flight.is_empty() => Err(RelayError::Late(self.in_flight.len())),
            None => Ok(()),
        }
    }

    /// Whether a failure of the relay is its own: the broker answers, and still nothing gets through.
    async fn is_stalled(&self, error: &RelayError) -> bool {
        match error {
            RelayError::Store(_) => false,
            _ => self.publisher.answers().await,
        }
    }
}

/// Ends when `watched` has changed since it was last marked as seen.
async fn changed<T: Send + Sync>(watched: &watch::Receiver<T>) {
    if watched.clone().changed().await.is_err() {
        std::future::pending().await
    }
}

fn size(row: &outbox::Model) -> usize {
    // Headers and framing are about as long as a short payload.
    row.payload.len() + row.key.len() + row.headers.as_ref().map_or(512, String::len)
}

#[async_trait]
impl Worker for Relay {
    fn name(&self) -> &'static str {
        "relay"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        let relayed = self.relay().await;
        match relayed {
            Ok(step) => {
                self.stalled = false;
                Ok(step)
            }
            Err(error) => {
                self.metrics.publish_failures.inc();
                self.stalled = self.is_stalled(&error).await;
                Err(Box::new(error))
            }
        }
    }

    fn stalled(&self) -> bool {
        self.stalled
    }

    async fn finish(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.relay().await {
                Ok(Step::Full) if Instant::now() < deadline => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(error = %crate::worker::chain(&error), "the last events are published at the next start");
                    break;
                }
            }
        }
        if let (Some(window), Some(positions)) = (&mut self.window, self.publisher.positions())
            && let Err(error) = window.checkpoint(&self.db, positions).await
        {
            tracing::warn!(error = %error, "the next start publishes more again than it must");
        }
    }

    async fn woken(&self) {
        let poll = match self.db.backend() {
            // Other replicas commit rows of our shards without telling us.
            sea_orm::DbBackend::Postgres => self.poll,
            _ => LONGEST_POLL,
        };
        tokio::select! {
            () = changed(&self.commits) => {}
            () = tokio::time::sleep(poll) => {}
            () = async { match &self.window { Some(window) => window.freed().await, None => std::future::pending().await } } => {}
        }
    }
}
