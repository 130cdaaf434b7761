//! Opening: one URL, the settings that SQLite and PostgreSQL need to be used safely, and one clear line when it fails.
//!
//! A server is waited for, also one that refuses the login or has no such database: where a deployment makes all of it at
//! once, the one who makes logins and databases may come later. What it waits for is logged every few seconds.

use std::time::{Duration, Instant};

use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr, RuntimeErr};
use sqlx::Connection;

/// How often it is told that a server is still waited for.
const TELL: Duration = Duration::from_secs(5);

/// Where the database is and how to use it.
#[derive(Clone)]
pub struct Options {
    /// `sqlite:///path/to/file.db` or `postgres://user:password@host/name`. May hold a password: never logged.
    pub url: String,
    /// Connections at most. On SQLite: for reading; there is always one for writing.
    pub max_connections: u32,
    /// How long to wait for a database that does not answer, refuses the login or does not exist yet.
    pub wait: Duration,
    /// `false` lets a power failure take the last commits of an SQLite file (never its consistency). For tests.
    pub durable: bool,
}

impl Options {
    /// The usual settings for `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: 8,
            wait: Duration::from_secs(30),
            durable: true,
        }
    }

    /// An SQLite file.
    pub fn file(path: &std::path::Path) -> Self {
        Self {
            max_connections: 4,
            ..Self::new(format!("sqlite://{}?mode=rwc", path.display()))
        }
    }

    fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    /// The URL without what is secret in it.
    fn place(&self) -> String {
        let without_query = self.url.split('?').next().unwrap_or_default();
        match (without_query.split_once("://"), without_query.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
            _ => without_query.to_owned(),
        }
    }
}

/// The database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not an address that is understood.
    #[error("{0}: not a database URL; expected sqlite:///path/file.db or postgres://user:password@host/name")]
    Url(String),
    /// The file exists but SQLite cannot read it.
    #[error(
        "{place}: the file is corrupt or not an SQLite database ({reason}); restore it from a backup, or move it away to start empty"
    )]
    Corrupt {
        /// Which file.
        place: String,
        /// What SQLite said.
        reason: String,
    },
    /// The file cannot be opened for writing, or not be created.
    #[error(
        "{place}: cannot open or create the file ({reason}); does the folder exist, and may this user write to it?"
    )]
    Unwritable {
        /// Which file.
        place: String,
        /// What SQLite said.
        reason: String,
    },
    /// The server did not take the login in time.
    #[error(
        "{place}: the server refuses the login ({reason}); has it a role of that name, with the password of database.url?"
    )]
    Refused {
        /// Which database, without its password.
        place: String,
        /// What the server said last.
        reason: String,
    },
    /// The server did not have the database in time.
    #[error("{place}: the server has no such database ({reason}); create it, and have the role of database.url own it")]
    Missing {
        /// Which database, without its password.
        place: String,
        /// What the server said last.
        reason: String,
    },
    /// It did not answer in time.
    #[error("{place}: cannot open the database ({reason})")]
    Unreachable {
        /// Which database, without its password.
        place: String,
        /// What the last attempt said.
        reason: String,
    },
}

impl OpenError {
    /// What `error`, of an attempt to open it, means.
    fn of(options: &Options, error: &DbErr) -> Self {
        let (place, reason) = (options.place(), error.to_string());
        if let Some(refusal) = refusal(error) {
            // What the server said, without the wrapping and the line of its source.
            let reason = refusal.message().to_owned();
            // Class 28: invalid authorization. 3D000: there is no such database.
            match refusal.code().as_deref() {
                Some(code) if code.starts_with("28") => return Self::Refused { place, reason },
                Some("3D000") => return Self::Missing { place, reason },
                _ => {}
            }
        }
        // SQLITE_CORRUPT and SQLITE_NOTADB.
        if reason.contains("malformed") || reason.contains("not a database") {
            return Self::Corrupt { place, reason };
        }
        // SQLITE_CANTOPEN and SQLITE_READONLY.
        if reason.contains("unable to open database file") || reason.contains("readonly database") {
            return Self::Unwritable { place, reason };
        }
        Self::Unreachable { place, reason }
    }

    /// Whether somebody has to do something about it.
    fn stays(&self) -> bool {
        matches!(self, Self::Url(_) | Self::Corrupt { .. } | Self::Unwritable { .. })
    }
}

/// What the server itself said.
fn refusal(error: &DbErr) -> Option<&dyn sqlx::error::DatabaseError> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(source))
        | DbErr::Exec(RuntimeErr::SqlxError(source))
        | DbErr::Query(RuntimeErr::SqlxError(source)) => source.as_database_error(),
        _ => None,
    }
}

/// The connection for reading, and on SQLite the one for writing.
pub(crate) async fn connect(options: &Options) -> Result<(DatabaseConnection, Option<DatabaseConnection>), OpenError> {
    if options.is_sqlite() {
        let write = open(options, sqlite(options, true)).await?;
        let read = open(options, sqlite(options, false)).await?;
        Ok((read, Some(write)))
    } else if options.url.starts_with("postgres:") || options.url.starts_with("postgresql:") {
        let mut connect = ConnectOptions::new(options.url.clone());
        connect
            .max_connections(options.max_connections)
            .acquire_timeout(Duration::from_secs(5))
            .idle_timeout(Duration::from_secs(300))
            .sqlx_logging(false);
        Ok((open(options, connect).await?, None))
    } else {
        Err(OpenError::Url(options.place()))
    }
}

fn sqlite(options: &Options, write: bool) -> ConnectOptions {
    let durable = options.durable;
    let mut connect = ConnectOptions::new(options.url.clone());
    connect
        .max_connections(if write { 1 } else { options.max_connections })
        .acquire_timeout(Duration::from_secs(10))
        .sqlx_logging(false)
        .map_sqlx_sqlite_pool_opts(|pool| {
            // A connection that comes back inside a transaction which cannot be rolled back is closed, which ends it.
            pool.after_release(|connection, _| {
                Box::pin(async move {
                    if connection.is_in_transaction() {
                        // The rollback may still be on its way to the connection's thread.
                        connection.ping().await?;
                    }
                    Ok(!connection.is_in_transaction())
                })
            })
        })
        .map_sqlx_sqlite_opts(move |sqlite| {
            use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(if durable {
                    SqliteSynchronous::Full
                } else {
                    SqliteSynchronous::Off
                })
                .busy_timeout(Duration::from_secs(5))
                .foreign_keys(true)
                .pragma("temp_store", "memory")
                .pragma("query_only", if write { "off" } else { "on" })
                // In KiB, for each connection. What is read was just written, so the system has its pages in memory anyway.
                .pragma("cache_size", if write { "-2048" } else { "-512" })
        });
    connect
}

async fn open(options: &Options, connect: ConnectOptions) -> Result<DatabaseConnection, OpenError> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(50);
    let mut told: Option<Instant> = None;
    loop {
        #[expect(clippy::disallowed_methods, reason = "the one place that connects")]
        let connected = Database::connect(connect.clone()).await;
        let error = match connected {
            Ok(connection) => match connection.ping().await {
                Ok(()) => return Ok(connection),
                Err(error) => error,
            },
            Err(error) => error,
        };
        let error = OpenError::of(options, &error);
        if options.is_sqlite() || error.stays() || begun.elapsed() + pause > options.wait {
            return Err(error);
        }
        if told.is_none_or(|told| told.elapsed() >= TELL) {
            told = Some(Instant::now());
            tracing::warn!(
                error = %error,
                waited_s = begun.elapsed().as_secs(),
                wait_s = options.wait.as_secs(),
                "waiting for the database"
            );
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_never_shows_the_password() {
        let options = Options::new("postgres://hub:s3cret@db.internal:5432/auth?sslmode=require");
        assert_eq!(options.place(), "postgres://db.internal:5432/auth");
    }
}
