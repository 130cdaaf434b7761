//! Projects, their members and invitations, the activity list, and the copy of auth's directory.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbErr};

pub(super) struct CreateProjects;

impl sea_orm_migration::MigrationName for CreateProjects {
    fn name(&self) -> &str {
        "m1001_projects"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateProjects {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE TABLE users (
                    id TEXT PRIMARY KEY, email TEXT NOT NULL, email_key TEXT NOT NULL, handle TEXT NOT NULL, handle_key TEXT NOT NULL,
                    display_name TEXT NOT NULL, disabled BOOLEAN NOT NULL,
                    profile_version BIGINT NOT NULL, status_version BIGINT NOT NULL);
                 CREATE INDEX users_by_email ON users (email_key);

                 CREATE TABLE projects (
                    id TEXT PRIMARY KEY, name TEXT NOT NULL, description TEXT NOT NULL, archived_at BIGINT,
                    created_by TEXT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, version BIGINT NOT NULL);

                 CREATE TABLE members (
                    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE, user_id TEXT NOT NULL,
                    role TEXT NOT NULL, joined_at BIGINT NOT NULL, removed_at BIGINT, version BIGINT NOT NULL,
                    PRIMARY KEY (project_id, user_id));
                 CREATE INDEX members_by_user ON members (user_id, project_id);

                 CREATE TABLE invitations (
                    id TEXT PRIMARY KEY, project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
                    email TEXT NOT NULL, email_key TEXT NOT NULL, role TEXT NOT NULL,
                    invited_by TEXT NOT NULL, created_at BIGINT NOT NULL,
                    UNIQUE (project_id, email_key));
                 CREATE INDEX invitations_by_email ON invitations (email_key);

                 CREATE TABLE activity (
                    id TEXT PRIMARY KEY, project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
                    actor_id TEXT NOT NULL, kind TEXT NOT NULL, subject_id TEXT NOT NULL, data TEXT NOT NULL,
                    created_at BIGINT NOT NULL);
                 CREATE INDEX activity_by_project ON activity (project_id, id);",
            )
            .await?;
        Ok(())
    }
}
