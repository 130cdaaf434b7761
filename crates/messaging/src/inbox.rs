//! The inbox: an event's effect and the memory of it commit together, so it happens once.
//!
//! A whole batch is one transaction: one statement claims all event ids, those that were there already are duplicates, the
//! reactions run in order, one commit. When a reaction says no, the batch is rolled back and its events are handled one
//! by one, so that one bad event costs the others nothing but time. The bad one becomes a [dead letter](crate::dead_letter)
//! in a transaction that also claims its id: a row in the inbox means that this database has taken the event over.
//!
//! The order of statements matters on PostgreSQL, where another replica may handle the same events during a rebalance:
//! the claim waits for the other's transaction, so what is read after it (which keys are blocked) includes its outcome.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use contracts::{Envelope, Timestamp};
use database::{Db, Tx};
use futures_util::FutureExt;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use tracing::Instrument;

use crate::{
    Heard, ReactionError, Reactions,
    dead_letter::{self, Fate, State},
    message::{Kind, Message, identity},
    trace,
};

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Its reactions ran.
    Applied,
    /// It had been taken over before; nothing happened.
    Duplicate,
    /// Nothing here reacts to its type.
    PassedOver,
    /// It waits behind a dead letter of its key.
    Parked,
    /// It could not be handled.
    DeadLettered,
}

/// Remembers `ids`; answers those that were not known yet.
async fn claim(tx: &Tx, consumer: &str, ids: impl IntoIterator<Item = String>) -> Result<HashSet<String>, DbErr> {
    // Sorted, so that two replicas that claim the same events wait for each other instead of deadlocking.
    let ids: BTreeSet<String> = ids.into_iter().collect();
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let list = match tx.get_database_backend() {
        DbBackend::Postgres => "jsonb_array_elements_text($3::jsonb) AS list (value)",
        _ => "json_each($3)",
    };
    let sql = format!(
        "INSERT INTO inbox (consumer, event_id, handled_at) SELECT $1, value, $2 FROM {list} WHERE true \
         ON CONFLICT (consumer, event_id) DO NOTHING RETURNING event_id"
    );
    let ids = serde_json::to_string(&ids).map_err(|error| DbErr::Custom(error.to_string()))?;
    let values = [consumer.into(), Timestamp::now().into(), ids.into()];
    let rows = tx
        .query_all_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?;
    rows.iter().map(|row| row.try_get("", "event_id")).collect()
}

/// Runs the reactions to one event and has it observed.
pub(crate) async fn dispatch(
    tx: &Tx,
    reactions: &Reactions,
    envelope: &Envelope,
    value: &[u8],
) -> Result<(), ReactionError> {
    guarded(reactions.dispatch(tx, envelope, value)).await?;
    guarded(reactions.observe(tx, &[Heard { envelope, value }])).await
}

/// A panic in a reaction is a rejection, so that it ends neither the consumer nor the other events.
async fn guarded(reaction: impl Future<Output = Result<(), ReactionError>>) -> Result<(), ReactionError> {
    match std::panic::AssertUnwindSafe(reaction).catch_unwind().await {
        Ok(done) => done,
        Err(panic) => {
            let text = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            Err(ReactionError::Rejected(format!("the reaction panicked: {text}")))
        }
    }
}

/// What takes messages over into a service's database.
#[derive(Clone)]
pub struct Intake {
    db: Db,
    consumer: String,
    version: String,
    reactions: Reactions,
}

impl Intake {
    /// For the consumer named `consumer` of a service in release `version`.
    pub fn new(db: Db, consumer: impl Into<String>, version: impl Into<String>, reactions: Reactions) -> Self {
        Self {
            db,
            consumer: consumer.into(),
            version: version.into(),
            reactions,
        }
    }

    /// The consumer's name: service and consumer group.
    pub fn consumer(&self) -> &str {
        &self.consumer
    }

    /// The service's release.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What is done with events.
    pub fn reactions(&self) -> &Reactions {
        &self.reactions
    }

    /// The service's database.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Takes `messages` over, all in one transaction or, when one of them cannot be handled, one by one. Answers what
    /// became of each.
    ///
    /// # Errors
    /// When the database failed in a way that may pass. What had committed until then is remembered: trying the same
    /// messages again is right.
    pub async fn take(&self, messages: &[Message], attempts: i32) -> Result<Vec<Outcome>, DbErr> {
        let batch = tracing::info_span!("process batch", messages = messages.len());
        match self.attempt(messages, attempts).instrument(batch).await {
            Ok(outcomes) => return Ok(outcomes),
            Err(ReactionError::Store(error)) if database::is_transient(&error) => return Err(error),
            Err(error) => {
                tracing::debug!(error = %error, messages = messages.len(), "a batch failed; its events are handled one by one");
            }
        }
        let mut outcomes = Vec::with_capacity(messages.len());
        for message in messages {
            outcomes.push(self.take_one(message, attempts).await?);
        }
        Ok(outcomes)
    }

    async fn take_one(&self, message: &Message, attempts: i32) -> Result<Outcome, DbErr> {
        let error = match self.attempt(std::slice::from_ref(message), attempts).await {
            Ok(outcomes) => return Ok(outcomes.first().copied().unwrap_or(Outcome::PassedOver)),
            Err(ReactionError::Store(error)) if database::is_transient(&error) => return Err(error),
            Err(error) => crate::worker::chain(&error),
        };
        let envelope = message.envelope().ok();
        tracing::warn!(
            consumer = self.consumer,
            topic = message.topic,
            partition = message.partition,
            offset = message.offset,
            event = ?envelope.as_ref().map(|envelope| envelope.id),
            error,
            "an event cannot be handled and becomes a dead letter"
        );
        self.db
            .write(async |tx| {
                if claim(tx, &self.consumer, [identity(message, envelope.as_ref())])
                    .await?
                    .is_empty()
                {
                    return Ok(Outcome::Duplicate);
                }
                let fate = Fate {
                    state: State::Dead,
                    blocks: true,
                    error: &error,
                    attempts,
                };
                dead_letter::insert(tx, self, message, envelope.as_ref(), &fate).await?;
                Ok(Outcome::DeadLettered)
            })
            .await
    }

    /// All of `messages` in one transaction.
    async fn attempt(&self, messages: &[Message], attempts: i32) -> Result<Vec<Outcome>, ReactionError> {
        let batch = trace::context_of(&tracing::Span::current());
        let kinds: Vec<Kind> = messages.iter().map(|message| message.kind(&self.reactions)).collect();
        if kinds.iter().all(|kind| matches!(kind, Kind::PassedOver)) {
            return Ok(vec![Outcome::PassedOver; messages.len()]);
        }
        self.db
            .write(async |tx| {
                let ids: Vec<Option<String>> = messages
                    .iter()
                    .zip(&kinds)
                    .map(|(message, kind)| kind.id(message))
                    .collect();
                let mut fresh = claim(tx, &self.consumer, ids.iter().flatten().cloned()).await?;
                let mut blocked = self.blocked(tx, messages, &ids, &fresh).await?;
                let mut outcomes = Vec::with_capacity(messages.len());
                for ((message, kind), id) in messages.iter().zip(&kinds).zip(&ids) {
                    // Removed, so that an event that comes twice in one batch is a duplicate the second time.
                    let outcome = match id {
                        None => Outcome::PassedOver,
                        Some(id) if !fresh.remove(id) => Outcome::Duplicate,
                        Some(_) => self.apply(tx, message, kind, &mut blocked, attempts, &batch).await?,
                    };
                    outcomes.push(outcome);
                }
                let applied = messages.iter().zip(&kinds).zip(&outcomes);
                let heard: Vec<Heard<'_>> = applied
                    .filter_map(|((message, kind), outcome)| match (kind, outcome) {
                        (Kind::Handled(envelope), Outcome::Applied) => Some(Heard {
                            envelope,
                            value: &message.payload,
                        }),
                        _ => None,
                    })
                    .collect();
                guarded(self.reactions.observe(tx, &heard)).await?;
                Ok(outcomes)
            })
            .await
    }

    async fn apply(
        &self,
        tx: &Tx,
        message: &Message,
        kind: &Kind,
        blocked: &mut BTreeMap<String, BTreeSet<String>>,
        attempts: i32,
        batch: &opentelemetry::trace::SpanContext,
    ) -> Result<Outcome, ReactionError> {
        let key = message.key_text();
        let waits = key
            .as_ref()
            .is_some_and(|key| blocked.get(&message.topic).is_some_and(|keys| keys.contains(key)));
        match kind {
            Kind::PassedOver => Ok(Outcome::PassedOver),
            Kind::Handled(envelope) if waits => {
                let error = "waits behind a dead letter of the same key";
                let fate = Fate {
                    state: State::Parked,
                    blocks: true,
                    error,
                    attempts: 0,
                };
                dead_letter::insert(tx, self, message, Some(envelope), &fate).await?;
                Ok(Outcome::Parked)
            }
            Kind::Handled(envelope) => {
                let span = tracing::info_span!(
                    "process",
                    otel.name = %format_args!("process {}", envelope.event_type),
                    otel.kind = "consumer",
                    messaging.system = "kafka",
                    messaging.destination.name = %message.topic,
                    messaging.consumer.group.name = %self.consumer,
                    messaging.message.id = %envelope.id,
                );
                trace::adopt(&span, &trace::Headers::of(envelope), batch);
                guarded(self.reactions.dispatch(tx, envelope, &message.payload))
                    .instrument(span)
                    .await?;
                Ok(Outcome::Applied)
            }
            Kind::Undeliverable {
                error,
                blocks,
                envelope,
            } => {
                tracing::warn!(
                    consumer = self.consumer,
                    topic = message.topic,
                    partition = message.partition,
                    offset = message.offset,
                    error,
                    "a message cannot be handled and becomes a dead letter"
                );
                let fate = Fate {
                    state: State::Dead,
                    blocks: *blocks,
                    error,
                    attempts,
                };
                dead_letter::insert(tx, self, message, envelope.as_ref(), &fate).await?;
                if *blocks && let Some(key) = key {
                    blocked.entry(message.topic.clone()).or_default().insert(key);
                }
                Ok(Outcome::DeadLettered)
            }
        }
    }

    /// The keys of fresh messages that have to wait, by topic.
    async fn blocked(
        &self,
        tx: &Tx,
        messages: &[Message],
        ids: &[Option<String>],
        fresh: &HashSet<String>,
    ) -> Result<BTreeMap<String, BTreeSet<String>>, DbErr> {
        let keys: BTreeSet<(&str, String)> = messages
            .iter()
            .zip(ids)
            .filter(|(_, id)| id.as_ref().is_some_and(|id| fresh.contains(id)))
            .filter_map(|(message, _)| Some((message.topic.as_str(), message.key_text()?)))
            .collect();
        let borrowed = || keys.iter().map(|(topic, key)| (*topic, key.as_str()));
        let mut blocked = dead_letter::blocked(tx, &self.consumer, borrowed()).await?;
        if !blocked.is_empty() && tx.get_database_backend() == DbBackend::Postgres {
            // The operator may be working them off just now: wait until he is through, then look again.
            blocked.sort();
            for (topic, key) in &blocked {
                dead_letter::lock(tx, &self.consumer, topic, key).await?;
            }
            blocked = dead_letter::blocked(tx, &self.consumer, borrowed()).await?;
        }
        let mut by_topic: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (topic, key) in blocked {
            by_topic.entry(topic).or_default().insert(key);
        }
        Ok(by_topic)
    }
}

impl Kind {
    /// What the inbox remembers the message by; `None` when it need not.
    fn id(&self, message: &Message) -> Option<String> {
        match self {
            Kind::Handled(envelope) => Some(identity(message, Some(envelope))),
            Kind::PassedOver => None,
            Kind::Undeliverable { envelope, .. } => Some(identity(message, envelope.as_ref())),
        }
    }
}
