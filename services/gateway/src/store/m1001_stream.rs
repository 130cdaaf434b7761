//! Stream events and memberships.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

/// See the head of the file.
pub struct Migration;

impl sea_orm_migration::MigrationName for Migration {
    fn name(&self) -> &str {
        "m1001_stream"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Numbers are never given twice, also when the newest rows were deleted: clients resume by them.
        let seq = match manager.get_database_backend() {
            DbBackend::Postgres => "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            _ => "INTEGER PRIMARY KEY AUTOINCREMENT",
        };
        let sql = format!(
            "CREATE TABLE stream_events (
                seq {seq}, kind TEXT NOT NULL, user_id TEXT, project_id TEXT, payload TEXT NOT NULL, revocation TEXT,
                created_at BIGINT NOT NULL);
             CREATE TABLE memberships (
                project_id TEXT NOT NULL, user_id TEXT NOT NULL, active BOOLEAN NOT NULL, version BIGINT NOT NULL,
                PRIMARY KEY (project_id, user_id));
             CREATE INDEX memberships_by_user ON memberships (user_id);"
        );
        manager.get_connection().execute_unprepared(&sql).await?;
        Ok(())
    }
}
