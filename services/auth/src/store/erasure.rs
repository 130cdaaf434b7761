//! Erasures: what auth forgets of a closed account, and how far the others are.

use contracts::{Timestamp, id::UserId};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, Statement};

use crate::domain::{
    erasure::{Erasure, expected},
    throttle,
    user::User,
};

/// Writes down that an account is being erased, known by the digest of its erasure's id.
///
/// # Errors
/// The database's.
pub async fn begin(tx: &Tx, user: UserId, digest: &str, now: Timestamp) -> Result<(), DbErr> {
    let insert = "INSERT INTO erasures (user_id, digest, requested_at) VALUES ($1, $2, $3)";
    run(tx, insert, [user.into(), digest.into(), now.into()]).await?;
    for service in expected() {
        let insert = "INSERT INTO erasure_parts (user_id, service) VALUES ($1, $2)";
        run(tx, insert, [user.into(), service.into()]).await?;
    }
    Ok(())
}

/// Removes everything about a user that is not in the user's own row: clients, codes, mails, counters, what names sessions.
/// The sessions and tokens themselves were ended before.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &Tx, user: &User) -> Result<(), DbErr> {
    let (id, address) = (user.id, user.email.key());
    for sql in [
        "DELETE FROM known_clients WHERE user_id = $1",
        "DELETE FROM codes WHERE user_id = $1",
        "DELETE FROM mails WHERE user_id = $1",
        "DELETE FROM idempotency_keys WHERE owner = $1",
        "DELETE FROM refresh_tokens WHERE session_id IN (SELECT id FROM sessions WHERE user_id = $1)",
        "UPDATE sessions SET client = '' WHERE user_id = $1",
    ] {
        run(tx, sql, [id.into()]).await?;
    }
    run(tx, "DELETE FROM mails WHERE email_key = $1", [address.as_str().into()]).await?;
    for counter in [throttle::account(&address), throttle::signed_in(&address)] {
        run(tx, "DELETE FROM failed_attempts WHERE scope = $1", [counter.into()]).await?;
    }
    Ok(())
}

/// Whether the account is closed for good.
///
/// # Errors
/// The database's.
pub async fn is_erased(c: &impl ConnectionTrait, user: UserId) -> Result<bool, DbErr> {
    let query = "SELECT 1 FROM erasures WHERE user_id = $1";
    let query = Statement::from_sql_and_values(c.get_database_backend(), query, [user.into()]);
    Ok(c.query_one_raw(query).await?.is_some())
}

/// Notes that a service is done; answers whether it was the last that was waited for.
///
/// # Errors
/// The database's.
pub async fn note(tx: &Tx, user: UserId, service: &str, at: Timestamp) -> Result<bool, DbErr> {
    let lock = match tx.get_database_backend() {
        sea_orm::DbBackend::Postgres => "FOR UPDATE",
        _ => "",
    };
    // The words of two services at once wait for each other, so that one of them is the last.
    let open = format!("SELECT 1 FROM erasures WHERE user_id = $1 AND completed_at IS NULL {lock}");
    let open = Statement::from_sql_and_values(tx.get_database_backend(), open, [user.into()]);
    if tx.query_one_raw(open).await?.is_none() {
        return Ok(false);
    }
    let update = "UPDATE erasure_parts SET erased_at = $3 WHERE user_id = $1 AND service = $2 AND erased_at IS NULL";
    run(tx, update, [user.into(), service.into(), at.into()]).await?;
    let complete = "UPDATE erasures SET completed_at = $2 WHERE user_id = $1
                    AND NOT EXISTS (SELECT 1 FROM erasure_parts WHERE user_id = $1 AND erased_at IS NULL)";
    Ok(run(tx, complete, [user.into(), at.into()]).await? == 1)
}

/// The erasure with this digest of its id.
///
/// # Errors
/// The database's.
pub async fn find(c: &impl ConnectionTrait, digest: &str) -> Result<Option<Erasure>, DbErr> {
    let query = "SELECT e.user_id, e.requested_at, e.completed_at, p.service, p.erased_at
                 FROM erasures e LEFT JOIN erasure_parts p ON p.user_id = e.user_id
                 WHERE e.digest = $1 ORDER BY p.service";
    let query = Statement::from_sql_and_values(c.get_database_backend(), query, [digest.into()]);
    let rows = c.query_all_raw(query).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let mut erasure = Erasure {
        user: first.try_get_by_index(0)?,
        requested_at: first.try_get_by_index(1)?,
        completed_at: first.try_get_by_index(2)?,
        services: Vec::new(),
    };
    for row in &rows {
        if let Some(service) = row.try_get_by_index::<Option<String>>(3)? {
            erasure.services.push((service, row.try_get_by_index(4)?));
        }
    }
    Ok(Some(erasure))
}

async fn run<const N: usize>(tx: &Tx, sql: &str, values: [sea_orm::Value; N]) -> Result<u64, DbErr> {
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
    Ok(tx.execute_raw(statement).await?.rows_affected())
}
