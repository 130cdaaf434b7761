//! What accounts use, and what is remembered of project's events to count it once.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbErr};

pub(super) struct CreateUsage;

impl sea_orm_migration::MigrationName for CreateUsage {
    fn name(&self) -> &str {
        "m1002_usage"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateUsage {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE TABLE usage_meters (
                    user_id TEXT NOT NULL, meter TEXT NOT NULL, used BIGINT NOT NULL, allowed BIGINT, threshold BIGINT NOT NULL,
                    PRIMARY KEY (user_id, meter));
                 CREATE TABLE metered_projects (
                    project_id TEXT PRIMARY KEY, owner_id TEXT, tasks BIGINT NOT NULL, deleted_at BIGINT);
                 CREATE INDEX metered_projects_by_owner ON metered_projects (owner_id) WHERE deleted_at IS NULL;
                 CREATE INDEX metered_projects_gone ON metered_projects (deleted_at) WHERE deleted_at IS NOT NULL;
                 CREATE TABLE metered_members (
                    project_id TEXT NOT NULL, user_id TEXT NOT NULL, present BOOLEAN NOT NULL, version BIGINT NOT NULL,
                    PRIMARY KEY (project_id, user_id));
                 CREATE TABLE metered_tasks (
                    task_id TEXT PRIMARY KEY, project_id TEXT NOT NULL, deleted_at BIGINT);
                 CREATE INDEX metered_tasks_by_project ON metered_tasks (project_id);
                 CREATE INDEX metered_tasks_gone ON metered_tasks (deleted_at) WHERE deleted_at IS NOT NULL;",
            )
            .await?;
        Ok(())
    }
}
