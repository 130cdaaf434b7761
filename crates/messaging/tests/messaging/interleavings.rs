//! Any interleaving of commits, publishing, consuming, crashes, rebalances, duplicates and redrives: each event has exactly
//! one effect, in the order of its key.
//!
//! Relay, outbox, inbox and dead letters are the real ones, on SQLite. Only the log is in memory, so that a case takes
//! milliseconds and can stop anywhere: a crash drops everything that is in memory at that moment.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, atomic::Ordering},
    task::Poll,
};

use database::testing::TestDatabase;
use messaging::{
    Metrics, Relay,
    dead_letter::State,
    inbox::Intake,
    message::Message,
    operator::{self, Order},
    relay::{Delivery, Place, PublishError, Publisher, Record},
    worker::Worker,
};
use proptest::{collection::vec, prelude::*, test_runner::Config};
use tokio::sync::Notify;

use crate::support::*;

const PARTITIONS: usize = 2;

/// What happens next.
#[derive(Debug, Clone)]
enum Happening {
    /// A change of this aggregate commits with an event; some are poison until the rule is corrected.
    Commit { key: u8, poison: bool },
    /// A relay takes a step, and may die in it.
    Relay { crash: Option<Crash> },
    /// A replica of the consumer handles up to so many messages of a partition, and stores the offset or crashes before.
    Consume {
        replica: usize,
        partition: usize,
        messages: usize,
        crash_before_offset: bool,
    },
    /// The same, but it crashes in the midst of its transaction.
    Abort {
        replica: usize,
        partition: usize,
        messages: usize,
        after_polls: usize,
    },
    /// Every replica goes on where the group's stored offset is.
    Rebalance,
    /// The broker stores a message a second time.
    Duplicate { partition: usize, message: usize },
    /// The rule is corrected and the operator redrives what he finds; or he only tries.
    Redrive { healed: bool },
    /// The operator publishes everything again.
    Republish,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (0..3_u8, prop::bool::weighted(0.1)).prop_map(|(key, poison)| Happening::Commit { key, poison }),
        4 => prop::option::of((0..4_usize, any::<bool>()).prop_map(|(after, stored)| Crash { after, stored }))
            .prop_map(|crash| Happening::Relay { crash }),
        6 => (0..2_usize, 0..PARTITIONS, 1..6_usize, any::<bool>()).prop_map(
            |(replica, partition, messages, crash_before_offset)| {
                Happening::Consume { replica, partition, messages, crash_before_offset }
            }
        ),
        2 => (0..2_usize, 0..PARTITIONS, 1..6_usize, 1..12_usize).prop_map(|(replica, partition, messages, after_polls)| {
            Happening::Abort { replica, partition, messages, after_polls }
        }),
        2 => Just(Happening::Rebalance),
        1 => (0..PARTITIONS, 0..20_usize).prop_map(|(partition, message)| Happening::Duplicate { partition, message }),
        1 => any::<bool>().prop_map(|healed| Happening::Redrive { healed }),
        1 => Just(Happening::Republish),
    ]
}

/// The broker's part: partitions, and when the relay that uses it dies.
#[derive(Default)]
struct Log {
    partitions: Mutex<[Vec<Record>; PARTITIONS]>,
    crash: Mutex<Option<Crash>>,
    crashed: Notify,
}

/// The relay dies while it publishes.
#[derive(Debug, Clone, Copy)]
struct Crash {
    /// After so many messages.
    after: usize,
    /// Whether one more is stored, whose acknowledgement does not arrive.
    stored: bool,
}

impl Log {
    fn batch(&self, partition: usize, from: usize, messages: usize) -> Vec<Message> {
        let records = self.partitions.lock().unwrap();
        let records = records[partition].iter().enumerate().skip(from).take(messages);
        let message = |(offset, record): (usize, &Record)| Message {
            topic: record.topic.clone(),
            partition: partition as i32,
            offset: offset as i64,
            key: Some(record.key.clone().into_bytes()),
            headers: record
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
                .collect(),
            payload: record.payload.clone().into_bytes(),
        };
        records.map(message).collect()
    }
}

#[async_trait::async_trait]
impl Publisher for Log {
    fn publish(&self, record: Record) -> Result<Delivery, PublishError> {
        let mut crash = self.crash.lock().unwrap();
        let mut dies = false;
        match &mut *crash {
            None => {}
            Some(Crash { after: 0, stored }) => {
                self.crashed.notify_one();
                if !std::mem::take(stored) {
                    return Ok(Box::pin(std::future::pending()));
                }
                dies = true;
            }
            Some(crash) => crash.after -= 1,
        }
        let partition = usize::from(record.key.as_bytes().last().copied().unwrap_or_default()) % PARTITIONS;
        let mut partitions = self.partitions.lock().unwrap();
        partitions[partition].push(record);
        let place = Place {
            partition: partition as i32,
            offset: partitions[partition].len() as i64 - 1,
        };
        Ok(if dies {
            Box::pin(std::future::pending())
        } else {
            Box::pin(std::future::ready(Ok(place)))
        })
    }

    async fn answers(&self) -> bool {
        true
    }
}

/// Polls `work` so many times and drops it, as a crash does.
async fn abort<T>(work: impl Future<Output = T>, after_polls: usize) {
    let mut work = pin!(work);
    let mut polls = 0;
    std::future::poll_fn(|context| {
        polls += 1;
        if polls > after_polls || work.as_mut().poll(context).is_ready() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

struct World {
    service: Service,
    intake: Intake,
    log: Arc<Log>,
    stored: [usize; PARTITIONS],
    replicas: [[usize; PARTITIONS]; 2],
    /// What has committed, by key.
    committed: BTreeMap<String, Vec<String>>,
    events: usize,
}

impl World {
    async fn new() -> Self {
        let database = TestDatabase::sqlite().await;
        database::migrate(&database.db(), &migrations()).await.unwrap();
        let service = Service::on(database);
        Self {
            intake: service.intake(),
            service,
            log: Arc::default(),
            stored: [0; PARTITIONS],
            replicas: [[0; PARTITIONS]; 2],
            committed: BTreeMap::new(),
            events: 0,
        }
    }

    async fn happen(&mut self, happening: &Happening) {
        match *happening {
            Happening::Commit { key, poison } => {
                // Poison is told by its text; a number makes each event's text its own.
                let key = format!("key{key}");
                let what = if poison {
                    "poison".to_owned()
                } else {
                    self.events.to_string()
                };
                append(&self.service.db(), &key, &what).await;
                self.committed.entry(key).or_default().push(what);
                self.events += 1;
            }
            Happening::Relay { crash } => self.relay(crash).await,
            Happening::Consume {
                replica,
                partition,
                messages,
                crash_before_offset,
            } => {
                let batch = self.log.batch(partition, self.replicas[replica][partition], messages);
                self.intake.take(&batch, 1).await.unwrap();
                if crash_before_offset {
                    self.replicas[replica] = self.stored;
                } else {
                    self.replicas[replica][partition] += batch.len();
                    self.stored[partition] = self.replicas[replica][partition];
                }
            }
            Happening::Abort {
                replica,
                partition,
                messages,
                after_polls,
            } => {
                let batch = self.log.batch(partition, self.replicas[replica][partition], messages);
                abort(self.intake.take(&batch, 1), after_polls).await;
                self.replicas[replica] = self.stored;
            }
            Happening::Rebalance => self.replicas = [self.stored; 2],
            Happening::Duplicate { partition, message } => {
                let mut partitions = self.log.partitions.lock().unwrap();
                if let Some(record) = partitions[partition].get(message).cloned() {
                    partitions[partition].push(record);
                }
            }
            Happening::Redrive { healed } => {
                self.service.listener.healed.store(healed, Ordering::SeqCst);
                self.redrive().await;
                self.service.listener.healed.store(false, Ordering::SeqCst);
            }
            Happening::Republish => {
                operator::republish(&self.service.db(), contracts::Timestamp::from_micros(0))
                    .await
                    .unwrap();
            }
        }
    }

    /// A step of a relay that has just started: what an earlier one had in memory is gone.
    async fn relay(&mut self, crash: Option<Crash>) {
        *self.log.crash.lock().unwrap() = crash;
        let publisher: Arc<dyn Publisher> = Arc::clone(&self.log) as _;
        let mut relay = Relay::through(self.service.db(), publisher, "gateway", Metrics::unread());
        tokio::select! {
            biased;
            () = self.log.crashed.notified() => {}
            stepped = relay.step() => drop(stepped.unwrap()),
        }
        *self.log.crash.lock().unwrap() = None;
    }

    async fn redrive(&self) {
        let order = Order::new("ada@example.com", "corrected").unwrap();
        let letters = operator::list(&self.service.db(), Some(State::Dead), 1000)
            .await
            .unwrap();
        for letter in letters {
            // Refused when an earlier one of its key is still dead; that one is in the list as well.
            drop(operator::redrive(&self.intake, letter.id, &order).await);
        }
    }

    /// Everything that is left, without a crash.
    async fn settle(&mut self) {
        while self.service.count(UNSENT).await > 0 {
            self.relay(None).await;
        }
        self.replicas = [self.stored; 2];
        for partition in 0..PARTITIONS {
            let batch = self.log.batch(partition, self.stored[partition], usize::MAX);
            self.intake.take(&batch, 1).await.unwrap();
        }
        self.service.listener.healed.store(true, Ordering::SeqCst);
        while self
            .service
            .count("SELECT COUNT(*) FROM dead_letters WHERE state IN ('dead', 'parked')")
            .await
            > 0
        {
            self.redrive().await;
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 96, failure_persistence: None, ..Config::default() })]

    #[test]
    fn whatever_happens_each_event_has_exactly_one_effect_in_the_order_of_its_key(happenings in vec(happening(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for happening in &happenings {
                world.happen(happening).await;
            }
            world.settle().await;
            assert_eq!(world.service.effects_by_key().await, world.committed);
        });
    }
}
