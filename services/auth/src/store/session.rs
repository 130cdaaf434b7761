//! Sessions and their refresh tokens. No session ends here without its event.

use contracts::{
    Timestamp,
    id::{SessionId, UserId},
};
use database::Tx;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, QueryOrder, QuerySelect, Statement, entity::prelude::*};

use crate::domain::session::{self, EndReason, Refresh, Session};

/// A row of `sessions`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    /// Which.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// What the client is called.
    pub client: String,
    /// The generation of refresh tokens that is good.
    pub generation: i64,
    /// When it began.
    pub rotated_at: Timestamp,
    /// Answers to retries since.
    pub retries: i64,
    /// When the session began.
    pub started_at: Timestamp,
    /// When it ends unless it is refreshed.
    pub expires_at: Timestamp,
    /// When it ended before that.
    pub ended_at: Option<Timestamp>,
    /// Why.
    pub end_reason: Option<String>,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<Model> for Session {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            user: row.user_id,
            client: row.client,
            generation: row.generation,
            rotated_at: row.rotated_at,
            retries: row.retries,
            started_at: row.started_at,
            expires_at: row.expires_at,
            ended_at: row.ended_at,
        }
    }
}

/// Adds a session.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &Tx, session: &Session) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(session.id),
        user_id: Set(session.user),
        client: Set(session.client.clone()),
        generation: Set(session.generation),
        rotated_at: Set(session.rotated_at),
        retries: Set(session.retries),
        started_at: Set(session.started_at),
        expires_at: Set(session.expires_at),
        ended_at: Set(session.ended_at),
        end_reason: Set(None),
    };
    Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

/// Stores what a refresh changed; the caller holds the row by [`by_refresh`].
///
/// # Errors
/// The database's.
pub async fn update(tx: &Tx, session: &Session) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(session.id),
        generation: Set(session.generation),
        rotated_at: Set(session.rotated_at),
        retries: Set(session.retries),
        expires_at: Set(session.expires_at),
        ..Default::default()
    };
    Entity::update(row).exec(tx).await?;
    Ok(())
}

/// Keeps a refresh token of the session's current generation.
///
/// # Errors
/// The database's.
pub async fn add_refresh(tx: &Tx, session: &Session, digest: &str) -> Result<(), DbErr> {
    let insert = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO refresh_tokens (digest, session_id, generation) VALUES ($1, $2, $3)",
        [digest.into(), session.id.into(), session.generation.into()],
    );
    tx.execute_raw(insert).await?;
    Ok(())
}

/// Marks a refresh token as used.
///
/// # Errors
/// The database's.
pub async fn use_refresh(tx: &Tx, digest: &str, now: Timestamp) -> Result<(), DbErr> {
    let update = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "UPDATE refresh_tokens SET used_at = $2 WHERE digest = $1 AND used_at IS NULL",
        [digest.into(), now.into()],
    );
    tx.execute_raw(update).await?;
    Ok(())
}

/// The refresh token with this digest and its session, whose other refreshes then wait for this transaction.
///
/// # Errors
/// The database's.
pub async fn by_refresh(tx: &Tx, digest: &str) -> Result<Option<(Session, Refresh)>, DbErr> {
    let token = |sql: &str| Statement::from_sql_and_values(tx.get_database_backend(), sql, [digest.into()]);
    let sql = "SELECT session_id, generation, used_at FROM refresh_tokens WHERE digest = $1";
    let Some(row) = tx.query_one_raw(token(sql)).await? else {
        return Ok(None);
    };
    let id: SessionId = row.try_get("", "session_id")?;
    let Some(session) = Entity::find_by_id(id).lock_exclusive().one(tx).await? else {
        return Ok(None);
    };
    // Again, now that nobody else can use it at the same time.
    let Some(row) = tx.query_one_raw(token(sql)).await? else {
        return Ok(None);
    };
    let refresh = Refresh {
        generation: row.try_get("", "generation")?,
        used_at: row.try_get("", "used_at")?,
    };
    Ok(Some((session.into(), refresh)))
}

/// Sessions of a user that have not ended, the newest first, before the one with id `before`.
///
/// # Errors
/// The database's.
pub async fn of_user(
    c: &impl ConnectionTrait,
    user: UserId,
    before: Option<SessionId>,
    limit: u64,
    now: Timestamp,
) -> Result<Vec<Session>, DbErr> {
    let mut select = Entity::find()
        .filter(Column::UserId.eq(user))
        .filter(Column::EndedAt.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .order_by_desc(Column::Id)
        .limit(limit);
    if let Some(before) = before {
        select = select.filter(Column::Id.lt(before));
    }
    Ok(select.all(c).await?.into_iter().map(Session::from).collect())
}

/// Which sessions to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(SessionId),
    /// All of the user.
    All,
    /// All of the user but this one.
    AllBut(SessionId),
}

/// Ends sessions of a user that have not ended, and publishes it; answers how many.
///
/// # Errors
/// The database's.
pub async fn end(tx: &Tx, user: UserId, which: Which, reason: EndReason, now: Timestamp) -> Result<usize, DbErr> {
    let (condition, id) = match which {
        Which::One(id) => ("AND id = $4", Some(id)),
        Which::AllBut(id) => ("AND id <> $4", Some(id)),
        Which::All => ("", None),
    };
    let mut values: Vec<sea_orm::Value> = vec![user.into(), now.into(), reason.name().into()];
    values.extend(id.map(sea_orm::Value::from));
    let update = Statement::from_sql_and_values(
        tx.get_database_backend(),
        format!(
            "UPDATE sessions SET ended_at = $2, end_reason = $3
             WHERE user_id = $1 AND ended_at IS NULL {condition} RETURNING id"
        ),
        values,
    );
    let rows = tx.query_all_raw(update).await?;
    for row in &rows {
        messaging::append(tx, &session::ended(row.try_get("", "id")?, user, reason))?;
    }
    Ok(rows.len())
}

/// Ends at most `limit` sessions that were not refreshed in time, and publishes it; answers how many.
///
/// # Errors
/// The database's.
pub async fn end_expired(tx: &Tx, limit: u64, now: Timestamp) -> Result<u64, DbErr> {
    let expired = Entity::find()
        .filter(Column::EndedAt.is_null())
        .filter(Column::ExpiresAt.lte(now))
        .order_by_asc(Column::ExpiresAt)
        .limit(limit)
        .all(tx)
        .await?;
    for session in &expired {
        end(tx, session.user_id, Which::One(session.id), EndReason::Expired, now).await?;
    }
    Ok(expired.len() as u64)
}

/// Removes at most `limit` sessions that ended before `before`, with their refresh tokens; answers how many.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &Tx, limit: u64, before: Timestamp) -> Result<u64, DbErr> {
    let delete = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE ended_at < $1 ORDER BY ended_at LIMIT $2)",
        [before.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()],
    );
    Ok(tx.execute_raw(delete).await?.rows_affected())
}
