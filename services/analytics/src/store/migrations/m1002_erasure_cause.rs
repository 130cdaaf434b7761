//! Why an erasure is there: that it is done continues the chain of causes and the trace.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbErr};

pub(super) struct AddErasureCause;

impl sea_orm_migration::MigrationName for AddErasureCause {
    fn name(&self) -> &str {
        "m1002_erasure_cause"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddErasureCause {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared("ALTER TABLE erasures ADD COLUMN cause TEXT")
            .await?;
        Ok(())
    }
}
