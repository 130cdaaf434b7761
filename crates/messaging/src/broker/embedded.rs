//! The broker inside this process: librdkafka's mock cluster.
//!
//! It speaks the real protocol on a loopback port, so that producers and consumers are the same as in production. Two
//! things differ, and the relay makes up for both: it forgets everything at exit, and a partition keeps its last 5 MiB
//! whether they were read or not. So each consumer tells here how far it has come ([`Positions`]); the relay publishes no
//! further ahead of the slowest than a window, and remembers what need not be published again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    mocking::MockCluster,
    types::RDKafkaErrorCode,
};
use tokio::sync::watch;

use super::{BrokerError, Log};

/// The id of the only broker of the cluster.
const NODE: i32 = 1;

pub(crate) struct EmbeddedCluster {
    /// The client that the cluster belongs to: it lives as long as this does.
    owner: BaseConsumer<Log>,
    positions: Positions,
}

impl EmbeddedCluster {
    pub(crate) fn start() -> Result<Self, BrokerError> {
        let mut config = ClientConfig::new();
        config.set("test.mock.num.brokers", "1");
        let owner = config.create_with_context(Log).map_err(BrokerError::Settings)?;
        Ok(Self {
            owner,
            positions: Positions::default(),
        })
    }

    pub(crate) fn servers(&self) -> String {
        self.owner
            .client()
            .mock_cluster()
            .map(|cluster| cluster.bootstrap_servers())
            .unwrap_or_default()
    }

    pub(crate) fn positions(&self) -> &Positions {
        &self.positions
    }

    fn cluster(&self) -> Result<MockCluster<'_, Log>, BrokerError> {
        let missing = KafkaError::MockCluster(RDKafkaErrorCode::UnknownBroker);
        self.owner.client().mock_cluster().ok_or(BrokerError::Settings(missing))
    }

    pub(crate) fn interrupt(&self) -> Result<(), BrokerError> {
        self.cluster()?.broker_down(NODE).map_err(BrokerError::Settings)
    }

    pub(crate) fn create_topic(&self, name: &str, partitions: i32) -> Result<(), BrokerError> {
        match self.cluster()?.create_topic(name, partitions, 1) {
            Ok(()) | Err(KafkaError::MockCluster(RDKafkaErrorCode::TopicAlreadyExists)) => Ok(()),
            Err(error) => Err(BrokerError::Settings(error)),
        }
    }
}

/// How far each consumer group of this process has come.
#[derive(Default)]
pub struct Positions {
    groups: Mutex<BTreeMap<String, Group>>,
    moved: watch::Sender<()>,
}

#[derive(Default)]
struct Group {
    topics: BTreeSet<String>,
    /// The next offset to handle, by topic and partition.
    next: BTreeMap<String, BTreeMap<i32, i64>>,
}

impl Positions {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A group that will read `topics`: from now on the relays wait for it.
    pub(crate) fn join(&self, group: &str, topics: impl IntoIterator<Item = String>) {
        self.lock().entry(group.to_owned()).or_default().topics.extend(topics);
    }

    /// The group has handled everything before `next`.
    pub(crate) fn handled(&self, group: &str, topic: &str, partition: i32, next: i64) {
        if let Some(group) = self.lock().get_mut(group) {
            let position = group
                .next
                .entry(topic.to_owned())
                .or_default()
                .entry(partition)
                .or_default();
            *position = next.max(*position);
        }
        self.moved.send_replace(());
    }

    /// The groups that read `topic`.
    pub(crate) fn groups(&self, topic: &str) -> Vec<String> {
        self.lock()
            .iter()
            .filter(|(_, group)| group.topics.contains(topic))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Whether `group` has handled the message at `offset`, or does not read the topic.
    pub(crate) fn has_handled(&self, group: &str, topic: &str, partition: i32, offset: i64) -> bool {
        self.lock()
            .get(group)
            .is_none_or(|group| group.passed(topic, partition, offset))
    }

    /// Whether every group has.
    pub(crate) fn all_handled(&self, topic: &str, partition: i32, offset: i64) -> bool {
        self.lock().values().all(|group| group.passed(topic, partition, offset))
    }

    /// Changes whenever some group moves.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
    }
}

impl Group {
    fn passed(&self, topic: &str, partition: i32, offset: i64) -> bool {
        !self.topics.contains(topic)
            || self
                .next
                .get(topic)
                .and_then(|next| next.get(&partition))
                .is_some_and(|next| *next > offset)
    }
}
