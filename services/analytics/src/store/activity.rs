//! What users did, by quarter of an hour.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{Timestamp, id::UserId};
use sea_orm::{ConnectionTrait, DbErr};

use super::rows::query;
use crate::domain::activity::Kind;

/// What `user` did from `from` on and before `to`.
///
/// # Errors
/// The database's.
pub async fn of(
    db: &impl ConnectionTrait,
    user: UserId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(Timestamp, Kind, u64)>, DbErr> {
    let sql =
        "SELECT slot, kind, count FROM activity WHERE user_id = $1 AND slot >= $2 AND slot < $3 ORDER BY slot, kind";
    let mut counted = Vec::new();
    for row in query(db, sql, [user.into(), from.into(), to.into()]).await? {
        let (kind, count): (String, i64) = (row.try_get_by_index(1)?, row.try_get_by_index(2)?);
        // A kind of a newer release, after a rollback, is something that was done.
        let kind = Kind::parse(&kind).unwrap_or(Kind::Other);
        counted.push((row.try_get_by_index(0)?, kind, count.unsigned_abs()));
    }
    Ok(counted)
}

/// In which quarters each user was there, from `from` on and before `to`.
///
/// # Errors
/// The database's.
pub async fn seen(
    db: &impl ConnectionTrait,
    from: Timestamp,
    to: Timestamp,
) -> Result<BTreeMap<UserId, BTreeSet<Timestamp>>, DbErr> {
    let sql = "SELECT DISTINCT slot, user_id FROM activity WHERE slot >= $1 AND slot < $2";
    let mut seen: BTreeMap<UserId, BTreeSet<Timestamp>> = BTreeMap::new();
    for row in query(db, sql, [from.into(), to.into()]).await? {
        seen.entry(row.try_get_by_index(1)?)
            .or_default()
            .insert(row.try_get_by_index(0)?);
    }
    Ok(seen)
}
