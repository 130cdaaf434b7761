//! Codes that were sent by mail, as digests.

use contracts::{Timestamp, id::UserId};
use database::Tx;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, Statement, entity::prelude::*};

use crate::domain::mail::Purpose;

/// A row of `codes`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "codes")]
pub struct Model {
    /// Digest of the code.
    #[sea_orm(primary_key, auto_increment = false)]
    pub digest: String,
    /// Whose.
    pub user_id: UserId,
    /// What for.
    pub purpose: String,
    /// The address it was sent to.
    pub email_key: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Keeps a code.
///
/// # Errors
/// The database's.
pub async fn insert(
    tx: &Tx,
    digest: String,
    user: UserId,
    purpose: Purpose,
    email_key: String,
    expires_at: Timestamp,
) -> Result<(), DbErr> {
    let row = ActiveModel {
        digest: Set(digest),
        user_id: Set(user),
        purpose: Set(purpose.name().to_owned()),
        email_key: Set(email_key),
        expires_at: Set(expires_at),
    };
    Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

/// A code that is good, without using it.
///
/// # Errors
/// The database's.
pub async fn find(
    c: &impl ConnectionTrait,
    purpose: Purpose,
    digest: &str,
    now: Timestamp,
) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(digest)
        .filter(Column::Purpose.eq(purpose.name()))
        .filter(Column::ExpiresAt.gt(now))
        .one(c)
        .await
}

/// Uses a code: of requests at once, one gets it.
///
/// # Errors
/// The database's.
pub async fn take(tx: &Tx, purpose: Purpose, digest: &str, now: Timestamp) -> Result<Option<(UserId, String)>, DbErr> {
    let delete = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "DELETE FROM codes WHERE digest = $1 AND purpose = $2 AND expires_at > $3 RETURNING user_id, email_key",
        [digest.into(), purpose.name().into(), now.into()],
    );
    let Some(row) = tx.query_one_raw(delete).await? else {
        return Ok(None);
    };
    Ok(Some((row.try_get("", "user_id")?, row.try_get("", "email_key")?)))
}

/// Makes all of a user's codes for a purpose void.
///
/// # Errors
/// The database's.
pub async fn void(tx: &Tx, user: UserId, purpose: Purpose) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Column::UserId.eq(user))
        .filter(Column::Purpose.eq(purpose.name()))
        .exec(tx)
        .await?;
    Ok(())
}

/// Removes at most `limit` codes that expired before `before`; answers how many.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &Tx, limit: u64, before: Timestamp) -> Result<u64, DbErr> {
    let delete = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "DELETE FROM codes WHERE digest IN (SELECT digest FROM codes WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
        [before.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()],
    );
    Ok(tx.execute_raw(delete).await?.rows_affected())
}
