//! Weekly reports that were published.

use contracts::{
    Timestamp,
    id::{ReportId, UserId},
};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr};

use super::rows::{execute, query};

/// At most `limit` users who did something in the week from `from` to `to`, still have an account, and got no report of it.
///
/// # Errors
/// The database's.
pub async fn missing(
    db: &impl ConnectionTrait,
    from: Timestamp,
    to: Timestamp,
    limit: i64,
) -> Result<Vec<UserId>, DbErr> {
    let sql = "SELECT DISTINCT a.user_id FROM activity a LEFT JOIN users u ON u.user_id = a.user_id
               WHERE a.slot >= $1 AND a.slot < $2 AND u.deleted_at IS NULL AND NOT COALESCE(u.disabled, FALSE)
                 AND NOT EXISTS (SELECT 1 FROM reports r WHERE r.user_id = a.user_id AND r.week = $1)
               ORDER BY a.user_id LIMIT $3";
    let rows = query(db, sql, [from.into(), to.into(), limit.into()]).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// Remembers a user's report of the week that began at `week`; answers whether there was none.
///
/// # Errors
/// The database's.
pub async fn claim(tx: &Tx, user: UserId, week: Timestamp, id: ReportId) -> Result<bool, DbErr> {
    let sql =
        "INSERT INTO reports (user_id, week, report_id) VALUES ($1, $2, $3) ON CONFLICT (user_id, week) DO NOTHING";
    Ok(execute(tx, sql, [user.into(), week.into(), id.into()]).await? > 0)
}

/// The weeks that `user` got reports of.
///
/// # Errors
/// The database's.
pub async fn weeks(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<Timestamp>, DbErr> {
    let rows = query(
        db,
        "SELECT week FROM reports WHERE user_id = $1 ORDER BY week",
        [user.into()],
    )
    .await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// Forgets a user's reports.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &Tx, user: UserId) -> Result<(), DbErr> {
    execute(tx, "DELETE FROM reports WHERE user_id = $1", [user.into()])
        .await
        .map(drop)
}
