//! The log of events, the projections, and what was published about them.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

use crate::store::projection::{self, Tables};

pub(super) struct CreateAnalytics;

impl sea_orm_migration::MigrationName for CreateAnalytics {
    fn name(&self) -> &str {
        "m1001_analytics"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateAnalytics {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let serial = match manager.get_database_backend() {
            DbBackend::Postgres => "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            _ => "INTEGER PRIMARY KEY AUTOINCREMENT",
        };
        let db = manager.get_connection();
        db.execute_unprepared(&SCHEMA.replace("{serial}", serial)).await?;
        projection::create(db, Tables::LIVE).await?;
        projection::index(db, Tables::LIVE, "1").await
    }
}

/// Rows of `events` are numbered as they came; a rebuild replays them so.
const SCHEMA: &str = "
CREATE TABLE events (
    seq {serial}, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, source TEXT NOT NULL, subject TEXT NOT NULL,
    time BIGINT NOT NULL, received_at BIGINT NOT NULL, trace_id TEXT, causation_id TEXT, data TEXT NOT NULL);
CREATE INDEX events_by_time ON events (time, id);
CREATE INDEX events_by_type ON events (type, time, id);
CREATE INDEX events_by_subject ON events (subject, time, id);
CREATE INDEX events_by_trace ON events (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX events_by_cause ON events (causation_id) WHERE causation_id IS NOT NULL;

CREATE TABLE log_state (id INTEGER PRIMARY KEY, whole_since BIGINT NOT NULL);
INSERT INTO log_state (id, whole_since) VALUES (1, 0);

CREATE TABLE rebuilds (
    id INTEGER PRIMARY KEY, owner TEXT NOT NULL, held_until BIGINT NOT NULL);
INSERT INTO rebuilds (id, owner, held_until) VALUES (1, '', 0);

CREATE TABLE milestones (
    project_id TEXT NOT NULL, value BIGINT NOT NULL, reached_at BIGINT NOT NULL, PRIMARY KEY (project_id, value));

CREATE TABLE reports (
    user_id TEXT NOT NULL, week BIGINT NOT NULL, report_id TEXT NOT NULL, PRIMARY KEY (user_id, week));

CREATE TABLE erasures (
    user_id TEXT PRIMARY KEY, asked_at BIGINT NOT NULL, done_at BIGINT, position BIGINT NOT NULL,
    addresses TEXT NOT NULL, announced BOOLEAN NOT NULL);
CREATE INDEX erasures_to_do ON erasures (asked_at) WHERE done_at IS NULL;
";
