//! Personal access tokens. None is removed here without its event.

use contracts::{
    Timestamp,
    id::{TokenId, UserId},
};
use database::Tx;
use identity::Scope;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, QueryOrder, QuerySelect, Statement, entity::prelude::*};

use crate::domain::token::{self, Token};

/// A row of `tokens`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tokens")]
pub struct Model {
    /// Which.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TokenId,
    /// Whose.
    pub user_id: UserId,
    /// What its owner calls it.
    pub name: String,
    /// Digest of the secret.
    pub digest: String,
    /// What it may be used for, JSON list.
    pub scopes: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Token {
    type Error = DbErr;

    fn try_from(row: Model) -> Result<Self, DbErr> {
        Ok(Self {
            id: row.id,
            user: row.user_id,
            name: row.name,
            scopes: scopes(&row.scopes)?,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
        })
    }
}

/// Reads the column `scopes`.
///
/// # Errors
/// When it is not what this service wrote.
pub(super) fn scopes(json: &str) -> Result<Vec<Scope>, DbErr> {
    serde_json::from_str(json).map_err(|error| DbErr::Type(format!("scopes of a token: {error}")))
}

/// Adds a token with the digest of its secret.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &Tx, token: &Token, digest: String) -> Result<(), DbErr> {
    let scopes = serde_json::to_string(&token.scopes).map_err(|error| DbErr::Type(error.to_string()))?;
    let row = ActiveModel {
        id: Set(token.id),
        user_id: Set(token.user),
        name: Set(token.name.clone()),
        digest: Set(digest),
        scopes: Set(scopes),
        created_at: Set(token.created_at),
        expires_at: Set(token.expires_at),
        last_used_at: Set(token.last_used_at),
    };
    Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

/// How many a user has.
///
/// # Errors
/// The database's.
pub async fn count(c: &impl ConnectionTrait, user: UserId) -> Result<u64, DbErr> {
    Entity::find().filter(Column::UserId.eq(user)).count(c).await
}

/// Tokens of a user, the newest first, before the one with id `before`.
///
/// # Errors
/// The database's.
pub async fn of_user(
    c: &impl ConnectionTrait,
    user: UserId,
    before: Option<TokenId>,
    limit: u64,
) -> Result<Vec<Token>, DbErr> {
    let mut select = Entity::find()
        .filter(Column::UserId.eq(user))
        .order_by_desc(Column::Id)
        .limit(limit);
    if let Some(before) = before {
        select = select.filter(Column::Id.lt(before));
    }
    select.all(c).await?.into_iter().map(Token::try_from).collect()
}

/// Removes one token of a user, or all, and publishes it; answers how many.
///
/// # Errors
/// The database's.
pub async fn revoke(tx: &Tx, user: UserId, one: Option<TokenId>) -> Result<usize, DbErr> {
    let mut values: Vec<sea_orm::Value> = vec![user.into()];
    values.extend(one.map(sea_orm::Value::from));
    let condition = if one.is_some() { "AND id = $2" } else { "" };
    let delete = Statement::from_sql_and_values(
        tx.get_database_backend(),
        format!("DELETE FROM tokens WHERE user_id = $1 {condition} RETURNING id"),
        values,
    );
    let rows = tx.query_all_raw(delete).await?;
    for row in &rows {
        messaging::append(tx, &token::revoked(row.try_get("", "id")?, user))?;
    }
    Ok(rows.len())
}

/// Removes at most `limit` tokens that ended before `before`, and publishes it; answers how many.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &Tx, limit: u64, before: Timestamp) -> Result<u64, DbErr> {
    let old = Entity::find()
        .filter(Column::ExpiresAt.lt(before))
        .order_by_asc(Column::ExpiresAt)
        .limit(limit)
        .all(tx)
        .await?;
    for token in &old {
        revoke(tx, token.user_id, Some(token.id)).await?;
    }
    Ok(old.len() as u64)
}

/// Notes that a token was used.
///
/// # Errors
/// The database's.
pub async fn used(tx: &Tx, id: TokenId, now: Timestamp) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(id),
        last_used_at: Set(Some(now)),
        ..Default::default()
    };
    // It may have been deleted a moment ago.
    match Entity::update(row).exec(tx).await {
        Ok(_) | Err(DbErr::RecordNotUpdated) => Ok(()),
        Err(error) => Err(error),
    }
}
