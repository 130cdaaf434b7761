//! Metrics that prove the promise: nothing waits for long, nothing is lost, nothing is done twice.
//!
//! Depths and ages come from the database, by [`Sampler`]; a counter in memory would forget them at a restart.

use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use contracts::Timestamp;
use database::Db;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use sea_orm::{ConnectionTrait, DbErr, Statement};

use crate::{
    inbox::Outcome,
    worker::{Step, StepError, Worker},
};

/// Seconds; a gauge of fractions.
type Seconds = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TopicLabel {
    pub(crate) topic: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StateLabel {
    state: &'static str,
}

/// The metrics of one service's messaging; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(crate) outbox_pending: Gauge,
    pub(crate) outbox_oldest_age: Seconds,
    pub(crate) published: Counter,
    pub(crate) publish_failures: Counter,
    pub(crate) publish_batch: Histogram,
    pub(crate) consumer_lag: Family<TopicLabel, Gauge>,
    pub(crate) consumer_events: Family<OutcomeLabel, Counter>,
    pub(crate) consumer_retries: Counter,
    pub(crate) consumer_batch: Histogram,
    pub(crate) consumer_gaps: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) delay: Family<TopicLabel, Histogram, fn() -> Histogram>,
    pub(crate) dlq_depth: Family<StateLabel, Gauge>,
}

fn delays() -> Histogram {
    Histogram::new([
        0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0,
    ])
}

fn sizes() -> Histogram {
    Histogram::new([1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0])
}

impl Metrics {
    /// Creates them and adds them to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            outbox_pending: Gauge::default(),
            outbox_oldest_age: Seconds::default(),
            published: Counter::default(),
            publish_failures: Counter::default(),
            publish_batch: sizes(),
            consumer_lag: Family::default(),
            consumer_events: Family::default(),
            consumer_retries: Counter::default(),
            consumer_batch: sizes(),
            consumer_gaps: Counter::default(),
            duplicates: Counter::default(),
            delay: Family::new_with_constructor(delays),
            dlq_depth: Family::default(),
        };
        let m = metrics.clone();
        registry.register(
            "outbox_pending",
            "Committed events that the broker has not acknowledged",
            m.outbox_pending,
        );
        registry.register_with_unit(
            "outbox_oldest_age",
            "Age of the oldest event that the broker has not acknowledged",
            Unit::Seconds,
            m.outbox_oldest_age,
        );
        registry.register(
            "relay_published_events",
            "Events that the broker acknowledged",
            m.published,
        );
        registry.register(
            "relay_failures",
            "Batches of the relay that failed and are tried again",
            m.publish_failures,
        );
        registry.register(
            "relay_batch_events",
            "Events in one batch of the relay",
            m.publish_batch,
        );
        registry.register(
            "consumer_lag",
            "Messages on the broker that this replica has to handle, by topic",
            m.consumer_lag,
        );
        registry.register(
            "consumer_events",
            "Messages that were taken over, by what became of them",
            m.consumer_events,
        );
        registry.register(
            "consumer_retries",
            "Attempts that failed with an error that may pass",
            m.consumer_retries,
        );
        registry.register(
            "consumer_batch_events",
            "Messages in one transaction of the consumer",
            m.consumer_batch,
        );
        registry.register(
            "consumer_gaps",
            "Times that messages were missing between two offsets: the broker dropped them before they were read",
            m.consumer_gaps,
        );
        registry.register(
            "inbox_duplicates",
            "Messages that had been taken over before and were dropped",
            m.duplicates,
        );
        registry.register_with_unit(
            "event_delay",
            "Time from an event's commit at its publisher to the commit of its effect here",
            Unit::Seconds,
            m.delay,
        );
        registry.register(
            "dlq_depth",
            "Events that the operator has to decide on, by state",
            m.dlq_depth,
        );
        metrics
    }

    /// Metrics that nobody reads.
    pub fn unread() -> Self {
        Self::register(&mut Registry::default())
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        let label = match outcome {
            Outcome::Applied => "applied",
            Outcome::Duplicate => "duplicate",
            Outcome::PassedOver => "passed_over",
            Outcome::Parked => "parked",
            Outcome::DeadLettered => "dead_lettered",
        };
        if outcome == Outcome::Duplicate {
            self.duplicates.inc();
        }
        self.consumer_events
            .get_or_create(&OutcomeLabel { outcome: label })
            .inc();
    }
}

/// Reads depths and ages from the database; run it every few seconds.
pub struct Sampler {
    db: Db,
    metrics: Metrics,
}

impl Sampler {
    /// Samples `db` into `metrics`.
    pub fn new(db: Db, metrics: Metrics) -> Self {
        Self { db, metrics }
    }

    async fn sample(&self) -> Result<(), DbErr> {
        let read = self.db.read();
        let query = |sql: &str| Statement::from_string(self.db.backend(), sql);
        let row = read
            .query_one_raw(query(
                "SELECT COUNT(*) AS pending, MIN(created_at) AS oldest FROM outbox WHERE sent_at IS NULL",
            ))
            .await?;
        if let Some(row) = row {
            self.metrics.outbox_pending.set(row.try_get("", "pending")?);
            let oldest: Option<Timestamp> = row.try_get("", "oldest")?;
            let age = oldest.map_or(0.0, |oldest| Timestamp::now().since(oldest).as_secs_f64());
            self.metrics.outbox_oldest_age.set(age);
        }
        let rows = read
            .query_all_raw(query(
                "SELECT state, COUNT(*) AS depth FROM dead_letters WHERE state IN ('dead', 'parked') GROUP BY state",
            ))
            .await?;
        for state in ["dead", "parked"] {
            let found = rows
                .iter()
                .find(|row| row.try_get::<String>("", "state").is_ok_and(|found| found == state));
            let depth = found.map_or(Ok(0), |row| row.try_get("", "depth"))?;
            self.metrics.dlq_depth.get_or_create(&StateLabel { state }).set(depth);
        }
        Ok(())
    }
}

#[async_trait]
impl Worker for Sampler {
    fn name(&self) -> &'static str {
        "messaging-sampler"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        self.sample().await?;
        Ok(Step::Drained)
    }
}
