//! Why a delivery is there: what comes of its end continues the chain of causes and the trace.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbErr};

pub(super) struct AddDeliveryCause;

impl sea_orm_migration::MigrationName for AddDeliveryCause {
    fn name(&self) -> &str {
        "m1004_delivery_cause"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddDeliveryCause {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared("ALTER TABLE deliveries ADD COLUMN cause TEXT")
            .await?;
        Ok(())
    }
}
