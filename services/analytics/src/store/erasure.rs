//! People whose data has to go, and how far that is.

use contracts::{Timestamp, id::UserId};
use database::Tx;
use messaging::Cause;
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::rows::{execute, query};

/// An erasure on its way through the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Whose data.
    pub user: UserId,
    /// The log is done up to this number.
    pub position: i64,
    /// Their addresses, which others' events may show; empty until they were looked for.
    pub addresses: Vec<String>,
    /// Whether it was said that it is done.
    pub announced: bool,
    /// Why it is made.
    pub cause: Option<Cause>,
}

fn read(row: &QueryResult) -> Result<Erasure, DbErr> {
    let addresses: String = row.try_get_by_index(2)?;
    Ok(Erasure {
        user: row.try_get_by_index(0)?,
        position: row.try_get_by_index(1)?,
        addresses: serde_json::from_str(&addresses).map_err(|error| DbErr::Type(error.to_string()))?,
        announced: row.try_get_by_index(3)?,
        cause: row.try_get_by_index(4)?,
    })
}

/// Asks for the erasure of somebody's data, unless it was asked for before.
///
/// # Errors
/// The database's.
pub async fn ask(tx: &Tx, user: UserId, now: Timestamp) -> Result<(), DbErr> {
    let sql = "INSERT INTO erasures (user_id, asked_at, position, addresses, announced, cause)
               VALUES ($1, $2, 0, '[]', FALSE, $3) ON CONFLICT (user_id) DO NOTHING";
    let values = [user.into(), now.into(), Cause::current().into()];
    execute(tx, sql, values).await.map(drop)
}

/// An event about somebody came after their erasure began: from `before` on, the log is looked through again.
///
/// # Errors
/// The database's.
pub async fn reopen(tx: &Tx, user: UserId, before: i64) -> Result<(), DbErr> {
    let sql = "UPDATE erasures SET done_at = NULL, position = CASE WHEN position < $2 THEN position ELSE $2 END WHERE user_id = $1";
    execute(tx, sql, [user.into(), before.into()]).await.map(drop)
}

/// The erasure that waits the longest.
///
/// # Errors
/// The database's.
pub async fn next(db: &impl ConnectionTrait) -> Result<Option<Erasure>, DbErr> {
    let sql = "SELECT user_id, position, addresses, announced, cause FROM erasures WHERE done_at IS NULL ORDER BY asked_at, user_id LIMIT 1";
    query(db, sql, []).await?.first().map(read).transpose()
}

/// Those whose erasure was asked for at `since` or later: of them an event may still be on its way.
///
/// # Errors
/// The database's.
pub async fn recent(db: &impl ConnectionTrait, since: Timestamp) -> Result<Vec<UserId>, DbErr> {
    let rows = query(db, "SELECT user_id FROM erasures WHERE asked_at >= $1", [since.into()]).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// Notes how far an erasure is, if it did not go back meanwhile.
///
/// # Errors
/// The database's.
pub async fn advance(tx: &Tx, erasure: &Erasure, position: i64) -> Result<(), DbErr> {
    let addresses = serde_json::to_string(&erasure.addresses).map_err(|error| DbErr::Custom(error.to_string()))?;
    let sql = "UPDATE erasures SET position = $3, addresses = $4 WHERE user_id = $1 AND position = $2";
    let values = [
        erasure.user.into(),
        erasure.position.into(),
        position.into(),
        addresses.into(),
    ];
    execute(tx, sql, values).await.map(drop)
}

/// Notes that an erasure is done, if it did not go back meanwhile, and forgets the addresses; answers whether it is so.
///
/// # Errors
/// The database's.
pub async fn finish(tx: &Tx, erasure: &Erasure, now: Timestamp) -> Result<bool, DbErr> {
    let sql = "UPDATE erasures SET done_at = $3, addresses = '[]', announced = TRUE
               WHERE user_id = $1 AND position = $2 AND done_at IS NULL";
    let values = [erasure.user.into(), erasure.position.into(), now.into()];
    Ok(execute(tx, sql, values).await? > 0)
}
