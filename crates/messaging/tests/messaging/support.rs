//! A service that writes down what it hears, and what is around it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use contracts::{Event, EventId, Timestamp, gateway::ClientThrottled};
use database::{Db, MigrationTrait, SchemaManager, Tx, testing::TestDatabase};
use messaging::{
    Broker, Consumer, Metrics, Reaction, ReactionError, Reactions, Received, Relay,
    broker::Settings,
    inbox::Intake,
    worker::{self, Progress, Step, Worker},
};
use prometheus_client::registry::Registry;
use sea_orm::{ConnectionTrait, DbErr, RuntimeErr, Statement};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Long enough for a busy machine; a test that waits this long has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until `holds`; the only way to wait.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(DEADLINE, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "in vain: {what}");
}

/// The broker inside the process, or topics of one's own on the Kafka of `KAFKA_BROKERS`.
pub(crate) async fn broker() -> Broker {
    let settings = match std::env::var("KAFKA_BROKERS") {
        Ok(servers) if !servers.is_empty() => {
            let prefix = format!("t{}.", uuid::Uuid::now_v7().simple());
            Settings {
                prefix,
                partitions: 3,
                ..Settings::servers(servers)
            }
        }
        _ => Settings::embedded(),
    };
    let broker = Broker::new(settings).unwrap();
    broker.create_topics().await.unwrap();
    broker
}

/// What a client was throttled for; `policy` says what happened.
pub(crate) fn said(key: &str, what: &str) -> ClientThrottled {
    ClientThrottled {
        client: key.to_owned(),
        user_id: None,
        policy: what.to_owned(),
        throttled_at: Timestamp::now(),
    }
}

pub(crate) async fn append(db: &Db, key: &str, what: &str) -> EventId {
    db.write(async |tx| messaging::append(tx, &said(key, what)))
        .await
        .unwrap()
}

struct Effects;

impl sea_orm_migration::MigrationName for Effects {
    fn name(&self) -> &'static str {
        "m9001_effects"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Effects {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let serial = match manager.get_database_backend() {
            sea_orm::DbBackend::Postgres => "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            _ => "INTEGER PRIMARY KEY AUTOINCREMENT",
        };
        // No unique event id: an effect that happens twice has to show.
        let sql = format!(
            "CREATE TABLE effects (seq {serial}, event_id TEXT NOT NULL, key TEXT NOT NULL, what TEXT NOT NULL)"
        );
        manager.get_connection().execute_unprepared(&sql).await?;
        manager
            .get_connection()
            .execute_unprepared("CREATE TABLE once (what TEXT PRIMARY KEY)")
            .await?;
        Ok(())
    }
}

pub(crate) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    let mut all = messaging::migrations();
    all.push(Box::new(Effects));
    all
}

/// Writes down what it hears, unless told otherwise.
#[derive(Clone, Default)]
pub(crate) struct Listener {
    /// `poison` is accepted.
    pub(crate) healed: Arc<AtomicBool>,
    /// How many more times the database fails in a way that passes.
    pub(crate) outages: Arc<AtomicU32>,
    /// How often it was asked.
    pub(crate) calls: Arc<AtomicU32>,
}

#[async_trait::async_trait]
impl Reaction for Listener {
    type Event = ClientThrottled;

    async fn react(&self, tx: &Tx, received: &Received<ClientThrottled>) -> Result<(), ReactionError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self
            .outages
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok()
        {
            return Err(DbErr::Conn(RuntimeErr::Internal("the database is away".to_owned())).into());
        }
        let event = &received.event;
        let insert = "INSERT INTO effects (event_id, key, what) VALUES ($1, $2, $3)";
        let values = [
            received.envelope.id.into(),
            event.client.clone().into(),
            event.policy.clone().into(),
        ];
        tx.execute_raw(Statement::from_sql_and_values(
            tx.get_database_backend(),
            insert,
            values,
        ))
        .await?;
        // After the effect, which has to go with it.
        match event.policy.as_str() {
            "poison" if !self.healed.load(Ordering::SeqCst) => Err(ReactionError::Rejected("it is poison".to_owned())),
            "panic" if !self.healed.load(Ordering::SeqCst) => panic!("it is too much"),
            "conflict" => {
                for _ in 0..2 {
                    tx.execute_unprepared("INSERT INTO once (what) VALUES ('conflict')")
                        .await?;
                }
                Ok(())
            }
            "echo" => {
                messaging::append(tx, &said(&event.client, "answer"))?;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// A service: its database, and what it does with events.
pub(crate) struct Service {
    pub(crate) database: TestDatabase,
    pub(crate) listener: Listener,
    pub(crate) metrics: Metrics,
    pub(crate) registry: Registry,
    pub(crate) name: String,
}

impl Service {
    pub(crate) async fn new() -> Self {
        Self::on(TestDatabase::migrated(&migrations()).await)
    }

    pub(crate) fn on(database: TestDatabase) -> Self {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        Self {
            database,
            listener: Listener::default(),
            metrics,
            registry,
            name: "gateway".to_owned(),
        }
    }

    pub(crate) fn db(&self) -> Db {
        self.database.db()
    }

    pub(crate) fn reactions(&self) -> Reactions {
        Reactions::new().on(self.listener.clone())
    }

    pub(crate) fn intake(&self) -> Intake {
        Intake::new(self.db(), &self.name, "1.2.3", self.reactions())
    }

    pub(crate) fn relay(&self, broker: &Broker) -> Relay {
        Relay::new(self.db(), broker.clone(), &self.name, self.metrics.clone())
    }

    pub(crate) fn consumer(&self, broker: &Broker) -> Consumer {
        Consumer::new(broker.clone(), self.intake(), self.metrics.clone()).unwrap()
    }

    /// Runs relay and consumer.
    pub(crate) fn run(&self, broker: &Broker) -> Running {
        let mut running = Running::default();
        running.consumer(self.consumer(broker));
        running.relay(self.relay(broker));
        running
    }

    /// What was done, in the order it was done.
    pub(crate) async fn effects(&self) -> Vec<(String, String)> {
        effects(&self.db()).await
    }

    pub(crate) async fn effects_by_key(&self) -> BTreeMap<String, Vec<String>> {
        let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, what) in self.effects().await {
            by_key.entry(key).or_default().push(what);
        }
        by_key
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        count(&self.db(), sql).await
    }

    /// The metrics as a scrape shows them.
    pub(crate) fn scrape(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }
}

pub(crate) async fn effects(db: &Db) -> Vec<(String, String)> {
    let query = Statement::from_string(db.backend(), "SELECT key, what FROM effects ORDER BY seq");
    let rows = db.read().query_all_raw(query).await.unwrap();
    rows.iter()
        .map(|row| (row.try_get("", "key").unwrap(), row.try_get("", "what").unwrap()))
        .collect()
}

pub(crate) async fn count(db: &Db, sql: &str) -> i64 {
    let row = db
        .read()
        .query_one_raw(Statement::from_string(db.backend(), sql))
        .await
        .unwrap()
        .unwrap();
    row.try_get_by_index(0).unwrap()
}

pub(crate) const UNSENT: &str = "SELECT COUNT(*) FROM outbox WHERE sent_at IS NULL";
pub(crate) const SENT: &str = "SELECT COUNT(*) FROM outbox WHERE sent_at IS NOT NULL";
pub(crate) const DEAD: &str = "SELECT COUNT(*) FROM dead_letters WHERE state = 'dead'";
pub(crate) const PARKED: &str = "SELECT COUNT(*) FROM dead_letters WHERE state = 'parked'";

/// What runs beside the test.
#[derive(Default)]
pub(crate) struct Running {
    consumers: (CancellationToken, Vec<JoinHandle<()>>),
    relays: (CancellationToken, Vec<JoinHandle<()>>),
}

impl Running {
    pub(crate) fn consumer(&mut self, consumer: Consumer) {
        let stop = self.consumers.0.clone();
        self.consumers.1.push(tokio::spawn(consumer.run(stop)));
    }

    pub(crate) fn relay(&mut self, mut relay: Relay) {
        let stop = self.relays.0.clone();
        self.relays.1.push(tokio::spawn(async move {
            worker::run(&mut relay, Relay::PACE, Progress::new("relay"), stop).await;
        }));
    }

    /// As a process ends: consumers first, then the relay.
    pub(crate) async fn stop(self) {
        for (stop, tasks) in [self.consumers, self.relays] {
            stop.cancel();
            for task in tasks {
                tokio::time::timeout(DEADLINE, task)
                    .await
                    .expect("stops")
                    .expect("without a panic");
            }
        }
    }
}

/// Steps until there is nothing more to do.
pub(crate) async fn drain(worker: &mut impl Worker) {
    let drained = tokio::time::timeout(DEADLINE, async { while worker.step().await.unwrap() == Step::Full {} });
    drained.await.expect("the worker gets done");
}

/// Reads a topic from its beginning until `count` messages were seen.
pub(crate) async fn read(broker: &Broker, topic: &str, count: usize) -> Vec<rdkafka::message::OwnedMessage> {
    use rdkafka::consumer::{Consumer as _, StreamConsumer};
    let consumer: StreamConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", broker.servers())
        .set("group.id", uuid::Uuid::now_v7().to_string())
        .set("group.protocol", "consumer")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    consumer.subscribe(&[&broker.physical(topic)]).unwrap();
    let mut all = Vec::new();
    let read = tokio::time::timeout(DEADLINE, async {
        while all.len() < count {
            if let Ok(message) = consumer.recv().await {
                all.push(message.detach());
            }
        }
    });
    let read = read.await;
    tokio::task::spawn_blocking(move || drop(consumer));
    assert!(read.is_ok(), "only {} of {count} messages on {topic}", all.len());
    all
}

/// Sends what no relay would send.
pub(crate) async fn send(broker: &Broker, key: Option<&[u8]>, headers: &[(&str, &[u8])], payload: &[u8]) {
    use rdkafka::{
        message::{Header, OwnedHeaders},
        producer::{FutureProducer, FutureRecord},
    };
    let producer: FutureProducer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", broker.servers())
        .create()
        .unwrap();
    let headers = headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| {
        all.insert(Header {
            key,
            value: Some(*value),
        })
    });
    let topic = broker.physical(ClientThrottled::TOPIC.name());
    let mut record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(&topic).payload(payload).headers(headers);
    // One partition, so that what a test sends comes in its order.
    record = record.partition(0);
    if let Some(key) = key {
        record = record.key(key);
    }
    producer.send(record, DEADLINE).await.unwrap();
}
