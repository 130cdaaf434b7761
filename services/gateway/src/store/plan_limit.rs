//! How often a user may call by their plan, as `subscription.updated` tells it.

use std::num::NonZeroU32;

use contracts::{billing::SubscriptionSnapshot, id::UserId};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, Statement};

/// Learns a user's limit, unless a newer version is known; answers whether it was news.
///
/// # Errors
/// The database's.
pub async fn learn(tx: &Tx, user: UserId, subscription: &SubscriptionSnapshot) -> Result<bool, DbErr> {
    let rate = subscription.limits.requests_per_minute;
    let rate = rate.map(|rate| i64::try_from(rate).unwrap_or(i64::MAX));
    let sql = "INSERT INTO plan_limits (user_id, plan, requests_per_minute, version) VALUES ($1, $2, $3, $4)
               ON CONFLICT (user_id) DO UPDATE SET plan = excluded.plan, requests_per_minute = excluded.requests_per_minute,
                  version = excluded.version
               WHERE plan_limits.version < excluded.version";
    let values = [
        user.into(),
        subscription.plan.as_str().into(),
        rate.into(),
        subscription.version.into(),
    ];
    let done = tx
        .execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets a user's limit.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &Tx, user: UserId) -> Result<(), DbErr> {
    let sql = "DELETE FROM plan_limits WHERE user_id = $1";
    tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        sql,
        [user.into()],
    ))
    .await?;
    Ok(())
}

/// Requests a minute of a user; `None` when their plan has no limit, or is not known.
///
/// # Errors
/// The database's.
pub async fn of(db: &impl ConnectionTrait, user: UserId) -> Result<Option<NonZeroU32>, DbErr> {
    let sql = "SELECT requests_per_minute FROM plan_limits WHERE user_id = $1";
    let query = Statement::from_sql_and_values(db.get_database_backend(), sql, [user.into()]);
    let row = db.query_one_raw(query).await?;
    let rate: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?.flatten();
    // A plan that allows none at all would lock its users out of ordering another.
    Ok(rate.and_then(|rate| NonZeroU32::new(u32::try_from(rate.max(1)).unwrap_or(u32::MAX))))
}
