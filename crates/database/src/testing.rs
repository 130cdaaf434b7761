//! A database of its own for each test: an SQLite file, or a schema of the PostgreSQL that `DATABASE_URL` names.
//!
//! So the same tests run on both, in parallel, and leave nothing behind: file and schema go when the value is dropped.
//!
//! The tests of one release also run on the schema of the next (`scripts/n-1`): `NEXT_RELEASE` names a folder with that
//! release's binaries in `bin/`, and each database is migrated by them before this release's own migrations find it.

use sea_orm::{ConnectionTrait, DbErr};

use crate::{Db, MigrationTrait, OpenError, Options};

/// A database that lives as long as this value.
pub struct TestDatabase {
    db: Db,
    options: Options,
    place: Place,
}

enum Place {
    /// Removed with its folder.
    File(tempfile::TempDir),
    /// Dropped when the value is.
    Schema { server: String, name: String },
}

impl TestDatabase {
    /// A new, empty one: on PostgreSQL when `DATABASE_URL` is set, else on SQLite.
    ///
    /// # Panics
    /// When it cannot be made: a test cannot go on without it.
    pub async fn create() -> Self {
        match Self::postgres().await {
            Some(database) => database,
            None => Self::sqlite().await,
        }
    }

    /// A new, empty one with these `migrations` applied.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn migrated(migrations: &[Box<dyn MigrationTrait>]) -> Self {
        let database = Self::create().await;
        // Whose schema has the tables of this workspace's crates: that of any service.
        migrate_by_next_release("notification", &database.options.url);
        #[expect(clippy::expect_used, reason = "ends the test")]
        crate::migrate(&database.db, migrations)
            .await
            .expect("the migrations apply");
        database
    }

    /// A new, empty SQLite file.
    ///
    /// # Panics
    /// When it cannot be made.
    #[expect(clippy::expect_used, reason = "ends the test")]
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Not durable: a test outlives no power failure, and flushing makes the suite slow.
        let options = Options {
            durable: false,
            ..Options::file(&folder.path().join("test.db"))
        };
        let db = Db::open(&options).await.expect("an SQLite file");
        Self {
            db,
            options,
            place: Place::File(folder),
        }
    }

    /// A new, empty schema of the PostgreSQL that `DATABASE_URL` names; `None` when it is not set.
    ///
    /// # Panics
    /// When it cannot be made.
    #[expect(clippy::expect_used, reason = "ends the test")]
    pub async fn postgres() -> Option<Self> {
        let server = std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty())?;
        let name = format!("test_{}", uuid::Uuid::now_v7().simple());
        on_server(&server, &format!("CREATE SCHEMA {name}"))
            .await
            .expect("a schema on DATABASE_URL");
        let separator = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{separator}options[search_path]={name}");
        let options = Options {
            max_connections: 5,
            ..Options::new(url)
        };
        let db = Db::open(&options)
            .await
            .expect("the PostgreSQL that DATABASE_URL names");
        Some(Self {
            db,
            options,
            place: Place::Schema { server, name },
        })
    }

    /// The handle.
    pub fn db(&self) -> Db {
        self.db.clone()
    }

    /// To open it once more: as another process would, or after closing it.
    pub fn options(&self) -> Options {
        self.options.clone()
    }

    /// One more handle with connections of its own, as another replica has.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn replica(&self) -> Result<Db, OpenError> {
        Db::open(&self.options).await
    }

    /// The folder of the SQLite file.
    pub fn folder(&self) -> Option<&std::path::Path> {
        match &self.place {
            Place::File(folder) => Some(folder.path()),
            Place::Schema { .. } => None,
        }
    }
}

/// Has the next release's binary of `service` migrate the database at `url`, when there is a next release.
///
/// # Panics
/// When that fails: the test would not be on the schema that it is meant for.
#[expect(clippy::expect_used, reason = "ends the test")]
pub fn migrate_by_next_release(service: &str, url: &str) {
    let Some(folder) = std::env::var_os("NEXT_RELEASE").filter(|folder| !folder.is_empty()) else {
        return;
    };
    let binary = std::path::Path::new(&folder).join("bin").join(service);
    let output = std::process::Command::new(&binary)
        .arg("migrate")
        .env("CLOUDTASKHUB_DATABASE__URL", url)
        .env("CLOUDTASKHUB_DATABASE__DURABLE", "false")
        .output()
        .expect("the next release's binary starts");
    assert!(
        output.status.success(),
        "{} migrate: {}",
        binary.display(),
        String::from_utf8_lossy(&output.stderr)
    );
}

async fn on_server(url: &str, sql: &str) -> Result<(), DbErr> {
    let mut options = sea_orm::ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    #[expect(clippy::disallowed_methods, reason = "schemas are outside of what a Db can see")]
    let server = sea_orm::Database::connect(options).await?;
    server.execute_unprepared(sql).await?;
    server.close().await
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Place::Schema { server, name } = &self.place else {
            return;
        };
        let (server, sql) = (server.clone(), format!("DROP SCHEMA IF EXISTS {name} CASCADE"));
        // The test's own runtime may be going down.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime
                .block_on(on_server(&server, &sql))
                .map_err(std::io::Error::other)
        });
        if let Ok(Err(error)) = dropped.join() {
            tracing::warn!(error = %error, "a test's schema was not dropped");
        }
    }
}
