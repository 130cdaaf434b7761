//! Dead letters: messages that a consumer could not handle, and those that wait behind them.
//!
//! The table is the truth: a row is written in the transaction that also marks the event as taken over in the inbox, so an
//! event is either handled, or here. A copy of each dead letter goes to the topic `NAME.dlq` with its provenance in headers, for those
//! who watch topics. Rows stay after the operator acted on them; their audit entries tell who did what, and why.

use base64::{Engine, prelude::BASE64_STANDARD};
use contracts::{Envelope, EventId, Timestamp, id::DeadLetterId};
use database::Tx;
use sea_orm::{ActiveValue::Set, DbBackend, DbErr, EntityTrait, Statement, entity::prelude::*};

use crate::{broker, inbox::Intake, message::Message, outbox};

/// A row of the dead letters.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dead_letters")]
pub struct Model {
    /// Order of arrival.
    #[sea_orm(primary_key)]
    pub seq: i64,
    /// What the operator names it by.
    pub id: DeadLetterId,
    /// Which consumer could not handle it.
    pub consumer: String,
    /// `ce_id`, if it has one.
    pub event_id: Option<EventId>,
    /// `ce_type`, if it has one.
    pub event_type: Option<String>,
    /// Where it was found.
    pub topic: String,
    /// Where it was found.
    pub partition_id: i32,
    /// Where it was found.
    pub message_offset: i64,
    /// Its key.
    pub key: Option<String>,
    /// Its headers: a JSON list of pairs; bytes that are not UTF-8 as `base64:…`.
    pub headers: String,
    /// Its value.
    pub payload: Vec<u8>,
    /// What has become of it.
    pub state: State,
    /// Whether later events of its key wait for it.
    pub blocks: bool,
    /// Why it could not be handled, the last time.
    pub error: String,
    /// How often it was tried.
    pub attempts: i32,
    /// The release that gave up.
    pub service_version: String,
    /// When it was given up.
    pub created_at: Timestamp,
    /// When its state last changed.
    pub updated_at: Timestamp,
}

/// None: no other table refers to this one.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What has become of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    /// It could not be handled.
    #[sea_orm(string_value = "dead")]
    Dead,
    /// It waits behind a dead one of its key.
    #[sea_orm(string_value = "parked")]
    Parked,
    /// The operator had it handled after all.
    #[sea_orm(string_value = "redriven")]
    Redriven,
    /// The operator gave it up.
    #[sea_orm(string_value = "discarded")]
    Discarded,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_value())
    }
}

impl Model {
    /// The message it was.
    pub fn message(&self) -> Message {
        let headers: Vec<(String, String)> = serde_json::from_str(&self.headers).unwrap_or_default();
        Message {
            topic: self.topic.clone(),
            partition: self.partition_id,
            offset: self.message_offset,
            key: self.key.clone().map(String::into_bytes),
            headers: headers.into_iter().map(|(name, value)| (name, decode(value))).collect(),
            payload: self.payload.clone(),
        }
    }
}

fn encode(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if !text.starts_with("base64:") => text.to_owned(),
        _ => format!("base64:{}", BASE64_STANDARD.encode(value)),
    }
}

fn decode(text: String) -> Vec<u8> {
    match text.strip_prefix("base64:").map(|code| BASE64_STANDARD.decode(code)) {
        Some(Ok(bytes)) => bytes,
        _ => text.into_bytes(),
    }
}

fn json(pairs: &[(String, String)]) -> Result<String, DbErr> {
    serde_json::to_string(pairs).map_err(|error| DbErr::Custom(format!("headers as JSON: {error}")))
}

/// Writes a row; a dead one is also published.
pub(crate) async fn insert(
    tx: &Tx,
    intake: &Intake,
    message: &Message,
    envelope: Option<&Envelope>,
    fate: &Fate<'_>,
) -> Result<(), DbErr> {
    let headers: Vec<(String, String)> = message
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), encode(value)))
        .collect();
    let now = Timestamp::now();
    let row = ActiveModel {
        id: Set(DeadLetterId::new()),
        consumer: Set(intake.consumer().to_owned()),
        event_id: Set(envelope.map(|envelope| envelope.id)),
        event_type: Set(envelope.map(|envelope| envelope.event_type.clone())),
        topic: Set(message.topic.clone()),
        partition_id: Set(message.partition),
        message_offset: Set(message.offset),
        key: Set(message.key_text()),
        headers: Set(json(&headers)?),
        payload: Set(message.payload.clone()),
        state: Set(fate.state),
        blocks: Set(fate.blocks && message.key.is_some()),
        error: Set(fate.error.to_owned()),
        attempts: Set(fate.attempts),
        service_version: Set(intake.version().to_owned()),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    Entity::insert(row).exec_without_returning(tx).await?;
    if fate.state == State::Dead {
        publish(tx, intake, message, envelope, headers, fate).await
    } else {
        Ok(())
    }
}

/// How a message ended up here.
pub(crate) struct Fate<'a> {
    pub(crate) state: State,
    pub(crate) blocks: bool,
    pub(crate) error: &'a str,
    pub(crate) attempts: i32,
}

/// Appends the copy for the topic of dead letters to the outbox: the original headers, then where it comes from.
pub(crate) async fn publish(
    tx: &Tx,
    intake: &Intake,
    message: &Message,
    envelope: Option<&Envelope>,
    mut headers: Vec<(String, String)>,
    fate: &Fate<'_>,
) -> Result<(), DbErr> {
    let (payload, encoding) = match std::str::from_utf8(&message.payload) {
        Ok(text) => (text.to_owned(), "identity"),
        Err(_) => (BASE64_STANDARD.encode(&message.payload), "base64"),
    };
    headers.extend(
        [
            ("dlq_consumer", intake.consumer().to_owned()),
            ("dlq_topic", message.topic.clone()),
            ("dlq_partition", message.partition.to_string()),
            ("dlq_offset", message.offset.to_string()),
            ("dlq_error", fate.error.to_owned()),
            ("dlq_attempts", fate.attempts.to_string()),
            ("dlq_service_version", intake.version().to_owned()),
            ("dlq_time", Timestamp::now().to_string()),
            ("dlq_content_encoding", encoding.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let event_type = envelope.map_or("", |envelope| envelope.event_type.as_str());
    let topic = broker::dead_letter_topic(intake.consumer());
    let key = message.key_text().unwrap_or_default();
    outbox::insert(tx, &topic, key, event_type, payload, Some(json(&headers)?));
    Ok(())
}

/// Which of the `keys` (topic and key) have to wait behind a dead letter.
pub(crate) async fn blocked(
    tx: &Tx,
    consumer: &str,
    keys: impl Iterator<Item = (&str, &str)>,
) -> Result<Vec<(String, String)>, DbErr> {
    let keys: std::collections::BTreeSet<&str> = keys.map(|(_, key)| key).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let list = match tx.get_database_backend() {
        DbBackend::Postgres => "SELECT jsonb_array_elements_text($2::jsonb)",
        _ => "SELECT value FROM json_each($2)",
    };
    let sql = format!(
        "SELECT DISTINCT topic, key FROM dead_letters \
         WHERE consumer = $1 AND state IN ('dead', 'parked') AND blocks AND key IN ({list})"
    );
    let keys = serde_json::to_string(&keys).map_err(|error| DbErr::Custom(error.to_string()))?;
    let query = Statement::from_sql_and_values(tx.get_database_backend(), sql, [consumer.into(), keys.into()]);
    let rows = tx.query_all_raw(query).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "topic")?, row.try_get("", "key")?)))
        .collect()
}

/// Keeps other transactions from adding to, or working off, what waits under this key until `tx` ends.
///
/// SQLite's writers take turns anyway.
pub(crate) async fn lock(tx: &Tx, consumer: &str, topic: &str, key: &str) -> Result<(), DbErr> {
    if tx.get_database_backend() == DbBackend::Postgres {
        let lock = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
            [format!("dead letters {consumer} {topic} {key}").into()],
        );
        tx.query_one_raw(lock).await?;
    }
    Ok(())
}
