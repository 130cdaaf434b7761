//! Why orders and payments are there: what comes of them later continues the chain of causes and the trace.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbErr};

pub(super) struct AddCauses;

impl sea_orm_migration::MigrationName for AddCauses {
    fn name(&self) -> &str {
        "m1003_causes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddCauses {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(
                "ALTER TABLE orders ADD COLUMN cause TEXT;
                 ALTER TABLE payments ADD COLUMN cause TEXT;",
            )
            .await?;
        Ok(())
    }
}
