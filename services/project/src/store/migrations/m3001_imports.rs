//! Imports: the file as it came, how far it is read, what became of each row, and which task came from where.
//!
//! The file is kept in chunks in the database, which is what replicas share. A task that was imported is remembered under
//! its id at the source, also after it was deleted: importing again neither doubles it nor brings it back.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

pub(super) struct CreateImports;

impl sea_orm_migration::MigrationName for CreateImports {
    fn name(&self) -> &str {
        "m3001_imports"
    }
}

const TABLES: &str = "
    CREATE TABLE imports (
        id TEXT PRIMARY KEY, user_id TEXT NOT NULL, project_id TEXT REFERENCES projects (id) ON DELETE SET NULL,
        project_name TEXT, format TEXT, charset TEXT, dry_run BOOLEAN NOT NULL, status TEXT NOT NULL,
        size BIGINT NOT NULL, chunks BIGINT NOT NULL, rows_total BIGINT, rows_read BIGINT NOT NULL,
        created BIGINT NOT NULL, skipped BIGINT NOT NULL, rejected BIGINT NOT NULL, notes TEXT NOT NULL, failure TEXT,
        created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, finished_at BIGINT);
    CREATE INDEX imports_by_user ON imports (user_id, id);
    CREATE INDEX imports_by_project ON imports (project_id);
    CREATE INDEX imports_unfinished ON imports (id) WHERE finished_at IS NULL;

    CREATE TABLE import_chunks (
        import_id TEXT NOT NULL REFERENCES imports (id) ON DELETE CASCADE, number BIGINT NOT NULL, bytes {bytes} NOT NULL,
        PRIMARY KEY (import_id, number));

    CREATE TABLE import_lines (
        import_id TEXT NOT NULL REFERENCES imports (id) ON DELETE CASCADE, number BIGINT NOT NULL, line BIGINT,
        outcome TEXT NOT NULL, title TEXT NOT NULL, task_id TEXT, problems TEXT NOT NULL,
        PRIMARY KEY (import_id, number));

    CREATE TABLE imported_tasks (
        project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE, source TEXT NOT NULL, external_id TEXT NOT NULL,
        task_id TEXT NOT NULL,
        PRIMARY KEY (project_id, source, external_id));

    CREATE TABLE import_projects (
        user_id TEXT NOT NULL, name TEXT NOT NULL, source TEXT NOT NULL,
        project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        PRIMARY KEY (user_id, name, source));
    CREATE INDEX import_projects_by_project ON import_projects (project_id);

    ALTER TABLE comments ADD COLUMN original_author TEXT;
";

#[async_trait::async_trait]
impl MigrationTrait for CreateImports {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let bytes = match manager.get_database_backend() {
            DbBackend::Postgres => "BYTEA",
            _ => "BLOB",
        };
        let tables = TABLES.replace("{bytes}", bytes);
        manager.get_connection().execute_unprepared(&tables).await?;
        Ok(())
    }
}
