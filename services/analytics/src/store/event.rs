//! The log: every event once, as it came.

use contracts::{EventId, Timestamp};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use serde_json::json;

use super::rows::{columns, execute, json as parameter, query, source, texts};
use crate::domain::event::Logged;

const COLUMNS: &str = "seq, id, type, source, subject, time, received_at, trace_id, causation_id, data";

/// An event and its number in the log.
#[derive(Debug, Clone)]
pub struct Numbered {
    /// Rises in the order in which events came.
    pub seq: i64,
    /// The event.
    pub event: Logged,
}

fn numbered(row: &QueryResult) -> Result<Numbered, DbErr> {
    Ok(Numbered {
        seq: row.try_get_by_index(0)?,
        event: Logged {
            id: row.try_get_by_index(1)?,
            event_type: row.try_get_by_index(2)?,
            source: row.try_get_by_index(3)?,
            subject: row.try_get_by_index(4)?,
            time: row.try_get_by_index(5)?,
            received_at: row.try_get_by_index(6)?,
            trace_id: row.try_get_by_index(7)?,
            causation_id: row.try_get_by_index(8)?,
            data: row.try_get_by_index(9)?,
        },
    })
}

/// Writes events down; answers the numbers and ids of those that were not there.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &Tx, events: &[Logged]) -> Result<Vec<(i64, EventId)>, DbErr> {
    let rows: Vec<serde_json::Value> = events
        .iter()
        .map(|event| {
            json!([
                event.id,
                event.event_type,
                event.source,
                event.subject,
                event.time.as_micros(),
                event.received_at.as_micros(),
                event.trace_id,
                event.causation_id,
                event.data
            ])
        })
        .collect();
    let sql = format!(
        "INSERT INTO events (id, type, source, subject, time, received_at, trace_id, causation_id, data)
         SELECT {} FROM {} WHERE true ON CONFLICT (id) DO NOTHING RETURNING seq, id",
        columns(&[
            "TEXT", "TEXT", "TEXT", "TEXT", "BIGINT", "BIGINT", "TEXT", "TEXT", "TEXT"
        ]),
        source(tx.get_database_backend(), 1)
    );
    let fresh = query(tx, sql, [parameter(&rows)?]).await?;
    fresh
        .iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
        .collect()
}

/// Which events an admin looks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this type, by its full name.
    pub event_type: Option<&'static str>,
    /// About this aggregate.
    pub subject: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

/// At most `limit` events, newest first, after `after`.
///
/// # Errors
/// The database's.
pub async fn page(
    db: &impl ConnectionTrait,
    filter: &Filter,
    after: Option<(Timestamp, EventId)>,
    limit: u64,
) -> Result<Vec<Logged>, DbErr> {
    let mut values: Vec<Value> = Vec::new();
    let mut which = vec!["true".to_owned()];
    let mut add = |condition: &str, value: Value| {
        values.push(value);
        which.push(condition.replace('?', &format!("${}", values.len())));
    };
    if let Some(event_type) = filter.event_type {
        add("type = ?", event_type.into());
    }
    if let Some(subject) = &filter.subject {
        add("subject = ?", subject.clone().into());
    }
    if let Some(from) = filter.from {
        add("time >= ?", from.into());
    }
    if let Some(to) = filter.to {
        add("time < ?", to.into());
    }
    let mut which = which.join(" AND ");
    if let Some((time, id)) = after {
        let (first, second) = (values.len() + 1, values.len() + 2);
        which.push_str(&format!(" AND (time, id) < (${first}, ${second})"));
        values.extend([time.into(), id.into()]);
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM events WHERE {which} ORDER BY time DESC, id DESC LIMIT ${}",
        values.len() + 1
    );
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    let rows = query(db, sql, values).await?;
    rows.iter().map(|row| Ok(numbered(row)?.event)).collect()
}

/// The event of this id.
///
/// # Errors
/// The database's.
pub async fn find(db: &impl ConnectionTrait, id: EventId) -> Result<Option<Logged>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM events WHERE id = $1");
    let rows = query(db, sql, [id.into()]).await?;
    rows.first().map(|row| Ok(numbered(row)?.event)).transpose()
}

/// The events next to these in the chain of cause and effect: of the same `traces`, causes, and effects; `limit` at most.
///
/// # Errors
/// The database's.
pub async fn related(
    db: &impl ConnectionTrait,
    traces: &[&str],
    causes: &[EventId],
    ids: &[EventId],
    limit: u64,
) -> Result<Vec<Logged>, DbErr> {
    let backend = db.get_database_backend();
    let sql = format!(
        "SELECT {COLUMNS} FROM events WHERE trace_id IN {} OR id IN {} OR causation_id IN {} ORDER BY time, id LIMIT $4",
        texts(backend, 1),
        texts(backend, 2),
        texts(backend, 3)
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = [parameter(&traces)?, parameter(&causes)?, parameter(&ids)?, limit.into()];
    let rows = query(db, sql, values).await?;
    rows.iter().map(|row| Ok(numbered(row)?.event)).collect()
}

/// Events numbered above `after`, up to `last`, that happened at `since` or later; in order, `limit` at most.
///
/// # Errors
/// The database's.
pub async fn replay(
    db: &impl ConnectionTrait,
    after: i64,
    last: i64,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<Numbered>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM events WHERE seq > $1 AND seq <= $2 AND time >= $3 ORDER BY seq LIMIT $4");
    let rows = query(db, sql, [after.into(), last.into(), since.into(), limit.into()]).await?;
    rows.iter().map(numbered).collect()
}

/// How many of those there are.
///
/// # Errors
/// The database's.
pub async fn count(db: &impl ConnectionTrait, after: i64, last: i64, since: Timestamp) -> Result<u64, DbErr> {
    let sql = "SELECT COUNT(*) FROM events WHERE seq > $1 AND seq <= $2 AND time >= $3";
    let rows = query(db, sql, [after.into(), last.into(), since.into()]).await?;
    let count: i64 = rows.first().map_or(Ok(0), |row| row.try_get_by_index(0))?;
    Ok(count.unsigned_abs())
}

/// The number of the newest event.
///
/// # Errors
/// The database's.
pub async fn last(db: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let rows = query(db, "SELECT COALESCE(MAX(seq), 0) FROM events", []).await?;
    rows.first().map_or(Ok(0), |row| row.try_get_by_index(0))
}

/// Events numbered above `after`, up to `last`, in whose data one of `texts` occurs, in whatever case; in order.
///
/// # Errors
/// The database's.
pub async fn mentioning(
    db: &impl ConnectionTrait,
    texts: &[String],
    after: i64,
    last: i64,
) -> Result<Vec<Numbered>, DbErr> {
    let mut values: Vec<Value> = vec![after.into(), last.into()];
    let likes: Vec<String> = texts
        .iter()
        .map(|text| {
            let escaped = text
                .to_lowercase()
                .replace('!', "!!")
                .replace('%', "!%")
                .replace('_', "!_");
            values.push(format!("%{escaped}%").into());
            format!("lower(data) LIKE ${} ESCAPE '!'", values.len())
        })
        .collect();
    if likes.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM events WHERE seq > $1 AND seq <= $2 AND ({}) ORDER BY seq",
        likes.join(" OR ")
    );
    let rows = query(db, sql, values).await?;
    rows.iter().map(numbered).collect()
}

/// The events about this aggregate, newest first, `limit` at most.
///
/// # Errors
/// The database's.
pub async fn about(db: &impl ConnectionTrait, subject: &str, limit: u64) -> Result<Vec<Logged>, DbErr> {
    let filter = Filter {
        subject: Some(subject.to_owned()),
        ..Filter::default()
    };
    page(db, &filter, None, limit).await
}

/// Replaces an event's data.
///
/// # Errors
/// The database's.
pub async fn rewrite(tx: &Tx, seq: i64, data: &str) -> Result<(), DbErr> {
    execute(
        tx,
        "UPDATE events SET data = $2 WHERE seq = $1",
        [seq.into(), data.into()],
    )
    .await
    .map(drop)
}

/// From when on the log has everything that came.
///
/// # Errors
/// The database's.
pub async fn whole_since(db: &impl ConnectionTrait) -> Result<Timestamp, DbErr> {
    let rows = query(db, "SELECT whole_since FROM log_state WHERE id = 1", []).await?;
    rows.first()
        .map_or(Ok(Timestamp::from_micros(0)), |row| row.try_get_by_index(0))
}

/// Removes at most `limit` events from before `before` and remembers from when on the log is whole; answers how many went.
///
/// # Errors
/// The database's.
pub async fn prune(tx: &Tx, before: Timestamp, limit: i64) -> Result<u64, DbErr> {
    let sql = "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE time < $1 ORDER BY time LIMIT $2)";
    let removed = execute(tx, sql, [before.into(), limit.into()]).await?;
    if removed > 0 {
        let sql = "UPDATE log_state SET whole_since = $1 WHERE id = 1 AND whole_since < $1";
        execute(tx, sql, [before.into()]).await?;
    }
    Ok(removed)
}
