//! Inboxes with their notifications and preferences, and what is remembered of other services' events.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbErr};

pub(super) struct CreateNotifications;

impl sea_orm_migration::MigrationName for CreateNotifications {
    fn name(&self) -> &str {
        "m1001_notifications"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateNotifications {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The three indexes of comments' notifications serve the removal of excerpts; the other kinds have none.
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE TABLE notifications (
                    user_id TEXT NOT NULL, id TEXT NOT NULL, cause TEXT NOT NULL, kind TEXT NOT NULL, actor_id TEXT,
                    project_id TEXT, task_id TEXT, comment_id TEXT, subject TEXT NOT NULL, detail TEXT NOT NULL,
                    created_at BIGINT NOT NULL, read_at BIGINT,
                    PRIMARY KEY (user_id, id), UNIQUE (user_id, cause));
                 CREATE INDEX notifications_unread ON notifications (user_id, id) WHERE read_at IS NULL;
                 CREATE INDEX notifications_unread_by_age ON notifications (created_at) WHERE read_at IS NULL;
                 CREATE INDEX notifications_read_by_age ON notifications (read_at) WHERE read_at IS NOT NULL;
                 CREATE INDEX notifications_by_comment ON notifications (comment_id) WHERE comment_id IS NOT NULL;
                 CREATE INDEX notifications_by_commented_task ON notifications (task_id) WHERE comment_id IS NOT NULL;
                 CREATE INDEX notifications_by_commented_project ON notifications (project_id, user_id) WHERE comment_id IS NOT NULL;

                 CREATE TABLE inboxes (user_id TEXT PRIMARY KEY, unread BIGINT NOT NULL);

                 CREATE TABLE preferences (
                    user_id TEXT NOT NULL, kind TEXT NOT NULL, channel TEXT NOT NULL, enabled BOOLEAN NOT NULL,
                    PRIMARY KEY (user_id, kind, channel));
                 CREATE TABLE preference_versions (user_id TEXT PRIMARY KEY, version BIGINT NOT NULL);

                 CREATE TABLE users (
                    id TEXT PRIMARY KEY, display_name TEXT NOT NULL, disabled BOOLEAN NOT NULL,
                    profile_version BIGINT NOT NULL, status_version BIGINT NOT NULL);

                 CREATE TABLE first_sessions (
                    user_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, client TEXT NOT NULL, unseen_client BOOLEAN NOT NULL,
                    started_at BIGINT NOT NULL);

                 CREATE TABLE tombstones (
                    target TEXT NOT NULL, user_id TEXT NOT NULL, gone_at BIGINT NOT NULL,
                    PRIMARY KEY (target, user_id));
                 CREATE INDEX tombstones_by_age ON tombstones (gone_at);",
            )
            .await?;
        Ok(())
    }
}
