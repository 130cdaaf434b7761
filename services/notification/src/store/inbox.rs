//! One row for each user with notifications: how many are unread.
//!
//! The row is the aggregate. Whoever changes what is unread takes it first and holds it to the end of the transaction, so
//! counts and the events that carry them come in one order. It changes in the transaction that changes the notifications,
//! and a badge costs one look-up by key, however full the inbox is.

use std::collections::HashMap;

use contracts::id::UserId;
use database::{Tx, places};
use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

/// How many notifications of `user` are unread.
///
/// # Errors
/// The database's.
pub async fn unread(db: &impl ConnectionTrait, user: UserId) -> Result<u64, DbErr> {
    let query = Statement::from_sql_and_values(
        db.get_database_backend(),
        "SELECT unread FROM inboxes WHERE user_id = $1",
        [user.into()],
    );
    db.query_one_raw(query)
        .await?
        .map_or(Ok(0), |row| row.try_get::<i64>("", "unread").map(count))
}

/// Takes the users' rows in a stable order.
///
/// # Errors
/// The database's.
pub async fn lock(tx: &Tx, users: impl IntoIterator<Item = UserId>) -> Result<(), DbErr> {
    change(tx, users.into_iter().map(|user| (user, 0))).await.map(drop)
}

/// Adds to the users' numbers of unread notifications; answers the new numbers.
///
/// # Errors
/// The database's.
pub async fn change(tx: &Tx, by: impl IntoIterator<Item = (UserId, i64)>) -> Result<HashMap<UserId, u64>, DbErr> {
    let mut sums = std::collections::BTreeMap::new();
    for (user, by) in by {
        *sums.entry(user).or_insert(0_i64) += by;
    }
    if sums.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!(
        "INSERT INTO inboxes (user_id, unread) VALUES {} ON CONFLICT (user_id) DO UPDATE SET unread = inboxes.unread + excluded.unread
         RETURNING user_id, unread",
        places(sums.len(), 2)
    );
    let values: Vec<Value> = sums
        .into_iter()
        .flat_map(|(user, by)| [user.into(), by.into()])
        .collect();
    let rows = tx
        .query_all_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "user_id")?, count(row.try_get("", "unread")?))))
        .collect()
}

/// The number never falls below zero: each notification is counted once when it comes and once when it goes.
fn count(unread: i64) -> u64 {
    u64::try_from(unread).unwrap_or_default()
}
