//! Counters of failed sign-in attempts.

use contracts::Timestamp;
use database::Tx;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, QuerySelect, Statement, entity::prelude::*};

use crate::domain::throttle::{Counter, Policy, Throttled};

/// A row of `failed_attempts`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "failed_attempts")]
pub struct Model {
    /// Which account or network.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope: String,
    /// Failures, and attempts that are being checked.
    pub failures: i64,
    /// The last of them.
    pub last_at: Timestamp,
    /// Until when nothing is looked at.
    pub blocked_until: Timestamp,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Why an attempt was not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// Too many failures.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The database failed.
    #[error("counting an attempt")]
    Store(#[from] DbErr),
}

/// Takes one attempt of `scope`. Whoever takes of an account and of a network takes of the account first, so that two never
/// wait for each other.
///
/// # Errors
/// See [`TakeError`]; the transaction is then to be given up, so that other counters are not changed either.
pub async fn take(tx: &Tx, policy: &Policy, scope: &str, now: Timestamp) -> Result<(), TakeError> {
    let taken = policy.take(held(tx, scope).await?, now)?;
    save(tx, scope, taken).await?;
    Ok(())
}

/// Gives one attempt back.
///
/// # Errors
/// The database's.
pub async fn give_back(tx: &Tx, policy: &Policy, scope: &str) -> Result<(), DbErr> {
    if let Some(counter) = held(tx, scope).await? {
        save(tx, scope, policy.give_back(counter)).await?;
    }
    Ok(())
}

/// Forgets all failures of `scope`.
///
/// # Errors
/// The database's.
pub async fn clear(tx: &Tx, scope: &str) -> Result<(), DbErr> {
    Entity::delete_by_id(scope).exec(tx).await?;
    Ok(())
}

/// The counter, which then changes for nobody else until this transaction ends; a missing one is made first, so that there
/// is something to hold.
async fn held(tx: &Tx, scope: &str) -> Result<Option<Counter>, DbErr> {
    let insert = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO failed_attempts (scope, failures, last_at, blocked_until) VALUES ($1, 0, 0, 0) ON CONFLICT DO NOTHING",
        [scope.into()],
    );
    tx.execute_raw(insert).await?;
    let row = Entity::find_by_id(scope).lock_exclusive().one(tx).await?;
    Ok(row.map(|row| Counter {
        failures: row.failures,
        last_at: row.last_at,
        blocked_until: row.blocked_until,
    }))
}

async fn save(tx: &Tx, scope: &str, counter: Counter) -> Result<(), DbErr> {
    let row = ActiveModel {
        scope: Set(scope.to_owned()),
        failures: Set(counter.failures),
        last_at: Set(counter.last_at),
        blocked_until: Set(counter.blocked_until),
    };
    Entity::update(row).exec(tx).await?;
    Ok(())
}

/// Removes at most `limit` counters whose last failure was before `before`; answers how many.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &Tx, limit: u64, before: Timestamp) -> Result<u64, DbErr> {
    let delete = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "DELETE FROM failed_attempts WHERE scope IN
            (SELECT scope FROM failed_attempts WHERE last_at < $1 ORDER BY last_at LIMIT $2)",
        [before.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()],
    );
    Ok(tx.execute_raw(delete).await?.rows_affected())
}
