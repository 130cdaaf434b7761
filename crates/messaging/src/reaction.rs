//! What a service does when it hears an event.

use std::{
    any::TypeId,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_trait::async_trait;
use contracts::{Envelope, Event, Topic};
use database::Tx;
use sea_orm::DbErr;
use tracing::Instrument;

/// An event as it arrived.
#[derive(Debug, Clone)]
pub struct Received<E> {
    /// Where it comes from, when, why.
    pub envelope: Envelope,
    /// What happened.
    pub event: E,
}

/// Why an event was not handled.
#[derive(Debug, thiserror::Error)]
pub enum ReactionError {
    /// The database failed: tried again until it works, if it is a failure that can pass.
    #[error("storing the effect")]
    Store(#[from] DbErr),
    /// A rule says no, and would say no again: the event becomes a dead letter.
    #[error("{0}")]
    Rejected(String),
}

/// One reaction to one event type: event in, transaction, nothing else.
///
/// It may be called again for an event whose transaction failed, never for one whose transaction committed. Events of one
/// key come in order, unless the operator discarded one; events of different keys come in any order.
#[async_trait]
pub trait Reaction: Send + Sync + 'static {
    /// What is reacted to.
    type Event: Event;

    /// Applies the event's effect in `tx`, which also marks it as handled.
    ///
    /// # Errors
    /// Then nothing of the effect is kept.
    async fn react(&self, tx: &Tx, received: &Received<Self::Event>) -> Result<(), ReactionError>;
}

/// An event of any type, as an [`Observer`] hears it.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// Where it comes from, when, why.
    pub envelope: &'a Envelope,
    /// What happened: JSON that nobody has looked at yet.
    pub value: &'a [u8],
}

impl Heard<'_> {
    /// Does `work`; what it appends to the outbox names this event as its cause and continues its trace.
    pub async fn cause<F: Future>(&self, work: F) -> F::Output {
        let span = tracing::info_span!("react", messaging.message.id = %self.envelope.id);
        let batch = crate::trace::context_of(&tracing::Span::current());
        crate::trace::adopt(&span, &crate::trace::Headers::of(self.envelope), &batch);
        crate::outbox::CAUSE
            .scope(self.envelope.id, work)
            .instrument(span)
            .await
    }
}

/// A reaction to every event of every topic, a batch at a time: for what writes all of them down.
///
/// A batch holds events that were never handled before, in the order they came. What holds for a [`Reaction`] holds here,
/// too; when a batch is refused, its events come again one by one, so that the one that is at fault is found.
#[async_trait]
pub trait Observer: Send + Sync + 'static {
    /// Applies the events' effects in `tx`, which also marks them as handled.
    ///
    /// # Errors
    /// Then nothing of the effects is kept.
    async fn observe(&self, tx: &Tx, events: &[Heard<'_>]) -> Result<(), ReactionError>;
}

/// The reactions of one service, by event type.
#[derive(Clone, Default)]
pub struct Reactions {
    by_type: BTreeMap<&'static str, Entry>,
    observer: Option<Arc<dyn Observer>>,
    gathering: Duration,
}

#[derive(Clone)]
struct Entry {
    topic: Topic,
    event: TypeId,
    handlers: Vec<Arc<dyn Handler>>,
}

impl Reactions {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one. Several reactions to one type run in the order they were added, in one transaction.
    #[must_use]
    pub fn on<R: Reaction>(mut self, reaction: R) -> Self {
        let entry = self.by_type.entry(R::Event::TYPE).or_insert_with(|| Entry {
            topic: R::Event::TOPIC,
            event: TypeId::of::<R::Event>(),
            handlers: Vec::new(),
        });
        debug_assert_eq!(entry.event, TypeId::of::<R::Event>(), "one type name, one Rust type");
        entry.handlers.push(Arc::new(reaction));
        self
    }

    /// Has every event of a known type observed, after the reactions to it. There is one observer at most: the last.
    #[must_use]
    pub fn observing<O: Observer>(mut self, observer: O) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Lets a batch grow for this long after its first event. A larger batch costs less for each of its events: for a service
    /// whose effects nobody waits for.
    #[must_use]
    pub fn gathering(mut self, time: Duration) -> Self {
        self.gathering = time;
        self
    }

    /// How long a batch grows after its first event.
    pub(crate) fn gathering_time(&self) -> Duration {
        self.gathering
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_type.is_empty() && self.observer.is_none()
    }

    /// The topics to subscribe to.
    pub fn topics(&self) -> Vec<Topic> {
        if self.observer.is_some() {
            return Topic::ALL.to_vec();
        }
        let topics: std::collections::BTreeSet<Topic> = self.by_type.values().map(|entry| entry.topic).collect();
        topics.into_iter().collect()
    }

    /// Whether events of this type are handled.
    pub fn handles(&self, event_type: &str) -> bool {
        self.by_type.contains_key(event_type) || (self.observer.is_some() && is_known(event_type))
    }

    /// Has a batch observed, if anybody observes.
    ///
    /// # Errors
    /// The observer's.
    pub async fn observe(&self, tx: &Tx, events: &[Heard<'_>]) -> Result<(), ReactionError> {
        match &self.observer {
            Some(observer) if !events.is_empty() => observer.observe(tx, events).await,
            _ => Ok(()),
        }
    }

    /// Runs the reactions to one event; having it observed is another matter.
    ///
    /// # Errors
    /// The first reaction's that failed; a value that is not of the type is [`ReactionError::Rejected`].
    pub async fn dispatch(&self, tx: &Tx, envelope: &Envelope, value: &[u8]) -> Result<(), ReactionError> {
        let Some(entry) = self.by_type.get(envelope.event_type.as_str()) else {
            return Ok(());
        };
        for handler in &entry.handlers {
            crate::outbox::CAUSE
                .scope(envelope.id, handler.handle(tx, envelope, value))
                .await?;
        }
        Ok(())
    }
}

/// Whether this release knows the type.
pub(crate) fn is_known(event_type: &str) -> bool {
    static CATALOGUE: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
        contracts::event::catalogue()
            .iter()
            .map(|kind| kind.type_name)
            .collect()
    });
    CATALOGUE.contains(event_type)
}

#[async_trait]
trait Handler: Send + Sync {
    async fn handle(&self, tx: &Tx, envelope: &Envelope, value: &[u8]) -> Result<(), ReactionError>;
}

#[async_trait]
impl<R: Reaction> Handler for R {
    async fn handle(&self, tx: &Tx, envelope: &Envelope, value: &[u8]) -> Result<(), ReactionError> {
        let event = serde_json::from_slice(value)
            .map_err(|error| ReactionError::Rejected(format!("not a {}: {error}", envelope.event_type)))?;
        self.react(
            tx,
            &Received {
                envelope: envelope.clone(),
                event,
            },
        )
        .await
    }
}
