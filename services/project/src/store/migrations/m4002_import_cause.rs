//! Why an import is there: what comes of its rows continues the trace of the request.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbErr};

pub(super) struct AddImportCause;

impl sea_orm_migration::MigrationName for AddImportCause {
    fn name(&self) -> &str {
        "m4002_import_cause"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddImportCause {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared("ALTER TABLE imports ADD COLUMN cause TEXT")
            .await?;
        Ok(())
    }
}
