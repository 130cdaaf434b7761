//! Migrations, run at start under a lock.
//!
//! Unlike sea-orm's own migrator this one ignores migrations that the database knows and the binary does not: they come
//! from a newer release, migrations only expand, and an older release must be able to start after a rollback.

use std::{collections::HashSet, time::Duration};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use sea_orm_migration::{MigrationTrait, SchemaManager};

use crate::{Db, Tx};

/// A migration may have to rewrite a large table.
const LIMIT: Duration = Duration::from_hours(1);
const LOCK: i64 = 0x636c_6f75_6474_6173;

/// Migrating failed; nothing of this start's migrations was kept.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// One migration failed.
    #[error("migration {name} failed")]
    Failed {
        /// Which one.
        name: String,
        /// Why.
        source: DbErr,
    },
    /// The bookkeeping itself failed.
    #[error("reading or writing the table of migrations")]
    Bookkeeping(#[from] DbErr),
}

/// Applies what is missing of `migrations`, in their order, in one transaction; answers the names applied.
///
/// # Errors
/// Then the schema is as it was.
pub async fn migrate(db: &Db, migrations: &[Box<dyn MigrationTrait>]) -> Result<Vec<String>, MigrationError> {
    db.write_within(LIMIT, async |tx| {
        if tx.get_database_backend() == DbBackend::Postgres {
            // Replicas that start together take turns.
            tx.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCK})"))
                .await?;
        }
        tx.execute_unprepared(
            "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at BIGINT NOT NULL)",
        )
        .await?;
        let applied = applied(tx).await?;
        let mut fresh = Vec::new();
        for migration in migrations {
            let name = migration.name().to_owned();
            if applied.contains(&name) {
                continue;
            }
            let failed = |source| MigrationError::Failed {
                name: name.clone(),
                source,
            };
            migration.up(&SchemaManager::new(tx.inner())).await.map_err(failed)?;
            let record = Statement::from_sql_and_values(
                tx.get_database_backend(),
                "INSERT INTO migrations (name, applied_at) VALUES ($1, $2)",
                [name.clone().into(), contracts::Timestamp::now().into()],
            );
            tx.execute_raw(record).await?;
            tracing::info!(migration = %name, "applied");
            fresh.push(name);
        }
        Ok(fresh)
    })
    .await
}

/// Names of the `migrations` that the database lacks.
///
/// # Errors
/// When the table of migrations cannot be read.
pub async fn pending(db: &Db, migrations: &[Box<dyn MigrationTrait>]) -> Result<Vec<String>, MigrationError> {
    let applied = db
        .write(async |tx| {
            tx.execute_unprepared(
                "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at BIGINT NOT NULL)",
            )
            .await?;
            applied(tx).await
        })
        .await?;
    Ok(migrations
        .iter()
        .map(|migration| migration.name().to_owned())
        .filter(|name| !applied.contains(name))
        .collect())
}

async fn applied(tx: &Tx) -> Result<HashSet<String>, DbErr> {
    let all = Statement::from_string(tx.get_database_backend(), "SELECT name FROM migrations");
    tx.query_all_raw(all)
        .await?
        .iter()
        .map(|row| row.try_get::<String>("", "name"))
        .collect()
}
