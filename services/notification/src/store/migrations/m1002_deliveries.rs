//! What leaves the house: webhooks and who may hear what through them, deliveries with their attempts.
//!
//! `deliveries.due_at` is there exactly while something is left to do: when to send, or, while `sending`, when the attempt
//! counts as lost. Secrets are sealed.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbErr};

pub(super) struct CreateDeliveries;

impl sea_orm_migration::MigrationName for CreateDeliveries {
    fn name(&self) -> &str {
        "m1002_deliveries"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateDeliveries {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE TABLE memberships (
                    project_id TEXT NOT NULL, user_id TEXT NOT NULL, role TEXT NOT NULL, version BIGINT NOT NULL,
                    PRIMARY KEY (project_id, user_id));
                 CREATE INDEX memberships_by_user ON memberships (user_id);

                 CREATE TABLE webhooks (
                    id TEXT PRIMARY KEY, user_id TEXT NOT NULL, url TEXT NOT NULL, description TEXT NOT NULL,
                    event_types TEXT NOT NULL, enabled BOOLEAN NOT NULL, disabled_reason TEXT, secret TEXT NOT NULL,
                    old_secret TEXT, old_secret_until BIGINT, failing_since BIGINT, created_at BIGINT NOT NULL,
                    updated_at BIGINT NOT NULL, version BIGINT NOT NULL);
                 CREATE INDEX webhooks_by_user ON webhooks (user_id, id);

                 CREATE TABLE deliveries (
                    id TEXT PRIMARY KEY, channel TEXT NOT NULL, user_id TEXT NOT NULL, target TEXT NOT NULL,
                    message_id TEXT NOT NULL, event_type TEXT NOT NULL, payload TEXT NOT NULL, project_id TEXT, task_id TEXT,
                    comment_id TEXT, state TEXT NOT NULL, attempts BIGINT NOT NULL, tries BIGINT NOT NULL, due_at BIGINT,
                    error TEXT, created_at BIGINT NOT NULL, finished_at BIGINT, UNIQUE (target, message_id));
                 CREATE INDEX deliveries_due ON deliveries (due_at, id) WHERE due_at IS NOT NULL;
                 CREATE INDEX deliveries_by_target ON deliveries (target, id);
                 CREATE INDEX deliveries_by_user ON deliveries (user_id, id);
                 CREATE INDEX deliveries_by_age ON deliveries (created_at) WHERE due_at IS NULL;

                 CREATE TABLE delivery_attempts (
                    delivery_id TEXT NOT NULL, number BIGINT NOT NULL, started_at BIGINT NOT NULL, duration_ms BIGINT,
                    result TEXT NOT NULL, status BIGINT, error TEXT, request TEXT NOT NULL, response TEXT,
                    PRIMARY KEY (delivery_id, number));",
            )
            .await?;
        Ok(())
    }
}
