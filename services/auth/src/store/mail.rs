//! Mails: what is to be sent, and how far it got. No text of a mail is kept.

use contracts::{
    Timestamp,
    id::{MailId, UserId},
};
use database::Tx;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbBackend, DbErr, Statement, entity::prelude::*};

use crate::domain::mail::{Delivery, Mail, Purpose};

/// A row of `mails`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mails")]
pub struct Model {
    /// Which.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MailId,
    /// What for.
    pub purpose: String,
    /// To whom; for a reset, known from when it is sent.
    pub user_id: Option<UserId>,
    /// The address it was asked for, without case; empty once it is finished.
    pub email_key: String,
    /// `pending`, `sending`, `sent`, `failed` or `dropped`.
    pub state: String,
    /// Attempts begun.
    pub attempts: i64,
    /// Attempts whose outcome nobody knows.
    pub interrupted: i64,
    /// When to try (again); while sending: when somebody else may take over.
    pub next_attempt_at: Timestamp,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was sent or given up.
    pub finished_at: Option<Timestamp>,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// How a mail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The server took it.
    Sent,
    /// The server refused it for good, or all attempts failed.
    Failed,
    /// There was nobody to send it to, or there were too many.
    Dropped,
}

impl Ending {
    const fn name(self) -> &'static str {
        match self {
            Ending::Sent => "sent",
            Ending::Failed => "failed",
            Ending::Dropped => "dropped",
        }
    }
}

/// Asks for a mail.
///
/// # Errors
/// The database's.
pub async fn request(
    tx: &Tx,
    purpose: Purpose,
    user: Option<UserId>,
    email_key: String,
    now: Timestamp,
) -> Result<MailId, DbErr> {
    let id = MailId::new();
    let row = ActiveModel {
        id: Set(id),
        purpose: Set(purpose.name().to_owned()),
        user_id: Set(user),
        email_key: Set(email_key),
        state: Set("pending".to_owned()),
        attempts: Set(0),
        interrupted: Set(0),
        next_attempt_at: Set(now),
        last_error: Set(None),
        created_at: Set(now),
        finished_at: Set(None),
    };
    Entity::insert(row).exec_without_returning(tx).await?;
    Ok(id)
}

/// Takes the mail that has been due the longest, for as long as the lease lasts.
///
/// # Errors
/// The database's.
pub async fn claim(tx: &Tx, delivery: &Delivery, now: Timestamp) -> Result<Option<Mail>, DbErr> {
    let backend = tx.get_database_backend();
    let skip = if backend == DbBackend::Postgres {
        "FOR UPDATE SKIP LOCKED"
    } else {
        ""
    };
    let claim = Statement::from_sql_and_values(
        backend,
        format!(
            "UPDATE mails SET attempts = attempts + 1, next_attempt_at = $2,
                interrupted = interrupted + CASE WHEN state = 'sending' THEN 1 ELSE 0 END, state = 'sending'
             WHERE id = (SELECT id FROM mails WHERE state IN ('pending', 'sending') AND next_attempt_at <= $1
                         ORDER BY next_attempt_at LIMIT 1 {skip})
             RETURNING id, purpose, user_id, email_key, attempts, interrupted"
        ),
        [now.into(), (now + delivery.lease).into()],
    );
    let Some(row) = tx.query_one_raw(claim).await? else {
        return Ok(None);
    };
    Ok(Some(Mail {
        id: row.try_get("", "id")?,
        purpose: row.try_get::<String>("", "purpose")?.parse().map_err(DbErr::Type)?,
        user: row.try_get("", "user_id")?,
        email_key: row.try_get("", "email_key")?,
        attempts: row.try_get("", "attempts")?,
        interrupted: row.try_get("", "interrupted")?,
    }))
}

/// Notes to whom a mail goes.
///
/// # Errors
/// The database's.
pub async fn address(tx: &Tx, id: MailId, user: UserId) -> Result<(), DbErr> {
    Entity::update(ActiveModel {
        id: Set(id),
        user_id: Set(Some(user)),
        ..Default::default()
    })
    .exec(tx)
    .await?;
    Ok(())
}

/// How many mails for a purpose were sent to a user, or are to be, since then, without this one.
///
/// # Errors
/// The database's.
pub async fn recent(tx: &Tx, mail: &Mail, user: UserId, since: Timestamp) -> Result<u64, DbErr> {
    Entity::find()
        .filter(Column::UserId.eq(user))
        .filter(Column::Purpose.eq(mail.purpose.name()))
        .filter(Column::CreatedAt.gt(since))
        .filter(Column::State.is_in(["sent", "sending"]))
        .filter(Column::Id.ne(mail.id))
        .count(tx)
        .await
}

/// Notes that it is over with a mail; the address goes.
///
/// # Errors
/// The database's.
pub async fn finish(tx: &Tx, id: MailId, ending: Ending, error: Option<String>, now: Timestamp) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(id),
        state: Set(ending.name().to_owned()),
        email_key: Set(String::new()),
        last_error: Set(error),
        finished_at: Set(Some(now)),
        ..Default::default()
    };
    Entity::update(row).exec(tx).await?;
    Ok(())
}

/// Notes that an attempt failed and when the next one is.
///
/// # Errors
/// The database's.
pub async fn retry(tx: &Tx, id: MailId, error: String, at: Timestamp) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(id),
        state: Set("pending".to_owned()),
        last_error: Set(Some(error)),
        next_attempt_at: Set(at),
        ..Default::default()
    };
    Entity::update(row).exec(tx).await?;
    Ok(())
}

/// Removes at most `limit` finished mails that were asked for before `before`; answers how many.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &Tx, limit: u64, before: Timestamp) -> Result<u64, DbErr> {
    let delete = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "DELETE FROM mails WHERE id IN
            (SELECT id FROM mails WHERE created_at < $1 AND finished_at IS NOT NULL ORDER BY created_at LIMIT $2)",
        [before.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()],
    );
    Ok(tx.execute_raw(delete).await?.rows_affected())
}
