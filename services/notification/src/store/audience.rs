//! Who of those addressed is told of something, in one query.

use std::collections::HashSet;

use contracts::id::UserId;
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

use super::{placeholders, tombstone::EVERYBODY};
use crate::domain::notification::News;

/// Addressees that one query takes at most.
pub const MOST: usize = 500;

/// Who is told, and by whom.
#[derive(Debug)]
pub struct Audience {
    /// Those who want to and may hear of it, in the order of the addressees.
    pub listeners: Vec<UserId>,
    /// The name of who did it, when it is known.
    pub actor_name: Option<String>,
}

/// Leaves out of the `addressees` (at most [`MOST`]) those whose account is shut, who turned the kind off, or for whom its
/// subject is gone.
///
/// # Errors
/// The database's.
pub async fn of(tx: &Tx, news: &News, addressees: &[UserId]) -> Result<Audience, DbErr> {
    let users = placeholders(6, addressees.len());
    let sql = format!(
        "SELECT 'actor' AS what, display_name AS value FROM users WHERE id = $1 AND display_name <> ''
         UNION ALL SELECT 'deaf', id FROM users WHERE id IN ({users}) AND disabled
         UNION ALL SELECT 'deaf', user_id FROM preferences
            WHERE user_id IN ({users}) AND kind = $2 AND channel = 'in_app' AND NOT enabled
         UNION ALL SELECT 'deaf', user_id FROM tombstones
            WHERE target IN ($3, $4) AND (user_id = '{EVERYBODY}' OR (user_id IN ({users}) AND gone_at >= $5))"
    );
    let mut values: Vec<Value> = vec![
        news.actor.into(),
        news.kind.name().into(),
        news.project.into(),
        news.task.into(),
        news.happened_at.into(),
    ];
    values.extend(addressees.iter().map(|user| Value::from(*user)));
    let mut actor_name = None;
    let mut deaf = HashSet::new();
    for row in tx
        .query_all_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?
    {
        let value: String = row.try_get("", "value")?;
        match row.try_get::<String>("", "what")?.as_str() {
            "actor" => actor_name = Some(value),
            _ => drop(deaf.insert(value)),
        }
    }
    let hears = |user: &&UserId| !deaf.contains(&user.to_string());
    let listeners = if deaf.contains(EVERYBODY) {
        Vec::new()
    } else {
        addressees.iter().filter(hears).copied().collect()
    };
    Ok(Audience { listeners, actor_name })
}
