//! The tables of outbox, inbox and dead letters; every service has them in its own database.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use sea_orm_migration::MigrationName;

/// What [`database::migrate`] has to apply before anything of this crate is used.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Messaging)]
}

struct Messaging;

impl MigrationName for Messaging {
    fn name(&self) -> &'static str {
        "m0001_messaging"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Messaging {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // AUTOINCREMENT: a number is never given twice, even when the newest rows were pruned.
        let (serial, blob, clustered) = match manager.get_database_backend() {
            DbBackend::Postgres => ("BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "BYTEA", ""),
            _ => ("INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB", "WITHOUT ROWID"),
        };
        let sql = SCHEMA
            .replace("{serial}", serial)
            .replace("{blob}", blob)
            .replace("{clustered}", clustered);
        manager.get_connection().execute_unprepared(&sql).await?;
        Ok(())
    }
}

const SCHEMA: &str = "
CREATE TABLE outbox (
    seq {serial},
    event_id TEXT NOT NULL,
    topic TEXT NOT NULL,
    key TEXT NOT NULL,
    shard INTEGER NOT NULL,
    event_type TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    traceparent TEXT,
    tracestate TEXT,
    causation_id TEXT,
    headers TEXT,
    payload TEXT NOT NULL,
    sent_at BIGINT
);
CREATE INDEX outbox_unsent ON outbox (seq) WHERE sent_at IS NULL;

CREATE TABLE outbox_checkpoint (
    consumer TEXT NOT NULL,
    topic TEXT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (consumer, topic)
);

CREATE TABLE inbox (
    consumer TEXT NOT NULL,
    event_id TEXT NOT NULL,
    handled_at BIGINT NOT NULL,
    PRIMARY KEY (consumer, event_id)
) {clustered};
CREATE INDEX inbox_handled ON inbox (handled_at);

CREATE TABLE dead_letters (
    seq {serial},
    id TEXT NOT NULL UNIQUE,
    consumer TEXT NOT NULL,
    event_id TEXT,
    event_type TEXT,
    topic TEXT NOT NULL,
    partition_id INTEGER NOT NULL,
    message_offset BIGINT NOT NULL,
    key TEXT,
    headers TEXT NOT NULL,
    payload {blob} NOT NULL,
    state TEXT NOT NULL,
    blocks BOOLEAN NOT NULL,
    error TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    service_version TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX dead_letters_waiting ON dead_letters (consumer, topic, key, seq) WHERE state IN ('dead', 'parked');

CREATE TABLE dead_letter_audit (
    seq {serial},
    dead_letter_id TEXT NOT NULL,
    action TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX dead_letter_audit_letter ON dead_letter_audit (dead_letter_id);
";
