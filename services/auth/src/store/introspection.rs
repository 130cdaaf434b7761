//! What a credential is worth right now: one indexed query each.

use contracts::{
    Timestamp,
    id::{SessionId, TokenId, UserId},
};
use identity::{Role, Scope};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement};

/// The user behind a good credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub user: UserId,
    /// Their role now.
    pub role: Role,
    /// Their plan now.
    pub plan: String,
}

/// A personal access token that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Personal {
    /// Which.
    pub id: TokenId,
    /// Whose.
    pub holder: Holder,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was used last.
    pub last_used_at: Option<Timestamp>,
}

/// The user of a session that has not ended, if the account is open.
///
/// # Errors
/// The database's.
pub async fn session(
    c: &impl ConnectionTrait,
    id: SessionId,
    user: UserId,
    now: Timestamp,
) -> Result<Option<Holder>, DbErr> {
    let query = Statement::from_sql_and_values(
        c.get_database_backend(),
        "SELECT u.id AS user_id, u.role, u.plan FROM sessions s JOIN users u ON u.id = s.user_id
         WHERE s.id = $1 AND u.id = $2 AND s.ended_at IS NULL AND s.expires_at > $3 AND NOT u.disabled",
        [id.into(), user.into(), now.into()],
    );
    c.query_one_raw(query).await?.map(|row| holder(&row)).transpose()
}

/// The token with this digest, if it has not ended and the account is open.
///
/// # Errors
/// The database's.
pub async fn personal(c: &impl ConnectionTrait, digest: &str, now: Timestamp) -> Result<Option<Personal>, DbErr> {
    one_token(c, "t.digest = $1", digest.into(), now).await
}

/// The token with this id, likewise.
///
/// # Errors
/// The database's.
pub async fn personal_by_id(c: &impl ConnectionTrait, id: TokenId, now: Timestamp) -> Result<Option<Personal>, DbErr> {
    one_token(c, "t.id = $1", id.into(), now).await
}

async fn one_token(
    c: &impl ConnectionTrait,
    condition: &str,
    value: sea_orm::Value,
    now: Timestamp,
) -> Result<Option<Personal>, DbErr> {
    let query = Statement::from_sql_and_values(
        c.get_database_backend(),
        format!(
            "SELECT t.id, t.scopes, t.expires_at, t.last_used_at, u.id AS user_id, u.role, u.plan
             FROM tokens t JOIN users u ON u.id = t.user_id
             WHERE {condition} AND t.expires_at > $2 AND NOT u.disabled"
        ),
        [value, now.into()],
    );
    let Some(row) = c.query_one_raw(query).await? else {
        return Ok(None);
    };
    Ok(Some(Personal {
        id: row.try_get("", "id")?,
        holder: holder(&row)?,
        scopes: super::token::scopes(&row.try_get::<String>("", "scopes")?)?,
        expires_at: row.try_get("", "expires_at")?,
        last_used_at: row.try_get("", "last_used_at")?,
    }))
}

fn holder(row: &QueryResult) -> Result<Holder, DbErr> {
    Ok(Holder {
        user: row.try_get("", "user_id")?,
        role: row.try_get::<String>("", "role")?.parse().map_err(DbErr::Type)?,
        plan: row.try_get("", "plan")?,
    })
}
