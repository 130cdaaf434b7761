//! Payments: what is to be collected, and how far that got.

use std::collections::HashMap;

use contracts::{
    Timestamp,
    id::{InvoiceId, OrderId, PaymentId, UserId},
};
use database::Tx;
use messaging::Cause;
use sea_orm::{ConnectionTrait, DbErr, QueryOrder, entity::prelude::*};

use super::{skip_locked, statement, unreadable};
use crate::domain::payment::{Policy, State};

/// A row of `payments`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payments")]
pub struct Model {
    /// Which; the key by which the provider knows a repeated request.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PaymentId,
    /// Of which invoice.
    pub invoice_id: InvoiceId,
    /// Whose.
    pub user_id: UserId,
    /// Because of which order; absent for a renewal.
    pub order_id: Option<OrderId>,
    /// Who charges.
    pub provider: String,
    /// What is paid with; known from the first try on, as a repeated request must not differ.
    pub method: Option<String>,
    /// ISO 4217.
    pub currency: String,
    /// How much.
    pub amount_minor: i64,
    /// Which attempt for the invoice, from 1.
    pub attempt: i64,
    /// How far it is.
    pub state: String,
    /// How many times the provider was asked.
    pub tries: i64,
    /// How many of them nobody knows the end of, because the process died.
    pub interrupted: i64,
    /// When it is looked at next; while it is, when somebody else may take over. Absent once it is over.
    pub next_at: Option<Timestamp>,
    /// Until when the payer has to act.
    pub deadline: Option<Timestamp>,
    /// Whether it shall be called off.
    pub cancel_requested: bool,
    /// The provider's name for it.
    pub reference: Option<String>,
    /// What the payer's page needs to confirm it.
    pub action: Option<String>,
    /// Why it failed, or what is known of the last try.
    pub reason: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// Why it is made: what it leads to continues that.
    pub cause: Option<Cause>,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// How far it is.
    ///
    /// # Errors
    /// When this release does not know the state.
    pub fn read_state(&self) -> Result<State, DbErr> {
        self.state.parse().map_err(unreadable)
    }
}

/// Keeps a new payment.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &Tx, row: Model) -> Result<(), DbErr> {
    let row: ActiveModel = row.into();
    Entity::insert(row.reset_all()).exec_without_returning(tx).await?;
    Ok(())
}

/// Whether a payment is due.
///
/// # Errors
/// The database's.
pub async fn is_due(db: &impl ConnectionTrait, now: Timestamp) -> Result<bool, DbErr> {
    let sql =
        "SELECT 1 AS one FROM payments WHERE state IN ('pending', 'charging', 'waiting') AND next_at <= $1 LIMIT 1";
    Ok(db.query_one_raw(statement(db, sql, [now.into()])).await?.is_some())
}

/// Takes the payment that has been due the longest, for as long as the lease lasts.
///
/// # Errors
/// The database's.
pub async fn claim(tx: &Tx, policy: &Policy, now: Timestamp) -> Result<Option<Model>, DbErr> {
    let sql = format!(
        "UPDATE payments SET tries = tries + 1, next_at = $2,
            method = CASE WHEN state = 'pending'
               THEN (SELECT a.method FROM accounts a WHERE a.user_id = payments.user_id) ELSE method END,
            interrupted = interrupted + CASE WHEN state = 'charging' THEN 1 ELSE 0 END,
            state = CASE WHEN state = 'waiting' THEN 'waiting' ELSE 'charging' END
         WHERE id = (SELECT id FROM payments WHERE state IN ('pending', 'charging', 'waiting') AND next_at <= $1
                     ORDER BY next_at LIMIT 1 {})
         RETURNING *",
        skip_locked(tx)
    );
    let values = [now.into(), (now + policy.lease).into()];
    let row = tx.query_one_raw(statement(tx, &sql, values)).await?;
    row.map(|row| <Model as sea_orm::FromQueryResult>::from_query_result(&row, ""))
        .transpose()
}

/// The payment of this id.
///
/// # Errors
/// The database's.
pub async fn find(db: &impl ConnectionTrait, id: PaymentId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).one(db).await
}

/// The payments of an account that can still succeed, oldest first.
///
/// # Errors
/// The database's.
pub async fn open(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::UserId.eq(user))
        .filter(Column::State.is_in([State::Pending.name(), State::Charging.name(), State::Waiting.name()]))
        .order_by_asc(Column::Id)
        .all(db)
        .await
}

/// The payments for an invoice, oldest first.
///
/// # Errors
/// The database's.
pub async fn of_invoice(db: &impl ConnectionTrait, invoice: InvoiceId) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::InvoiceId.eq(invoice))
        .order_by_asc(Column::Id)
        .all(db)
        .await
}

/// The payments of orders.
///
/// # Errors
/// The database's.
pub async fn of_orders(
    db: &impl ConnectionTrait,
    orders: impl IntoIterator<Item = OrderId>,
) -> Result<HashMap<OrderId, Model>, DbErr> {
    let rows = Entity::find()
        .filter(Column::OrderId.is_in(orders))
        .order_by_asc(Column::Id)
        .all(db)
        .await?;
    Ok(rows.into_iter().filter_map(|row| Some((row.order_id?, row))).collect())
}

/// The payments of an account, oldest first.
///
/// # Errors
/// The database's.
pub async fn of_user(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::UserId.eq(user))
        .order_by_asc(Column::Id)
        .all(db)
        .await
}

/// Notes that a payment is over.
///
/// # Errors
/// The database's.
pub async fn finish(
    tx: &Tx,
    id: PaymentId,
    state: State,
    reference: Option<&str>,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<(), DbErr> {
    let sql = "UPDATE payments SET state = $2, reference = COALESCE($3, reference), reason = $4, action = NULL,
                  next_at = NULL, finished_at = $5 WHERE id = $1";
    let values = [
        id.into(),
        state.name().into(),
        reference.map(str::to_owned).into(),
        reason.map(str::to_owned).into(),
        now.into(),
    ];
    tx.execute_raw(statement(tx, sql, values)).await?;
    Ok(())
}

/// Notes that a payment came in by bank transfer, whoever was to charge it.
///
/// # Errors
/// The database's.
pub async fn by_hand(tx: &Tx, id: PaymentId) -> Result<(), DbErr> {
    let sql = "UPDATE payments SET provider = 'manual' WHERE id = $1";
    tx.execute_raw(statement(tx, sql, [id.into()])).await?;
    Ok(())
}

/// Calls a payment off that nobody was asked for yet; answers whether it was.
///
/// # Errors
/// The database's.
pub async fn call_off(tx: &Tx, id: PaymentId, now: Timestamp) -> Result<bool, DbErr> {
    let sql =
        "UPDATE payments SET state = 'cancelled', next_at = NULL, finished_at = $2 WHERE id = $1 AND state = 'pending'";
    let done = tx.execute_raw(statement(tx, sql, [id.into(), now.into()])).await?;
    Ok(done.rows_affected() == 1)
}

/// Asks for a payment to be called off with its provider, once: a provider that cannot is not asked again and again.
///
/// # Errors
/// The database's.
pub async fn request_cancel(tx: &Tx, id: PaymentId, now: Timestamp) -> Result<(), DbErr> {
    // A charge that is being asked for is left to its worker, which sees the request when it records the answer.
    let sql =
        "UPDATE payments SET cancel_requested = TRUE, next_at = CASE WHEN state = 'waiting' THEN $2 ELSE next_at END
               WHERE id = $1 AND NOT cancel_requested";
    tx.execute_raw(statement(tx, sql, [id.into(), now.into()])).await?;
    Ok(())
}

/// What is noted of a payment that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Whether somebody else has to act, or the provider has to be asked again.
    pub state: State,
    /// When it is looked at again.
    pub next_at: Timestamp,
    /// Until when the payer has to act.
    pub deadline: Option<Timestamp>,
    /// The provider's name for it.
    pub reference: Option<String>,
    /// What the payer's page needs.
    pub action: Option<String>,
    /// What is known.
    pub reason: Option<String>,
}

/// Notes that a payment goes on.
///
/// # Errors
/// The database's.
pub async fn go_on(tx: &Tx, id: PaymentId, progress: Progress) -> Result<(), DbErr> {
    let sql = "UPDATE payments SET state = $2, next_at = $3, deadline = COALESCE(deadline, $4),
                  reference = COALESCE($5, reference), action = $6, reason = $7 WHERE id = $1";
    let values = [
        id.into(),
        progress.state.name().into(),
        progress.next_at.into(),
        progress.deadline.into(),
        progress.reference.into(),
        progress.action.into(),
        progress.reason.into(),
    ];
    tx.execute_raw(statement(tx, sql, values)).await?;
    Ok(())
}

/// The payment that a provider knows by `reference`.
///
/// # Errors
/// The database's.
pub async fn referred_to(db: &impl ConnectionTrait, provider: &str, reference: &str) -> Result<Option<Model>, DbErr> {
    Entity::find()
        .filter(Column::Reference.eq(reference))
        .filter(Column::Provider.eq(provider))
        .one(db)
        .await
}

/// Has a payment looked at now that waits for somebody else.
///
/// # Errors
/// The database's.
pub async fn look_now(tx: &Tx, id: PaymentId, now: Timestamp) -> Result<(), DbErr> {
    let sql = "UPDATE payments SET next_at = $2 WHERE id = $1 AND state = 'waiting'";
    tx.execute_raw(statement(tx, sql, [id.into(), now.into()])).await?;
    Ok(())
}

/// Has the scheduled attempts of an account made now; answers how many.
///
/// # Errors
/// The database's.
pub async fn hurry(tx: &Tx, user: UserId, now: Timestamp) -> Result<u64, DbErr> {
    let sql = "UPDATE payments SET next_at = $2 WHERE user_id = $1 AND state = 'pending' AND next_at > $2";
    let done = tx.execute_raw(statement(tx, sql, [user.into(), now.into()])).await?;
    Ok(done.rows_affected())
}
