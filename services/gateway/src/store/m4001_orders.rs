//! Orders that were accepted here, the plans on sale, and how often a user may call by their plan.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbErr};

/// See the head of the file.
pub struct Migration;

impl sea_orm_migration::MigrationName for Migration {
    fn name(&self) -> &str {
        "m4001_orders"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE TABLE orders (
                    id TEXT PRIMARY KEY, user_id TEXT NOT NULL, plan TEXT NOT NULL, seats BIGINT NOT NULL,
                    \"interval\" TEXT NOT NULL, currency TEXT, accepted_at BIGINT NOT NULL, state TEXT NOT NULL,
                    reason TEXT, detail TEXT, settled_at BIGINT, seen_by_billing BOOLEAN NOT NULL);
                 CREATE INDEX orders_by_user ON orders (user_id, id);
                 CREATE INDEX orders_settled ON orders (settled_at) WHERE settled_at IS NOT NULL;

                 CREATE TABLE plans (
                    name TEXT PRIMARY KEY, orderable BOOLEAN NOT NULL, prices TEXT NOT NULL, catalogue_version BIGINT NOT NULL);

                 CREATE TABLE plan_limits (
                    user_id TEXT PRIMARY KEY, plan TEXT NOT NULL, requests_per_minute BIGINT, version BIGINT NOT NULL);",
            )
            .await?;
        Ok(())
    }
}
