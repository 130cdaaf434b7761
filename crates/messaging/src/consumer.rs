//! The consumer: from the broker into the inbox.
//!
//! A batch is what is there, or comes within [`Reactions::gathering`](crate::Reactions::gathering), at most [`BATCH`]
//! messages. It is taken over in one transaction ([`Intake::take`]), then its offsets are stored; the client commits them
//! every second and when a partition is taken away. A rebalance is served only between batches, so what has committed here
//! is stored before a partition goes.
//!
//! When the database fails in a way that may pass, the batch is tried again with growing pauses while its partitions are
//! paused and the client is polled on, so that membership in the group survives. A partition that goes to another
//! replica meanwhile does no harm: whoever commits first has the effect, the other a duplicate.
//!
//! A group that the broker has forgotten is joined again ([`Membership`]), its topics are made anew.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use contracts::Timestamp;
use rdkafka::{
    ClientContext, Message as _, Offset, Statistics, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance, StreamConsumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers},
};
use sea_orm::DbErr;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{
    Broker, Metrics,
    broker::{self, BrokerError},
    crash,
    inbox::{Intake, Outcome},
    membership::Membership,
    message::Message,
    metrics::TopicLabel,
    worker::{Pace, Progress, chain},
};

/// Messages in one transaction, and their bytes.
const BATCH: usize = 200;
const BATCH_BYTES: usize = 1024 * 1024;
const IDLE: Duration = Duration::from_secs(1);

/// Handles the events that one service reacts to.
pub struct Consumer {
    broker: Broker,
    intake: Intake,
    metrics: Metrics,
    progress: Progress,
    client: Arc<StreamConsumer<Context>>,
    membership: Membership,
    /// Came in while a batch was tried again: next in turn.
    held: VecDeque<Message>,
    /// The offset that should come next, by topic and partition, since the last rebalance.
    expected: HashMap<(String, i32), i64>,
    assignment: u64,
}

impl Consumer {
    /// Joins the group named after the intake's consumer and reads the topics that it has reactions to.
    ///
    /// # Errors
    /// When the broker's settings are not accepted.
    pub fn new(broker: Broker, intake: Intake, metrics: Metrics) -> Result<Self, BrokerError> {
        let client = Arc::new(connect(&broker, &intake, &metrics)?);
        if let Some(positions) = broker.embedded_positions() {
            let topics = intake
                .reactions()
                .topics()
                .into_iter()
                .map(|topic| topic.name().to_owned());
            positions.join(intake.consumer(), topics);
        }
        let progress = Progress::new("consumer");
        Ok(Self {
            broker,
            intake,
            metrics,
            progress,
            client,
            membership: Membership::new(),
            held: VecDeque::new(),
            expected: HashMap::new(),
            assignment: 0,
        })
    }

    /// For `/livez`: gets old when messages wait and none is handled, and when the broker does not know the group.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Runs until `stop`: then finishes its batch, commits the offsets and leaves the group.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let batch = tokio::select! {
                () = stop.cancelled() => break,
                batch = self.next_batch() => batch,
            };
            match batch {
                Ok(batch) if batch.is_empty() => self.idle(),
                Ok(batch) => {
                    if !self.handle(&batch, &stop).await {
                        break;
                    }
                }
                Err(error) => self.failed(&error, &stop).await,
            }
            self.stay_member().await;
        }
        self.close().await;
    }

    /// What is there, or nothing after a while.
    async fn next_batch(&mut self) -> Result<Vec<Message>, KafkaError> {
        let mut batch: Vec<Message> = self.held.drain(..).collect();
        if batch.is_empty() {
            match timeout(IDLE, self.client.recv()).await {
                Err(_) => return Ok(batch),
                Ok(message) => batch.push(own(&self.broker, &message?)),
            }
        }
        let mut bytes: usize = batch.iter().map(Message::size).sum();
        let until = Instant::now() + self.intake.reactions().gathering_time();
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            // What is there is taken at once. An error comes again when nothing else is there.
            let Ok(Ok(message)) = timeout_at(until, self.client.recv()).await else {
                break;
            };
            let message = own(&self.broker, &message);
            bytes += message.size();
            batch.push(message);
        }
        self.look_for_gaps(&batch);
        Ok(batch)
    }

    /// Answers whether the batch was handled; not when the process stops before it could be.
    async fn handle(&mut self, batch: &[Message], stop: &CancellationToken) -> bool {
        const PACE: Pace = Pace {
            last_retry: Duration::from_secs(5),
            ..Pace::every(IDLE)
        };
        let mut failures = 0;
        let outcomes = loop {
            let attempts = i32::try_from(failures + 1).unwrap_or(i32::MAX);
            let taken = self.intake.take(batch, attempts).await;
            self.progress.beat();
            match taken {
                Ok(outcomes) => break outcomes,
                Err(error) => {
                    failures += 1;
                    self.metrics.consumer_retries.inc();
                    let pause = PACE.after(failures);
                    self.warn(&error, failures, batch.len());
                    self.pause(true);
                    if !self.wait(pause, stop).await {
                        return false;
                    }
                }
            }
        };
        if failures > 0 {
            self.pause(false);
        }
        crash::point(crash::CONSUMER_COMMITTED);
        self.store_offsets(batch);
        self.count(batch, &outcomes);
        true
    }

    fn warn(&self, error: &DbErr, failures: u32, messages: usize) {
        tracing::warn!(
            consumer = self.intake.consumer(),
            error = %chain(error),
            failures,
            messages,
            "the database failed; the events are tried again"
        );
    }

    /// Polls on without handling anything; answers whether to go on.
    async fn wait(&mut self, pause: Duration, stop: &CancellationToken) -> bool {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                () = stop.cancelled() => return false,
                () = sleep_until(until) => return true,
                // Partitions that were assigned meanwhile are not paused.
                message = self.client.recv() => if let Ok(message) = message {
                    let message = own(&self.broker, &message);
                    self.held.push_back(message);
                    self.pause(true);
                },
            }
        }
    }

    fn pause(&self, pause: bool) {
        let done = self.client.assignment().and_then(|assignment| {
            if pause {
                self.client.pause(&assignment)
            } else {
                self.client.resume(&assignment)
            }
        });
        if let Err(error) = done {
            tracing::warn!(error = %error, "pausing or resuming partitions");
        }
    }

    fn store_offsets(&self, batch: &[Message]) {
        let mut next: BTreeMap<(&str, i32), i64> = BTreeMap::new();
        for message in batch {
            let offset = next.entry((&message.topic, message.partition)).or_default();
            *offset = (message.offset + 1).max(*offset);
        }
        for ((topic, partition), offset) in next {
            let mut list = TopicPartitionList::new();
            let stored = list
                .add_partition_offset(&self.broker.physical(topic), partition, Offset::Offset(offset))
                .and_then(|()| self.client.store_offsets(&list));
            if let Err(error) = stored {
                // The partition has gone to another replica, which finds these events in the inbox.
                tracing::debug!(topic, partition, error = %error, "an offset was not stored");
            }
            if let Some(positions) = self.broker.embedded_positions() {
                positions.handled(self.intake.consumer(), topic, partition, offset);
            }
        }
    }

    fn count(&self, batch: &[Message], outcomes: &[Outcome]) {
        self.metrics.consumer_batch.observe(batch.len() as f64);
        let now = Timestamp::now();
        for (message, outcome) in batch.iter().zip(outcomes) {
            self.metrics.count(*outcome);
            if *outcome == Outcome::Applied
                && let Some(time) = message
                    .header("ce_time")
                    .and_then(|time| time.parse::<Timestamp>().ok())
            {
                let label = TopicLabel {
                    topic: message.topic.clone(),
                };
                self.metrics
                    .delay
                    .get_or_create(&label)
                    .observe(now.since(time).as_secs_f64());
            }
        }
    }

    /// Offsets have no holes on these topics: one that is missing was dropped by the broker before it was read here.
    fn look_for_gaps(&mut self, batch: &[Message]) {
        let assignment = self.client.context().assignments.load(Ordering::Acquire);
        if assignment != self.assignment {
            self.assignment = assignment;
            self.expected.clear();
        }
        for message in batch {
            let next = message.offset + 1;
            let expected = self.expected.insert((message.topic.clone(), message.partition), next);
            if let Some(expected) = expected.filter(|expected| message.offset > *expected) {
                self.metrics.consumer_gaps.inc();
                tracing::error!(
                    topic = message.topic,
                    partition = message.partition,
                    from = expected,
                    to = message.offset,
                    "the broker dropped events before they were read; republish them from their service's outbox"
                );
            }
        }
    }

    /// Nothing came for a while: fine, unless the client knows that something waits, or nothing can come.
    fn idle(&self) {
        if self.membership.holds() && self.client.context().lag.load(Ordering::Relaxed) == 0 {
            self.progress.beat();
        }
    }

    /// Joins again when the broker has forgotten the group.
    async fn stay_member(&mut self) {
        if self.broker.is_embedded() {
            return; // It forgets nothing as long as this process lives.
        }
        let context = self.client.context();
        let refused = context.forgotten.swap(false, Ordering::Relaxed);
        if !self
            .membership
            .is_doubtful(context.commits.load(Ordering::Relaxed), refused)
        {
            return;
        }
        match self.broker.has_group(self.intake.consumer()).await {
            Ok(true) => self.membership.found(),
            Ok(false) => {
                self.membership.forgotten();
                tracing::warn!(
                    consumer = self.intake.consumer(),
                    "the broker does not know this consumer's group, as if its disk had been lost; joining again"
                );
                if let Err(error) = self.broker.restore().await {
                    tracing::error!(error = %chain(&error), "the broker's topics cannot be made again");
                }
                self.reconnect().await;
            }
            Err(error) => {
                self.membership.unanswered();
                tracing::debug!(error = %chain(&error), "the broker does not say whether it knows the group");
            }
        }
    }

    async fn failed(&mut self, error: &KafkaError, stop: &CancellationToken) {
        tracing::warn!(consumer = self.intake.consumer(), error = %error, "the consumer's client reports an error");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(250)) => {}
        }
        if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
            // A fatal error ends a client for good.
            self.reconnect().await;
        }
    }

    /// Has another client take the place of this one, which is of no use any more.
    async fn reconnect(&mut self) {
        match connect(&self.broker, &self.intake, &self.metrics) {
            Ok(client) => {
                let broken = std::mem::replace(&mut self.client, Arc::new(client));
                close(broken).await;
                self.expected.clear();
            }
            Err(error) => tracing::error!(error = %chain(&error), "the consumer cannot be replaced"),
        }
    }

    async fn close(self) {
        close(self.client).await;
    }
}

/// Commits what is stored and leaves the group. Both wait for the broker, so not on a thread of the runtime.
async fn close(client: Arc<StreamConsumer<Context>>) {
    let closed = tokio::task::spawn_blocking(move || {
        match client.commit_consumer_state(CommitMode::Sync) {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            Err(error) => {
                tracing::warn!(error = %error, "the last offsets were not committed; their events come again")
            }
        }
        drop(client);
    });
    if let Err(error) = closed.await {
        tracing::warn!(error = %error, "closing the consumer");
    }
}

fn connect(broker: &Broker, intake: &Intake, metrics: &Metrics) -> Result<StreamConsumer<Context>, BrokerError> {
    let context = Context {
        metrics: metrics.clone(),
        prefix: broker.physical(""),
        lag: AtomicI64::new(0),
        assignments: AtomicU64::new(0),
        commits: AtomicU64::new(0),
        forgotten: AtomicBool::new(false),
    };
    let client: StreamConsumer<Context> = broker
        .consumer_config(intake.consumer())
        .create_with_context(context)
        .map_err(BrokerError::Settings)?;
    let topics: Vec<String> = intake
        .reactions()
        .topics()
        .into_iter()
        .map(|topic| broker.physical(topic.name()))
        .collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    client.subscribe(&topics).map_err(BrokerError::Settings)?;
    Ok(client)
}

fn own(broker: &Broker, message: &BorrowedMessage<'_>) -> Message {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers
            .iter()
            .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
            .collect()
    });
    Message {
        topic: broker.logical(message.topic()).to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        headers,
        payload: message.payload().unwrap_or_default().to_vec(),
    }
}

struct Context {
    metrics: Metrics,
    prefix: String,
    /// Messages of the assigned partitions that are not handled, as of the last statistics.
    lag: AtomicI64,
    /// How often the assignment has changed.
    assignments: AtomicU64,
    /// How many commits the broker has taken.
    commits: AtomicU64,
    /// Whether it refused one because it knows no such group.
    forgotten: AtomicBool,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        broker::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        broker::client_error(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let mut total = 0;
        for (name, topic) in &statistics.topics {
            let lag: i64 = topic
                .partitions
                .values()
                .filter(|partition| partition.partition >= 0)
                .map(|partition| partition.consumer_lag_stored.max(0))
                .sum();
            total += lag;
            let topic = name.strip_prefix(&self.prefix).unwrap_or(name).to_owned();
            self.metrics.consumer_lag.get_or_create(&TopicLabel { topic }).set(lag);
        }
        self.lag.store(total, Ordering::Relaxed);
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        self.assignments.fetch_add(1, Ordering::Release);
        tracing::debug!(?rebalance, "the assignment changes");
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        match result {
            Ok(()) => {
                self.commits.fetch_add(1, Ordering::Relaxed);
            }
            Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::GroupIdNotFound)) => {
                self.forgotten.store(true, Ordering::Relaxed);
            }
            Err(error) => tracing::debug!(error = %error, "offsets were not committed; the next commit includes them"),
        }
    }
}
