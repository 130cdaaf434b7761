//! Accounts: one for each user, and the row that whoever changes anything of the account holds.

use contracts::{Timestamp, id::UserId};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, entity::prelude::*};

use super::statement;
use crate::domain::money::Currency;

/// A row of `accounts`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "accounts")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// Address for receipts; empty while it is not known.
    pub email: String,
    /// Version of the user that the address is of.
    pub profile_version: i64,
    /// When the account's one trial began.
    pub trial_used_at: Option<Timestamp>,
    /// The provider's name for the payer.
    pub customer: Option<String>,
    /// The provider's name for what they pay with.
    pub method: Option<String>,
    /// When the account was closed.
    pub closed_at: Option<Timestamp>,
    /// When it was first heard of.
    pub created_at: Timestamp,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Takes the account's row until the transaction ends; makes it when there is none.
///
/// # Errors
/// The database's.
pub async fn take(tx: &Tx, user: UserId, now: Timestamp) -> Result<Model, DbErr> {
    let sql = "INSERT INTO accounts (user_id, email, profile_version, created_at) VALUES ($1, '', 0, $2)
               ON CONFLICT (user_id) DO UPDATE SET user_id = excluded.user_id RETURNING *";
    let row = tx.query_one_raw(statement(tx, sql, [user.into(), now.into()])).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the account just written".to_owned()))?;
    <Model as sea_orm::FromQueryResult>::from_query_result(&row, "")
}

/// The account of `user`.
///
/// # Errors
/// The database's.
pub async fn find(db: &impl ConnectionTrait, user: UserId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(user).one(db).await
}

/// Learns the address for receipts, unless something newer is known.
///
/// # Errors
/// The database's.
pub async fn learn_email(tx: &Tx, user: UserId, email: &str, version: i64) -> Result<(), DbErr> {
    let sql = "UPDATE accounts SET email = $2, profile_version = $3
               WHERE user_id = $1 AND profile_version < $3 AND closed_at IS NULL";
    tx.execute_raw(statement(tx, sql, [user.into(), email.into(), version.into()]))
        .await?;
    Ok(())
}

/// Notes that the account's one trial began.
///
/// # Errors
/// The database's.
pub async fn use_trial(tx: &Tx, user: UserId, now: Timestamp) -> Result<(), DbErr> {
    let sql = "UPDATE accounts SET trial_used_at = $2 WHERE user_id = $1";
    tx.execute_raw(statement(tx, sql, [user.into(), now.into()])).await?;
    Ok(())
}

/// Notes the provider's name for the payer.
///
/// # Errors
/// The database's.
pub async fn set_customer(tx: &Tx, user: UserId, customer: &str) -> Result<(), DbErr> {
    let sql = "UPDATE accounts SET customer = $2 WHERE user_id = $1 AND closed_at IS NULL";
    tx.execute_raw(statement(tx, sql, [user.into(), customer.into()]))
        .await?;
    Ok(())
}

/// Notes what the account pays with; `None` for nothing.
///
/// # Errors
/// The database's.
pub async fn set_method(tx: &Tx, user: UserId, method: Option<&str>) -> Result<(), DbErr> {
    let sql = "UPDATE accounts SET method = $2 WHERE user_id = $1";
    tx.execute_raw(statement(tx, sql, [user.into(), method.map(str::to_owned).into()]))
        .await?;
    Ok(())
}

/// Closes the account and erases what is personal in it.
///
/// # Errors
/// The database's.
pub async fn close(tx: &Tx, user: UserId, now: Timestamp) -> Result<(), DbErr> {
    let sql = "UPDATE accounts SET email = '', customer = NULL, method = NULL, closed_at = $2 WHERE user_id = $1";
    tx.execute_raw(statement(tx, sql, [user.into(), now.into()])).await?;
    Ok(())
}

/// What the account has to its credit in `currency`, in minor units.
///
/// # Errors
/// The database's.
pub async fn credit(db: &impl ConnectionTrait, user: UserId, currency: Currency) -> Result<i64, DbErr> {
    let sql = "SELECT amount_minor FROM credit_balances WHERE user_id = $1 AND currency = $2";
    let row = db
        .query_one_raw(statement(db, sql, [user.into(), currency.code().into()]))
        .await?;
    row.map_or(Ok(0), |row| row.try_get("", "amount_minor"))
}

/// All that the account has to its credit: currencies and minor units.
///
/// # Errors
/// The database's.
pub async fn credits(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<(String, i64)>, DbErr> {
    let sql =
        "SELECT currency, amount_minor FROM credit_balances WHERE user_id = $1 AND amount_minor > 0 ORDER BY currency";
    let rows = db.query_all_raw(statement(db, sql, [user.into()])).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "currency")?, row.try_get("", "amount_minor")?)))
        .collect()
}

/// Adds to what the account has to its credit; a negative amount is used up.
///
/// # Errors
/// The database's; also when more is used up than there is.
pub async fn add_credit(tx: &Tx, user: UserId, currency: Currency, amount: i64) -> Result<(), DbErr> {
    if amount == 0 {
        return Ok(());
    }
    // First a row, then the change: the check on the row would refuse a negative one before the conflict is seen.
    let sql = "INSERT INTO credit_balances (user_id, currency, amount_minor) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING";
    tx.execute_raw(statement(tx, sql, [user.into(), currency.code().into()]))
        .await?;
    let sql = "UPDATE credit_balances SET amount_minor = amount_minor + $3 WHERE user_id = $1 AND currency = $2";
    tx.execute_raw(statement(tx, sql, [user.into(), currency.code().into(), amount.into()]))
        .await?;
    Ok(())
}
