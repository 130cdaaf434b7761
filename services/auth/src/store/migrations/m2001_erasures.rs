//! Erasures of closed accounts, and which service has done its part.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbErr};

pub(super) struct CreateErasures;

impl sea_orm_migration::MigrationName for CreateErasures {
    fn name(&self) -> &str {
        "m2001_erasures"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateErasures {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE TABLE erasures (
                    user_id TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE, requested_at BIGINT NOT NULL, completed_at BIGINT);

                 CREATE TABLE erasure_parts (
                    user_id TEXT NOT NULL REFERENCES erasures (user_id) ON DELETE CASCADE, service TEXT NOT NULL,
                    erased_at BIGINT,
                    PRIMARY KEY (user_id, service));",
            )
            .await?;
        Ok(())
    }
}
