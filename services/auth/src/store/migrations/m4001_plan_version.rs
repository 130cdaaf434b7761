//! Which version of their subscription a user's plan is from.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbErr};

pub(super) struct AddPlanVersion;

impl sea_orm_migration::MigrationName for AddPlanVersion {
    fn name(&self) -> &str {
        "m4001_plan_version"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddPlanVersion {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = "ALTER TABLE users ADD COLUMN plan_version BIGINT NOT NULL DEFAULT 0";
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }
}
