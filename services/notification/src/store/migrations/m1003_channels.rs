//! What e-mail and Slack need: addresses, preferences by project, quiet hours, digests, Slack's webhooks.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbErr};

pub(super) struct AddChannels;

impl sea_orm_migration::MigrationName for AddChannels {
    fn name(&self) -> &str {
        "m1003_channels"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddChannels {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // An address is learnt with the next event about its user; until then nothing is mailed there.
        manager
            .get_connection()
            .execute_unprepared(
                "ALTER TABLE users ADD COLUMN email TEXT NOT NULL DEFAULT '';
                 ALTER TABLE users ADD COLUMN email_verified BOOLEAN NOT NULL DEFAULT FALSE;
                 ALTER TABLE users ADD COLUMN bounces BIGINT NOT NULL DEFAULT 0;

                 CREATE TABLE project_preferences (
                    user_id TEXT NOT NULL, project_id TEXT NOT NULL, kind TEXT NOT NULL, channel TEXT NOT NULL,
                    enabled BOOLEAN NOT NULL, PRIMARY KEY (user_id, project_id, kind, channel));

                 CREATE TABLE schedules (
                    user_id TEXT PRIMARY KEY, time_zone TEXT NOT NULL, quiet_from TEXT, quiet_to TEXT, digest TEXT NOT NULL);

                 CREATE TABLE digest_entries (
                    user_id TEXT NOT NULL, cause TEXT NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL, project_id TEXT,
                    task_id TEXT, comment_id TEXT, due_at BIGINT NOT NULL, created_at BIGINT NOT NULL,
                    PRIMARY KEY (user_id, cause));
                 CREATE INDEX digest_entries_due ON digest_entries (due_at, user_id);

                 CREATE TABLE slack_hooks (
                    owner TEXT PRIMARY KEY, user_id TEXT NOT NULL, url TEXT NOT NULL, created_at BIGINT NOT NULL);
                 CREATE INDEX slack_hooks_by_user ON slack_hooks (user_id);

                 CREATE INDEX notifications_by_actor ON notifications (actor_id) WHERE actor_id IS NOT NULL;",
            )
            .await?;
        Ok(())
    }
}
