//! The broker: a Kafka cluster, or librdkafka's mock cluster inside this process.
//!
//! A [`Broker`] is made once a process and cloned into every relay and consumer. All relays of a process share one
//! producer. It is idempotent and never gives a message up by time: a message that timed out alone, while later ones of
//! its key went through, would break their order. The relay bounds how long it waits, not the producer.

mod embedded;
mod topics;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use contracts::Timestamp;
use embedded::EmbeddedCluster;
pub use embedded::Positions;
use rdkafka::{
    ClientConfig, ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::KafkaError,
    producer::{FutureProducer, Producer as _},
    types::RDKafkaErrorCode,
};
pub use topics::dead_letter_topic;

/// Which broker, and what is asked of it.
#[derive(Clone)]
pub struct Settings {
    /// `host:port,host:port`, or `None` for the broker inside this process.
    pub servers: Option<String>,
    /// What this process calls itself at the broker (`client.id`).
    pub client: String,
    /// What the names of topics and consumer groups begin with, where several installations share a broker.
    pub prefix: String,
    /// Partitions of a topic that is created.
    pub partitions: i32,
    /// Replicas of a topic that is created.
    pub replication: i32,
    /// How long the broker keeps an event.
    pub retention: Duration,
    /// Further librdkafka properties (TLS, SASL); may hold secrets, never logged.
    /// <https://github.com/confluentinc/librdkafka/blob/v2.12.1/CONFIGURATION.md>
    pub properties: BTreeMap<String, String>,
}

impl Settings {
    /// The broker inside this process.
    pub fn embedded() -> Self {
        Self {
            servers: None,
            client: "cloudtaskhub".to_owned(),
            prefix: String::new(),
            partitions: 3,
            replication: 1,
            retention: Duration::from_hours(7 * 24),
            properties: BTreeMap::new(),
        }
    }

    /// A Kafka cluster.
    pub fn servers(servers: impl Into<String>) -> Self {
        Self {
            servers: Some(servers.into()),
            partitions: 12,
            ..Self::embedded()
        }
    }
}

/// The broker cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// A property is unknown or its value is not allowed.
    #[error("the broker's settings are not accepted")]
    Settings(#[source] KafkaError),
    /// It does not answer, or refuses.
    #[error("the broker at {servers} cannot be used: {reason}")]
    Unusable {
        /// Which broker.
        servers: String,
        /// What it or the client said.
        reason: String,
    },
}

/// A handle on the broker; clones share it.
#[derive(Clone)]
pub struct Broker {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    servers: String,
    producer: Mutex<Option<FutureProducer<Log>>>,
    // Dropped last: what is above still talks to it.
    embedded: Option<EmbeddedCluster>,
}

impl Broker {
    /// Checks the settings and, without `servers`, starts the broker inside this process. Does not connect yet.
    ///
    /// # Errors
    /// When a property is not accepted.
    pub fn new(settings: Settings) -> Result<Self, BrokerError> {
        let embedded = match &settings.servers {
            Some(_) => None,
            None => Some(EmbeddedCluster::start()?),
        };
        let servers = match (&embedded, &settings.servers) {
            (Some(cluster), _) => cluster.servers(),
            (None, servers) => servers.clone().unwrap_or_default(),
        };
        let broker = Self {
            inner: Arc::new(Inner {
                settings,
                servers,
                producer: Mutex::new(None),
                embedded,
            }),
        };
        drop(broker.producer()?);
        Ok(broker)
    }

    /// The broker inside this process, with its usual settings.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn embedded() -> Result<Self, BrokerError> {
        Self::new(Settings::embedded())
    }

    /// Whether the broker runs inside this process, and so forgets everything at exit.
    pub fn is_embedded(&self) -> bool {
        self.inner.embedded.is_some()
    }

    /// `host:port,host:port`.
    pub fn servers(&self) -> &str {
        &self.inner.servers
    }

    /// Takes the broker inside this process down, as an outage would: everybody loses the connection and gets none again.
    ///
    /// # Errors
    /// When the broker is not inside this process.
    pub fn interrupt(&self) -> Result<(), BrokerError> {
        match &self.inner.embedded {
            Some(cluster) => cluster.interrupt(),
            None => Err(BrokerError::Unusable {
                servers: self.inner.servers.clone(),
                reason: "only a broker inside this process can be taken down".to_owned(),
            }),
        }
    }

    /// How far each group has come, on the broker inside this process.
    pub(crate) fn embedded_positions(&self) -> Option<&Positions> {
        self.inner.embedded.as_ref().map(EmbeddedCluster::positions)
    }

    /// The name that a topic or group has on the broker.
    pub fn physical(&self, name: &str) -> String {
        format!("{}{name}", self.inner.settings.prefix)
    }

    /// The name that a topic on the broker has in this installation.
    pub(crate) fn logical<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(&self.inner.settings.prefix).unwrap_or(name)
    }

    /// Whether the broker answers within `limit`.
    ///
    /// # Errors
    /// What the client says.
    pub async fn ping(&self, limit: Duration) -> Result<(), BrokerError> {
        let producer = self.producer()?;
        self.blocking(move || producer.client().fetch_metadata(None, limit).map(drop))
            .await
    }

    /// Whether it has a consumer group of that name.
    ///
    /// # Errors
    /// When it does not answer, or not completely.
    pub(crate) async fn has_group(&self, group: &str) -> Result<bool, BrokerError> {
        const LIMIT: Duration = Duration::from_secs(3);
        let (producer, group) = (self.producer()?, self.physical(group));
        self.blocking(move || {
            let groups = producer.client().fetch_group_list(Some(&group), LIMIT)?;
            Ok(groups.groups().iter().any(|found| found.name() == group))
        })
        .await
    }

    /// Makes a broker usable again that has lost everything: topics, and the producer's id, which it may give to another. What the
    /// producer had not delivered is still unsent in the outbox.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub(crate) async fn restore(&self) -> Result<(), BrokerError> {
        let producer = self.lock().take();
        // Destroying a client waits for its threads.
        tokio::task::spawn_blocking(move || drop(producer));
        self.create_topics().await
    }

    /// Waits until everything given to the producer is acknowledged, at most `limit`.
    ///
    /// # Errors
    /// When something is left.
    pub async fn flush(&self, limit: Duration) -> Result<(), BrokerError> {
        let producer = self.lock().clone();
        match producer {
            Some(producer) => self.blocking(move || producer.flush(limit)).await,
            None => Ok(()),
        }
    }

    /// The producer that all relays share.
    pub(crate) fn producer(&self) -> Result<FutureProducer<Log>, BrokerError> {
        let mut slot = self.lock();
        if let Some(producer) = &*slot {
            if producer.client().fatal_error().is_none() {
                return Ok(producer.clone());
            }
            // A fatal error ends a producer for good. What it had not delivered is still unsent in the outbox.
            tracing::warn!(error = ?producer.client().fatal_error(), "the producer failed; it is replaced");
        }
        let producer: FutureProducer<Log> = self
            .producer_config()
            .create_with_context(Log)
            .map_err(BrokerError::Settings)?;
        Ok(slot.insert(producer).clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<FutureProducer<Log>>> {
        self.inner.producer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.inner.servers)
            .set("client.id", &self.inner.settings.client)
            .set("allow.auto.create.topics", "false")
            .set("socket.nagle.disable", "true")
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.max.ms", "2000")
            .set("log.connection.close", "false");
        config
    }

    fn customise(&self, config: &mut ClientConfig, foreign: &[&str]) {
        for (name, value) in &self.inner.settings.properties {
            if !foreign.iter().any(|prefix| name.starts_with(prefix)) {
                config.set(name, value);
            }
        }
    }

    fn producer_config(&self) -> ClientConfig {
        let mut config = self.config();
        config
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("linger.ms", "2")
            .set("queue.buffering.max.messages", "20000")
            .set("queue.buffering.max.kbytes", "16384")
            .set("partitioner", "murmur2_random");
        if self.is_embedded() {
            // The mock does not check sequence numbers: one request at a time keeps the order without them.
            config.set("max.in.flight.requests.per.connection", "1");
        } else {
            config.set("compression.type", "lz4");
        }
        self.customise(&mut config, CONSUMER_ONLY);
        config
    }

    pub(crate) fn consumer_config(&self, group: &str) -> ClientConfig {
        let mut config = self.config();
        config
            .set("group.id", self.physical(group))
            // KIP-848: the broker assigns; joining takes one round trip. Brokers before 4.0: set it to `classic`.
            .set("group.protocol", "consumer")
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "1000")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("queued.min.messages", "2000")
            // In one process there is a queue for each service, and the next fetch takes no longer than a batch.
            .set("queued.max.messages.kbytes", if self.is_embedded() { "512" } else { "2048" })
            // A full queue is looked at again soon, not after a second.
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.message.max.bytes", "1048576")
            .set("fetch.max.bytes", "2097152")
            .set("receive.message.max.bytes", "4194304")
            // A broker answers a waiting fetch when something arrives; the mock does not, so this is its delay.
            .set("fetch.wait.max.ms", if self.is_embedded() { "10" } else { "250" })
            .set("statistics.interval.ms", "2000");
        self.customise(&mut config, PRODUCER_ONLY);
        config
    }

    /// A client that asks for offsets of `group` without joining it.
    pub(crate) fn observer(&self, group: &str) -> Result<BaseConsumer<Log>, BrokerError> {
        let mut config = self.consumer_config(group);
        config
            .set("enable.auto.commit", "false")
            .set("statistics.interval.ms", "0");
        config.create_with_context(Log).map_err(BrokerError::Settings)
    }

    /// For each partition of `topics`: what `group` has committed, and where the partition ends.
    pub(crate) async fn offsets(&self, group: &str, topics: &[String]) -> Result<Vec<Offsets>, BrokerError> {
        const LIMIT: Duration = Duration::from_secs(10);
        let observer = self.observer(group)?;
        let topics: Vec<(String, String)> = topics.iter().map(|name| (name.clone(), self.physical(name))).collect();
        self.blocking(move || {
            let mut all = Vec::new();
            for (topic, physical) in topics {
                let metadata = observer.fetch_metadata(Some(&physical), LIMIT)?;
                let partitions: Vec<i32> = metadata
                    .topics()
                    .iter()
                    .flat_map(|topic| topic.partitions())
                    .map(|partition| partition.id())
                    .collect();
                let mut wanted = TopicPartitionList::new();
                for partition in &partitions {
                    wanted.add_partition(&physical, *partition);
                }
                let committed = observer.committed_offsets(wanted, LIMIT)?;
                for partition in partitions {
                    let (start, end) = observer.fetch_watermarks(&physical, partition, LIMIT)?;
                    let committed =
                        committed
                            .find_partition(&physical, partition)
                            .and_then(|found| match found.offset() {
                                rdkafka::Offset::Offset(offset) => Some(offset),
                                _ => None,
                            });
                    all.push(Offsets {
                        topic: topic.clone(),
                        partition,
                        start,
                        committed,
                        end,
                    });
                }
            }
            Ok(all)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, BrokerError> {
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done.map_err(|error| self.unusable(error.to_string())),
            Err(error) => Err(self.unusable(error.to_string())),
        }
    }

    fn unusable(&self, reason: String) -> BrokerError {
        BrokerError::Unusable {
            servers: self.inner.servers.clone(),
            reason,
        }
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("servers", &self.inner.servers)
            .finish_non_exhaustive()
    }
}

/// Where a group stands in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offsets {
    /// Topic, without prefix.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// The oldest offset that the broker still has.
    pub start: i64,
    /// The next offset that the group will read; `None` when it has read nothing.
    pub committed: Option<i64>,
    /// The offset that the next message will get.
    pub end: i64,
}

impl Offsets {
    /// How many messages wait for the group.
    pub fn lag(&self) -> i64 {
        (self.end - self.committed.unwrap_or(self.start).max(self.start)).max(0)
    }
}

/// Properties that librdkafka refuses, or warns about, on the other kind of client.
const CONSUMER_ONLY: &[&str] = &[
    "group.",
    "fetch.",
    "queued.",
    "auto.offset.",
    "auto.commit.",
    "session.",
    "heartbeat.",
    "max.poll.",
    "isolation.",
];
const PRODUCER_ONLY: &[&str] = &[
    "queue.buffering.",
    "linger.",
    "compression.",
    "batch.",
    "acks",
    "transaction",
    "partitioner",
];

/// librdkafka's log lines as ours.
#[derive(Clone, Debug)]
pub(crate) struct Log;

impl ConsumerContext for Log {}

impl ClientContext for Log {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client_error(&error, reason);
    }
}

pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

pub(crate) fn client_error(error: &KafkaError, reason: &str) {
    const QUIET: Duration = Duration::from_secs(10);
    static TOLD: AtomicI64 = AtomicI64::new(0);
    // While the broker is away every client says so twice a second.
    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
        let now = Timestamp::now();
        if now.since(Timestamp::from_micros(TOLD.load(Ordering::Relaxed))) < QUIET {
            return;
        }
        TOLD.store(now.as_micros(), Ordering::Relaxed);
    }
    // The client goes on trying; what cannot be delivered is reported where it was asked for.
    tracing::warn!(target: "librdkafka", error = %error, "{reason}");
}
