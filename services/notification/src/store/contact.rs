//! How somebody can be reached outside of the inbox, and when.

use contracts::id::UserId;
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::{placeholders, preference};
use crate::domain::schedule::Schedule;

/// Mails in a row that came back, after which no more are sent to an address.
pub const MOST_BOUNCES: i64 = 3;

/// Where and when somebody can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Who.
    pub user: UserId,
    /// Whether mails may be sent to them: the address is verified and does not send them back.
    pub email: bool,
    /// Whether they have a Slack.
    pub slack: bool,
    /// When.
    pub schedule: Schedule,
}

/// The contacts of those of `users` who have an open account.
///
/// # Errors
/// The database's.
pub async fn of(tx: &Tx, users: &[UserId]) -> Result<Vec<Contact>, DbErr> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT u.id AS id, u.email_verified AS verified, u.email AS email, u.bounces AS bounces, h.owner AS slack,
                s.time_zone AS time_zone, s.quiet_from AS quiet_from, s.quiet_to AS quiet_to, s.digest AS digest
         FROM users u LEFT JOIN schedules s ON s.user_id = u.id LEFT JOIN slack_hooks h ON h.owner = u.id
         WHERE u.id IN ({}) AND NOT u.disabled ORDER BY u.id",
        placeholders(1, users.len())
    );
    let values: Vec<_> = users.iter().map(|user| (*user).into()).collect();
    let rows = tx
        .query_all_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?;
    let contact = |row: &sea_orm::QueryResult| {
        let address: String = row.try_get("", "email")?;
        let bounces: i64 = row.try_get("", "bounces")?;
        Ok(Contact {
            user: row.try_get("", "id")?,
            email: row.try_get("", "verified")? && !address.is_empty() && bounces < MOST_BOUNCES,
            slack: row.try_get::<Option<String>>("", "slack")?.is_some(),
            schedule: preference::schedule(row)?,
        })
    };
    rows.iter().map(contact).collect()
}
