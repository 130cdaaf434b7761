//! Forgetting a person: every table that names one, in one transaction.
//!
//! What stays is the id with the note that the account is shut, so that an event that comes late brings nothing back.

use contracts::id::UserId;
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::{delivery, notification, slack, user, webhook};

/// Tables whose rows are a user's own.
const OWN: [&str; 8] = [
    "preferences",
    "preference_versions",
    "project_preferences",
    "schedules",
    "digest_entries",
    "first_sessions",
    "memberships",
    "tombstones",
];

/// Forgets `user`, who is deleted as of `version`.
///
/// # Errors
/// The database's.
pub async fn erase(tx: &Tx, user: UserId, version: i64) -> Result<(), DbErr> {
    notification::erase(tx, user).await?;
    webhook::remove_all(tx, user).await?;
    slack::remove_given_by(tx, user).await?;
    delivery::remove_of_user(tx, user).await?;
    for table in OWN {
        own(tx, &format!("DELETE FROM {table} WHERE user_id = $1"), user).await?;
    }
    // Answers that are remembered for repeated requests.
    own(tx, "DELETE FROM idempotency_keys WHERE owner = $1", user).await?;
    user::erase(tx, user, version).await
}

async fn own(tx: &Tx, sql: &str, user: UserId) -> Result<(), DbErr> {
    tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        sql,
        [user.into()],
    ))
    .await
    .map(drop)
}
