//! Leases: which replica does which share of some work.
//!
//! On PostgreSQL a lease is an advisory lock of a session, so it ends with the process or its connection, and nothing has to
//! expire. On SQLite there is one process, and it holds all. A lease saves double work; it is no proof: a session that the
//! server ended is noticed at the next [`Leases::hold`] only, so the work itself must bear a twin for a moment.

use std::time::{Duration, Instant};

use sea_orm::{DbBackend, DbErr, RuntimeErr};
use sqlx::{Connection, PgConnection};

use crate::Db;

/// How often leases are asked for that another replica holds.
const RETRY: Duration = Duration::from_secs(1);

/// The shares of one kind of work that this replica may do.
pub struct Leases {
    db: Db,
    work: &'static str,
    held: Vec<i32>,
    wanted: Vec<i32>,
    session: Option<PgConnection>,
    asked: Option<Instant>,
}

impl Leases {
    /// For `work` that is cut into `shares` shares, numbered from 0.
    pub fn new(db: Db, work: &'static str, shares: u32) -> Self {
        let all: Vec<i32> = (0..i32::try_from(shares).unwrap_or(i32::MAX)).collect();
        let (held, wanted) = match db.backend() {
            DbBackend::Postgres => (Vec::new(), all),
            _ => (all, Vec::new()),
        };
        Self {
            db,
            work,
            held,
            wanted,
            session: None,
            asked: None,
        }
    }

    /// The shares that are held now, after trying to get those that are not.
    ///
    /// # Errors
    /// When the session with the server is lost; then all leases are.
    pub async fn hold(&mut self) -> Result<&[i32], DbErr> {
        if self.db.backend() == DbBackend::Postgres
            && let Err(error) = self.renew().await
        {
            self.session = None;
            self.wanted.append(&mut self.held);
            return Err(DbErr::Conn(RuntimeErr::SqlxError(std::sync::Arc::new(error))));
        }
        Ok(&self.held)
    }

    async fn renew(&mut self) -> Result<(), sqlx::Error> {
        let session = match &mut self.session {
            Some(session) => session,
            empty => {
                // Taken out of the pool: it lives as long as the leases do.
                let mut session = self
                    .db
                    .inner
                    .read
                    .get_postgres_connection_pool()
                    .acquire()
                    .await?
                    .detach();
                // A replica whose machine has vanished loses its leases within half a minute.
                sqlx::raw_sql(
                    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3",
                )
                .execute(&mut session)
                .await?;
                self.asked = None;
                empty.insert(session)
            }
        };
        if self.wanted.is_empty() || self.asked.is_some_and(|asked| asked.elapsed() < RETRY) {
            return session.ping().await;
        }
        // The schema is part of the name: test databases share a server by schemas.
        let got: Vec<i32> = sqlx::query_scalar(
            "SELECT share FROM unnest($2::int[]) AS share \
             WHERE pg_try_advisory_lock(hashtext(current_schema() || ' ' || $1), share)",
        )
        .bind(self.work)
        .bind(&self.wanted)
        .fetch_all(&mut *session)
        .await?;
        self.asked = Some(Instant::now());
        self.wanted.retain(|share| !got.contains(share));
        self.held.extend(got);
        self.held.sort_unstable();
        Ok(())
    }
}
