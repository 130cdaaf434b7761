//! Who of those addressed is told of something, and where, in one query.

use std::collections::{HashMap, HashSet};

use contracts::id::UserId;
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

use super::{placeholders, tombstone::EVERYBODY};
use crate::domain::{notification::News, preference::Preference};

/// Addressees that one query takes at most.
pub const MOST: usize = 500;

/// Who is told, and by whom.
#[derive(Debug)]
pub struct Audience {
    /// Those who may hear of it, in the order of the addressees, with where they want to.
    pub listeners: Vec<(UserId, Preference)>,
    /// The name of who did it, when it is known.
    pub actor_name: Option<String>,
}

impl Audience {
    /// Those who want it in their inbox.
    pub fn in_app(&self) -> Vec<UserId> {
        let wanting = self.listeners.iter().filter(|(_, wants)| wants.in_app);
        wanting.map(|(user, _)| *user).collect()
    }
}

/// Leaves out of the `addressees` (at most [`MOST`]) those whose account is shut, or for whom its subject is gone.
///
/// # Errors
/// The database's.
pub async fn of(tx: &Tx, news: &News, addressees: &[UserId]) -> Result<Audience, DbErr> {
    let users = placeholders(6, addressees.len());
    let sql = format!(
        "SELECT 'actor' AS what, display_name AS value, TRUE AS enabled FROM users WHERE id = $1 AND display_name <> ''
         UNION ALL SELECT 'deaf', id, TRUE FROM users WHERE id IN ({users}) AND disabled
         UNION ALL SELECT channel, user_id, enabled FROM preferences WHERE user_id IN ({users}) AND kind = $2
         UNION ALL SELECT 'project_' || channel, user_id, enabled FROM project_preferences
            WHERE user_id IN ({users}) AND project_id = $3 AND kind = $2
         UNION ALL SELECT 'deaf', user_id, TRUE FROM tombstones
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
    let mut said: HashMap<(String, String), bool> = HashMap::new();
    for row in tx
        .query_all_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?
    {
        let value: String = row.try_get("", "value")?;
        let what: String = row.try_get("", "what")?;
        match what.as_str() {
            "actor" => actor_name = Some(value),
            "deaf" => drop(deaf.insert(value)),
            _ => drop(said.insert((value, what), row.try_get("", "enabled")?)),
        }
    }
    if deaf.contains(EVERYBODY) {
        return Ok(Audience {
            listeners: Vec::new(),
            actor_name,
        });
    }
    let usual = Preference::default(news.kind);
    let hears = |user: &UserId| {
        let name = user.to_string();
        let says = |channel: &str, usual: bool| {
            let said = |what: String| said.get(&(name.clone(), what)).copied();
            said(format!("project_{channel}"))
                .or_else(|| said(channel.to_owned()))
                .unwrap_or(usual)
        };
        let wants = Preference {
            kind: news.kind,
            in_app: says("in_app", usual.in_app),
            email: says("email", usual.email),
            slack: says("slack", usual.slack),
        };
        (!deaf.contains(&name)).then_some((*user, wants))
    };
    Ok(Audience {
        listeners: addressees.iter().filter_map(hears).collect(),
        actor_name,
    })
}
