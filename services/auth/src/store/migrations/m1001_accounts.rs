//! Users, sessions and their refresh tokens, personal access tokens, mails and their codes, signing keys, failed attempts.
//!
//! Secrets are here as digests, password hashes, or sealed.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbErr};

pub(super) struct CreateAccounts;

impl sea_orm_migration::MigrationName for CreateAccounts {
    fn name(&self) -> &str {
        "m1001_accounts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateAccounts {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE TABLE users (
                    id TEXT PRIMARY KEY, email TEXT NOT NULL, email_key TEXT NOT NULL UNIQUE, handle TEXT NOT NULL UNIQUE,
                    display_name TEXT NOT NULL, password_hash TEXT NOT NULL, email_verified BOOLEAN NOT NULL,
                    role TEXT NOT NULL, plan TEXT NOT NULL, disabled BOOLEAN NOT NULL, search_text TEXT NOT NULL,
                    version BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL);
                 CREATE INDEX users_by_role ON users (role) WHERE role <> 'user';

                 CREATE TABLE sessions (
                    id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id), client TEXT NOT NULL,
                    generation BIGINT NOT NULL, rotated_at BIGINT NOT NULL, retries BIGINT NOT NULL,
                    started_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, ended_at BIGINT, end_reason TEXT);
                 CREATE INDEX sessions_by_user ON sessions (user_id, id);
                 CREATE INDEX sessions_by_expiry ON sessions (expires_at) WHERE ended_at IS NULL;
                 CREATE INDEX sessions_by_end ON sessions (ended_at) WHERE ended_at IS NOT NULL;

                 CREATE TABLE refresh_tokens (
                    digest TEXT PRIMARY KEY, session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
                    generation BIGINT NOT NULL, used_at BIGINT);
                 CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);

                 CREATE TABLE known_clients (
                    user_id TEXT NOT NULL REFERENCES users (id), kind TEXT NOT NULL, value TEXT NOT NULL,
                    last_seen_at BIGINT NOT NULL,
                    PRIMARY KEY (user_id, kind, value));

                 CREATE TABLE tokens (
                    id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id), name TEXT NOT NULL,
                    digest TEXT NOT NULL UNIQUE, scopes TEXT NOT NULL, created_at BIGINT NOT NULL,
                    expires_at BIGINT NOT NULL, last_used_at BIGINT);
                 CREATE INDEX tokens_by_user ON tokens (user_id, id);

                 CREATE TABLE mails (
                    id TEXT PRIMARY KEY, purpose TEXT NOT NULL, user_id TEXT, email_key TEXT NOT NULL, state TEXT NOT NULL,
                    attempts BIGINT NOT NULL, interrupted BIGINT NOT NULL, next_attempt_at BIGINT NOT NULL,
                    last_error TEXT, created_at BIGINT NOT NULL, finished_at BIGINT);
                 CREATE INDEX mails_due ON mails (next_attempt_at) WHERE state IN ('pending', 'sending');
                 CREATE INDEX mails_by_user ON mails (user_id, purpose, created_at);
                 CREATE INDEX mails_by_age ON mails (created_at);

                 CREATE TABLE codes (
                    digest TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id), purpose TEXT NOT NULL,
                    email_key TEXT NOT NULL, expires_at BIGINT NOT NULL);
                 CREATE INDEX codes_by_user ON codes (user_id, purpose);
                 CREATE INDEX codes_by_expiry ON codes (expires_at);

                 CREATE TABLE signing_keys (
                    id TEXT PRIMARY KEY, public TEXT NOT NULL, sealed TEXT NOT NULL, active_from BIGINT NOT NULL,
                    created_at BIGINT NOT NULL);

                 CREATE TABLE failed_attempts (
                    scope TEXT PRIMARY KEY, failures BIGINT NOT NULL, last_at BIGINT NOT NULL, blocked_until BIGINT NOT NULL);
                 CREATE INDEX failed_attempts_by_age ON failed_attempts (last_at);",
            )
            .await?;
        Ok(())
    }
}
