//! The outbox: the only way to publish.
//!
//! [`append`] takes the transaction of the change, so an event exists exactly when its change does. Rows keep the trace
//! that caused them, and stay for some days after they were sent: the outbox is the durable log, the broker its copy.

use contracts::{Event, EventId, Timestamp};
use database::{Db, Tx};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryOrder, QuerySelect, Statement, Value, entity::prelude::*,
};

use crate::trace::TraceContext;

/// How many shards the keys fall into. One replica at a time publishes a shard, so it must never change.
pub const SHARDS: u32 = 16;

/// The longest payload, in bytes: less than brokers accept by default, so that no row can block the relay.
pub const MAX_PAYLOAD: usize = 768 * 1024;

const INSERT: &str = "INSERT INTO outbox (event_id, topic, key, shard, event_type, created_at, traceparent, tracestate, \
     causation_id, headers, payload)";

/// A row of the outbox.
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
    /// Message headers as a JSON list of pairs, in place of those of the envelope: for dead letters.
    pub headers: Option<String>,
    /// The data, JSON.
    pub payload: String,
    /// When the broker acknowledged it; absent while it waits.
    pub sent_at: Option<Timestamp>,
}

/// None: no other table refers to this one.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tokio::task_local! {
    /// The event that is being handled, so that what its reaction publishes names its cause.
    pub(crate) static CAUSE: EventId;
}

/// Publishes `event` if and when `tx` commits.
///
/// # Errors
/// That the event is longer than [`MAX_PAYLOAD`].
pub fn append<E: Event>(tx: &Tx, event: &E) -> Result<EventId, DbErr> {
    Ok(insert(tx, E::TOPIC.name(), event.key(), E::TYPE, payload(event)?, None))
}

fn payload<E: Event>(event: &E) -> Result<String, DbErr> {
    let payload = serde_json::to_string(event).map_err(|error| DbErr::Custom(format!("event as JSON: {error}")))?;
    if payload.len() > MAX_PAYLOAD {
        return Err(DbErr::Custom(format!(
            "{}: {} bytes, at most {MAX_PAYLOAD} can be published",
            E::TYPE,
            payload.len()
        )));
    }
    Ok(payload)
}

/// Adds a row.
pub(crate) fn insert(
    tx: &Tx,
    topic: &str,
    key: String,
    event_type: &str,
    payload: String,
    headers: Option<String>,
) -> EventId {
    let id = EventId::new();
    let trace = TraceContext::current();
    let shard = shard(&key);
    let row: [Value; 11] = [
        id.into(),
        topic.into(),
        key.into(),
        shard.into(),
        event_type.into(),
        Timestamp::now().into(),
        trace.traceparent.into(),
        trace.tracestate.into(),
        CAUSE.try_with(|id| *id).ok().into(),
        headers.into(),
        payload.into(),
    ];
    tx.insert_later(INSERT, row);
    id
}

/// FNV-1a, 32 bit: the same on every replica and release.
fn shard(key: &str) -> i32 {
    let hash = key.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    i32::try_from(hash % SHARDS).unwrap_or_default()
}

/// The oldest unsent rows of `shards`.
///
/// By row state, never by a cursor over `seq`: on PostgreSQL a lower number can commit later.
pub(crate) async fn unsent(db: &Db, shards: &[i32], limit: u64) -> Result<Vec<Model>, DbErr> {
    let mut query = Entity::find()
        .filter(Column::SentAt.is_null())
        .order_by_asc(Column::Seq)
        .limit(limit);
    if shards.len() < SHARDS as usize {
        query = query.filter(Column::Shard.is_in(shards.iter().copied()));
    }
    query.all(db.read()).await
}

/// Marks rows as acknowledged by the broker.
pub(crate) async fn mark_sent(db: &Db, seqs: &[i64]) -> Result<(), DbErr> {
    // One statement text for any number of rows, so that it is prepared once.
    let sql = match db.backend() {
        DbBackend::Postgres => {
            "UPDATE outbox SET sent_at = $1 WHERE seq IN (SELECT value::bigint FROM jsonb_array_elements_text($2::jsonb))"
        }
        _ => "UPDATE outbox SET sent_at = $1 WHERE seq IN (SELECT value FROM json_each($2))",
    };
    let seqs = serde_json::to_string(seqs).map_err(|error| DbErr::Custom(error.to_string()))?;
    let update = Statement::from_sql_and_values(db.backend(), sql, [Timestamp::now().into(), seqs.into()]);
    db.write(async |tx| tx.execute_raw(update).await.map(drop)).await
}
