//! Orders that the gateway accepted, and what it heard of them since.

use contracts::{
    Timestamp,
    id::{OrderId, UserId},
};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};

use crate::domain::order::{Failure, Order, OrderDraft, State};

const COLUMNS: &str =
    "id, user_id, plan, seats, \"interval\", currency, accepted_at, state, reason, detail, settled_at, seen_by_billing";

/// Orders looked at at once at most.
pub const SOME: u64 = 100;

/// Keeps an order that was just accepted.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &Tx, order: &Order) -> Result<(), DbErr> {
    let sql =
        format!("INSERT INTO orders ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, NULL, NULL, FALSE)");
    let values: [Value; 8] = [
        order.id.into(),
        order.user.into(),
        order.draft.plan.as_str().into(),
        i64::from(order.draft.seats).into(),
        order.draft.interval.as_str().into(),
        order.draft.currency.clone().into(),
        order.accepted_at.into(),
        order.state.name().into(),
    ];
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?;
    Ok(())
}

/// An order of `user`; `None` also for somebody else's.
///
/// # Errors
/// The database's.
pub async fn find(db: &impl ConnectionTrait, user: UserId, id: OrderId) -> Result<Option<Order>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM orders WHERE id = $1 AND user_id = $2");
    let query = Statement::from_sql_and_values(db.get_database_backend(), sql, [id.into(), user.into()]);
    db.query_one_raw(query).await?.as_ref().map(read).transpose()
}

/// The newest orders of `user`, [`SOME`] at most; `unseen`: only those of which it is not known that billing has them.
///
/// # Errors
/// The database's.
pub async fn of_user(db: &impl ConnectionTrait, user: UserId, unseen: bool) -> Result<Vec<Order>, DbErr> {
    let unseen = if unseen { "AND NOT seen_by_billing" } else { "" };
    let sql = format!("SELECT {COLUMNS} FROM orders WHERE user_id = $1 {unseen} ORDER BY id DESC LIMIT {SOME}");
    let query = Statement::from_sql_and_values(db.get_database_backend(), sql, [user.into()]);
    db.query_all_raw(query).await?.iter().map(read).collect()
}

/// Notes that billing has an order.
///
/// # Errors
/// The database's.
pub async fn seen(tx: &Tx, id: OrderId) -> Result<(), DbErr> {
    let sql = "UPDATE orders SET seen_by_billing = TRUE WHERE id = $1";
    tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        sql,
        [id.into()],
    ))
    .await?;
    Ok(())
}

/// Notes how an order ended; the first end stays. An order that was not accepted here, or is forgotten, is none of ours.
///
/// # Errors
/// The database's.
pub async fn settle(tx: &Tx, id: OrderId, state: State, failure: Option<&Failure>, at: Timestamp) -> Result<(), DbErr> {
    let sql = "UPDATE orders SET state = $2, reason = $3, detail = $4, settled_at = $5, seen_by_billing = TRUE
               WHERE id = $1 AND settled_at IS NULL";
    let values: [Value; 5] = [
        id.into(),
        state.name().into(),
        failure.map(|failure| failure.reason.clone()).into(),
        failure.map(|failure| failure.detail.clone()).into(),
        at.into(),
    ];
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?;
    Ok(())
}

/// Forgets a user's orders; billing keeps what the law wants kept.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &Tx, user: UserId) -> Result<(), DbErr> {
    let sql = "DELETE FROM orders WHERE user_id = $1";
    tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        sql,
        [user.into()],
    ))
    .await?;
    Ok(())
}

/// Forgets up to `limit` orders that were settled before `before`: billing has them. One without an end stays.
///
/// # Errors
/// The database's.
pub async fn prune(tx: &Tx, before: Timestamp, limit: u64) -> Result<u64, DbErr> {
    let sql = "DELETE FROM orders WHERE id IN (SELECT id FROM orders WHERE settled_at < $1 LIMIT $2)";
    let values: [Value; 2] = [before.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()];
    let done = tx
        .execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?;
    Ok(done.rows_affected())
}

fn read(row: &QueryResult) -> Result<Order, DbErr> {
    let unknown = |what: &str| DbErr::Type(format!("{what} of a stored order"));
    let (seats, state): (i64, String) = (row.try_get("", "seats")?, row.try_get("", "state")?);
    Ok(Order {
        id: row.try_get("", "id")?,
        user: row.try_get("", "user_id")?,
        draft: OrderDraft {
            plan: row.try_get("", "plan")?,
            seats: u32::try_from(seats).map_err(|_| unknown("seats"))?,
            interval: row.try_get("", "interval")?,
            currency: row.try_get("", "currency")?,
        },
        accepted_at: row.try_get("", "accepted_at")?,
        state: State::parse(&state).ok_or_else(|| unknown("state"))?,
        failure: match (row.try_get("", "reason")?, row.try_get("", "detail")?) {
            (Some(reason), Some(detail)) => Some(Failure { reason, detail }),
            _ => None,
        },
        settled_at: row.try_get("", "settled_at")?,
    })
}
