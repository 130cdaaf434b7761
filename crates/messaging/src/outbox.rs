//! The outbox: the only way to publish.
//!
//! [`append`] takes the transaction of the change, so an event exists exactly when its change does. Rows keep the trace
//! that caused them, and stay for some days after they were sent: the outbox is the durable log, the broker its copy.

use contracts::{Event, EventId, Timestamp};
use database::Tx;
use opentelemetry::{propagation::TextMapPropagator, trace::TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use sea_orm::{ActiveValue::Set, DbErr, EntityTrait, entity::prelude::*};

/// How many shards the keys fall into. One replica at a time publishes a shard, so it must never change.
pub const SHARDS: u32 = 16;

/// A row of the outbox.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    /// Order of insertion; for one key also the order of the changes, as those wait for each other.
    #[sea_orm(primary_key)]
    pub seq: i64,
    /// `ce_id`.
    pub event_id: EventId,
    /// Topic on the broker.
    pub topic: String,
    /// The aggregate's id: message key and `ce_subject`.
    pub key: String,
    /// Which shard the key falls into.
    pub shard: i32,
    /// `ce_type`.
    pub event_type: String,
    /// `ce_time`, when it was appended.
    pub created_at: Timestamp,
    /// W3C trace context of the change.
    pub traceparent: Option<String>,
    /// W3C trace state of the change.
    pub tracestate: Option<String>,
    /// The event whose reaction made the change.
    pub causation_id: Option<EventId>,
    /// The data, JSON.
    pub payload: String,
    /// When the broker acknowledged it; absent while it waits.
    pub sent_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}

tokio::task_local! {
    /// The event that is being handled, so that what its reaction publishes names its cause.
    pub(crate) static CAUSE: EventId;
}

/// Publishes `event` if and when `tx` commits.
///
/// # Errors
/// The database's.
pub async fn append<E: Event>(tx: &Tx, event: &E) -> Result<EventId, DbErr> {
    let payload = serde_json::to_string(event).map_err(|error| DbErr::Custom(format!("event as JSON: {error}")))?;
    let key = event.key();
    let id = EventId::new();
    let trace = TraceContext::current();
    let row = ActiveModel {
        event_id: Set(id),
        topic: Set(E::TOPIC.name().to_owned()),
        shard: Set(shard(&key)),
        key: Set(key),
        event_type: Set(E::TYPE.to_owned()),
        created_at: Set(Timestamp::now()),
        traceparent: Set(trace.traceparent),
        tracestate: Set(trace.tracestate),
        causation_id: Set(CAUSE.try_with(|id| *id).ok()),
        payload: Set(payload),
        sent_at: Set(None),
        ..Default::default()
    };
    Entity::insert(row).exec_without_returning(tx).await?;
    Ok(id)
}

/// FNV-1a, 32 bit: the same on every replica and release.
fn shard(key: &str) -> i32 {
    let hash = key.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    i32::try_from(hash % SHARDS).unwrap_or_default()
}

#[derive(Default)]
struct TraceContext {
    traceparent: Option<String>,
    tracestate: Option<String>,
}

impl TraceContext {
    fn current() -> Self {
        use tracing_opentelemetry::OpenTelemetrySpanExt;
        let context = tracing::Span::current().context();
        if !context.span().span_context().is_valid() {
            return Self::default();
        }
        let mut carrier = std::collections::HashMap::new();
        TraceContextPropagator::new().inject_context(&context, &mut carrier);
        Self { traceparent: carrier.remove("traceparent"), tracestate: carrier.remove("tracestate").filter(|s| !s.is_empty()) }
    }
}
