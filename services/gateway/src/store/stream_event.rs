//! The events that go through streams, in one order for all replicas.
//!
//! A client resumes after a number (`seq`), so a number must never become visible after a higher one was read. On SQLite
//! writers take turns anyway. On PostgreSQL a writer holds a lock from the insert to its commit: numbers become visible in
//! their order, and a missing one was rolled back and never comes. Writers are the few transactions of consumers' batches.

use contracts::{
    Timestamp,
    id::{ProjectId, UserId},
};
use database::Tx;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};

use crate::domain::{audience::Audience, revocation::Revocation};

const LOCK: i64 = 0x7374_7265_616d;

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamEvent {
    /// Its number; also the SSE id.
    pub seq: i64,
    /// `task.created`.
    pub kind: String,
    /// Whom it concerns.
    pub audience: Audience,
    /// What the audience gets, JSON in one line.
    pub payload: String,
    /// For the gateway's replicas: what ended.
    pub revocation: Option<Revocation>,
}

/// Appends an event for `audience`.
///
/// # Errors
/// The database's.
pub async fn append(tx: &Tx, kind: &str, audience: Audience, payload: String) -> Result<(), DbErr> {
    insert(tx, kind, audience, payload, None).await
}

/// Appends a word for all replicas.
///
/// # Errors
/// The database's.
pub async fn append_revocation(tx: &Tx, revocation: Revocation) -> Result<(), DbErr> {
    let text =
        serde_json::to_string(&revocation).map_err(|error| DbErr::Custom(format!("revocation as JSON: {error}")))?;
    insert(tx, "revocation", Audience::replicas(), String::new(), Some(text)).await
}

async fn insert(
    tx: &Tx,
    kind: &str,
    audience: Audience,
    payload: String,
    revocation: Option<String>,
) -> Result<(), DbErr> {
    let backend = tx.get_database_backend();
    if backend == DbBackend::Postgres {
        tx.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCK})"))
            .await?;
    }
    let sql = "INSERT INTO stream_events (kind, user_id, project_id, payload, revocation, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    let values: [Value; 6] = [
        kind.into(),
        audience.user.map(|id| id.to_string()).into(),
        audience.project.map(|id| id.to_string()).into(),
        payload.into(),
        revocation.into(),
        Timestamp::now().into(),
    ];
    tx.execute_raw(Statement::from_sql_and_values(backend, sql, values))
        .await?;
    Ok(())
}

/// Up to `limit` events after `seq`, for everybody.
///
/// # Errors
/// The database's.
pub async fn after(db: &impl ConnectionTrait, seq: i64, limit: u64) -> Result<Vec<StreamEvent>, DbErr> {
    let sql = "SELECT seq, kind, user_id, project_id, payload, revocation FROM stream_events WHERE seq > $1 ORDER BY seq LIMIT $2";
    let values: [Value; 2] = [seq.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()];
    let rows = db
        .query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values))
        .await?;
    rows.iter().map(read).collect()
}

/// Up to `limit` events after `seq` and up to `last`, for one user: their own, and those of the projects that they are a
/// member of now.
///
/// # Errors
/// The database's.
pub async fn replay(
    db: &impl ConnectionTrait,
    user: UserId,
    seq: i64,
    last: i64,
    limit: u64,
) -> Result<Vec<StreamEvent>, DbErr> {
    let sql = "SELECT seq, kind, user_id, project_id, payload, revocation FROM stream_events
               WHERE seq > $1 AND seq <= $2 AND (user_id = $3 OR project_id IN
                   (SELECT project_id FROM memberships WHERE user_id = $3 AND active = $4))
               ORDER BY seq LIMIT $5";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values: [Value; 5] = [seq.into(), last.into(), user.into(), true.into(), limit.into()];
    let rows = db
        .query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values))
        .await?;
    rows.iter().map(read).collect()
}

/// What is kept for a user alone, the oldest first.
///
/// # Errors
/// The database's.
pub async fn of_user(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<String>, DbErr> {
    let sql = "SELECT payload FROM stream_events WHERE user_id = $1 AND project_id IS NULL ORDER BY seq";
    let query = Statement::from_sql_and_values(db.get_database_backend(), sql, [user.into()]);
    let rows = db.query_all_raw(query).await?;
    rows.iter().map(|row| row.try_get("", "payload")).collect()
}

/// Forgets what is kept for a user; the newest number stays, so that clients that resume after it are known. Others still
/// see what concerned their project too.
///
/// # Errors
/// The database's.
pub async fn forget_user(tx: &Tx, user: UserId) -> Result<(), DbErr> {
    let backend = tx.get_database_backend();
    for sql in [
        "DELETE FROM stream_events WHERE user_id = $1 AND project_id IS NULL
             AND seq < (SELECT MAX(seq) FROM stream_events)",
        "UPDATE stream_events SET payload = '{}', user_id = NULL WHERE user_id = $1 AND project_id IS NULL",
        "UPDATE stream_events SET user_id = NULL WHERE user_id = $1",
    ] {
        tx.execute_raw(Statement::from_sql_and_values(backend, sql, [user.into()]))
            .await?;
    }
    Ok(())
}

/// The first and last number that are there; zeros when there was never any.
///
/// # Errors
/// The database's.
pub async fn bounds(db: &impl ConnectionTrait) -> Result<(i64, i64), DbErr> {
    let sql = "SELECT COALESCE((SELECT seq FROM stream_events ORDER BY seq LIMIT 1), 0) AS first,
                      COALESCE((SELECT seq FROM stream_events ORDER BY seq DESC LIMIT 1), 0) AS last";
    let row = db
        .query_one_raw(Statement::from_string(db.get_database_backend(), sql))
        .await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("bounds of the stream".to_owned()))?;
    Ok((row.try_get("", "first")?, row.try_get("", "last")?))
}

/// Deletes up to `limit` of the oldest events that were appended before `before`, or that more than `keep` numbers follow.
/// The newest stays whatever its age, so that the numbers that were given out stay known.
///
/// # Errors
/// The database's.
pub async fn prune(tx: &Tx, before: Timestamp, keep: u64, limit: u64) -> Result<u64, DbErr> {
    let (first, last) = bounds(tx).await?;
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = "DELETE FROM stream_events WHERE seq < $1 AND seq < $2 AND (created_at < $3 OR seq <= $4)";
    let values: [Value; 4] = [
        last.into(),
        first.saturating_add(limit).into(),
        before.into(),
        last.saturating_sub(keep).into(),
    ];
    let done = tx
        .execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?;
    Ok(done.rows_affected())
}

fn read(row: &QueryResult) -> Result<StreamEvent, DbErr> {
    let revocation: Option<String> = row.try_get("", "revocation")?;
    let revocation = revocation.map(|text| serde_json::from_str(&text)).transpose();
    Ok(StreamEvent {
        seq: row.try_get("", "seq")?,
        kind: row.try_get("", "kind")?,
        audience: Audience {
            user: row.try_get::<Option<UserId>>("", "user_id")?,
            project: row.try_get::<Option<ProjectId>>("", "project_id")?,
        },
        payload: row.try_get("", "payload")?,
        revocation: revocation.map_err(|error| DbErr::Custom(format!("stored revocation: {error}")))?,
    })
}
