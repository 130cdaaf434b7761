//! What admins look at: sign-ups, subscriptions, volume and delay of events.

use contracts::Timestamp;
use sea_orm::{ConnectionTrait, DbErr};

use super::rows::query;
use crate::domain::business::Subscribed;

/// When accounts were opened, from `from` on and before `to`.
///
/// # Errors
/// The database's.
pub async fn sign_ups(db: &impl ConnectionTrait, from: Timestamp, to: Timestamp) -> Result<Vec<Timestamp>, DbErr> {
    let sql = "SELECT registered_at FROM users WHERE registered_at >= $1 AND registered_at < $2";
    let rows = query(db, sql, [from.into(), to.into()]).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// Every subscription's history, in order of subscription and version.
///
/// # Errors
/// The database's.
pub async fn subscriptions(db: &impl ConnectionTrait, to: Timestamp) -> Result<Vec<Subscribed>, DbErr> {
    let sql = "SELECT subscription_id, version, at, mrr_minor, currency FROM subscriptions WHERE at < $1
               ORDER BY subscription_id, version";
    let rows = query(db, sql, [to.into()]).await?;
    rows.iter()
        .map(|row| {
            Ok(Subscribed {
                subscription: row.try_get_by_index(0)?,
                version: row.try_get_by_index(1)?,
                at: row.try_get_by_index(2)?,
                mrr_minor: row.try_get_by_index(3)?,
                currency: row.try_get_by_index(4)?,
            })
        })
        .collect()
}

/// How many events there were in each quarter, from `from` on and before `to`.
///
/// # Errors
/// The database's.
pub async fn volume(db: &impl ConnectionTrait, from: Timestamp, to: Timestamp) -> Result<Vec<(Timestamp, u64)>, DbErr> {
    let sql = "SELECT slot, CAST(SUM(count) AS BIGINT) FROM volume WHERE slot >= $1 AND slot < $2 GROUP BY slot";
    let rows = query(db, sql, [from.into(), to.into()]).await?;
    rows.iter()
        .map(|row| {
            let count: i64 = row.try_get_by_index(1)?;
            Ok((row.try_get_by_index(0)?, count.unsigned_abs()))
        })
        .collect()
}

/// How many events came within which delay, in milliseconds, by quarter.
///
/// # Errors
/// The database's.
pub async fn delays(
    db: &impl ConnectionTrait,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(Timestamp, u64, u64)>, DbErr> {
    let sql = "SELECT slot, bound_ms, count FROM delays WHERE slot >= $1 AND slot < $2";
    let rows = query(db, sql, [from.into(), to.into()]).await?;
    rows.iter()
        .map(|row| {
            let (bound, count): (i64, i64) = (row.try_get_by_index(1)?, row.try_get_by_index(2)?);
            Ok((row.try_get_by_index(0)?, bound.unsigned_abs(), count.unsigned_abs()))
        })
        .collect()
}
