//! The copy of auth's directory, as far as notifications need it: a name to show, an address, and whether the account is
//! shut.
//!
//! Profile and status are learnt from different events, so each has its own version: a `user.disabled` that overtakes a
//! `user.updated` neither hides the newer name nor is undone by it. A status that arrives before any profile leaves a row
//! with an empty name, which is shown as an unknown one.

use std::collections::HashMap;

use contracts::{auth::UserProfile, id::UserId};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, QuerySelect, Statement, entity::prelude::*};

/// A row of `users`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// Who.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    /// Name to show; empty while it is not known.
    pub display_name: String,
    /// Whether the account is shut.
    pub disabled: bool,
    /// Version of the user that the name is of; 0 while it is not known.
    pub profile_version: i64,
    /// Version of the user that `disabled` is of.
    pub status_version: i64,
    /// Address; empty while it is not known.
    pub email: String,
    /// Whether the owner of the address confirmed it.
    pub email_verified: bool,
    /// Mails in a row that came back from the address.
    pub bounces: i64,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The names of those `users` that have one.
///
/// # Errors
/// The database's.
pub async fn names(
    db: &impl ConnectionTrait,
    users: impl IntoIterator<Item = UserId>,
) -> Result<HashMap<UserId, String>, DbErr> {
    let users: std::collections::BTreeSet<UserId> = users.into_iter().collect();
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let query = Entity::find().select_only().columns([Column::Id, Column::DisplayName]);
    let rows = query
        .filter(Column::Id.is_in(users))
        .filter(Column::DisplayName.ne(""))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}

/// Whether the account of `user` is shut, as far as is known.
///
/// # Errors
/// The database's.
pub async fn is_shut(db: &impl ConnectionTrait, user: UserId) -> Result<bool, DbErr> {
    let disabled = Entity::find_by_id(user).select_only().column(Column::Disabled);
    Ok(disabled.into_tuple().one(db).await?.unwrap_or(false))
}

/// Learns name, address and status, unless something newer is known. Another address begins without bounces.
///
/// # Errors
/// The database's.
pub async fn learn_profile(tx: &Tx, user: &UserProfile) -> Result<(), DbErr> {
    let upsert = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO users (id, display_name, disabled, profile_version, status_version, email, email_verified)
         VALUES ($1, $2, FALSE, $3, 0, $4, $5)
         ON CONFLICT (id) DO UPDATE SET display_name = excluded.display_name, profile_version = excluded.profile_version,
            email_verified = excluded.email_verified, email = excluded.email,
            bounces = CASE WHEN excluded.email = users.email THEN users.bounces ELSE 0 END
         WHERE excluded.profile_version > users.profile_version",
        [
            user.user_id.into(),
            user.display_name.clone().into(),
            user.version.into(),
            user.email.clone().into(),
            user.email_verified.into(),
        ],
    );
    tx.execute_raw(upsert).await?;
    learn_status(tx, user.user_id, user.disabled, user.version).await
}

/// Learns whether an account is shut, unless something newer is known.
///
/// # Errors
/// The database's.
pub async fn learn_status(tx: &Tx, user: UserId, disabled: bool, version: i64) -> Result<(), DbErr> {
    let upsert = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO users (id, display_name, disabled, profile_version, status_version) VALUES ($1, '', $2, 0, $3)
         ON CONFLICT (id) DO UPDATE SET disabled = excluded.disabled, status_version = excluded.status_version
         WHERE excluded.status_version > users.status_version",
        [user.into(), disabled.into(), version.into()],
    );
    tx.execute_raw(upsert).await?;
    Ok(())
}

/// Notes that a mail came back from `address`; answers how many in a row did. `None` when it is not the user's any more.
///
/// # Errors
/// The database's.
pub async fn bounced(tx: &Tx, user: UserId, address: &str) -> Result<Option<i64>, DbErr> {
    let sql = "UPDATE users SET bounces = bounces + 1 WHERE id = $1 AND email = $2 RETURNING bounces";
    let update = Statement::from_sql_and_values(tx.get_database_backend(), sql, [user.into(), address.into()]);
    let row = tx.query_one_raw(update).await?;
    row.map(|row| row.try_get("", "bounces")).transpose()
}

/// Notes that a mail was taken for `address`.
///
/// # Errors
/// The database's.
pub async fn reached(tx: &Tx, user: UserId, address: &str) -> Result<(), DbErr> {
    let sql = "UPDATE users SET bounces = 0 WHERE id = $1 AND email = $2";
    let update = Statement::from_sql_and_values(tx.get_database_backend(), sql, [user.into(), address.into()]);
    tx.execute_raw(update).await.map(drop)
}

/// Forgets everything about a user but the id and that the account is shut: what else comes late is told by the version.
///
/// # Errors
/// The database's.
pub async fn erase(tx: &Tx, user: UserId, version: i64) -> Result<(), DbErr> {
    let sql = "INSERT INTO users (id, display_name, disabled, profile_version, status_version) VALUES ($1, '', TRUE, $2, $2)
               ON CONFLICT (id) DO UPDATE SET display_name = '', email = '', email_verified = FALSE, bounces = 0, disabled = TRUE,
               profile_version = excluded.profile_version, status_version = excluded.status_version";
    let upsert = Statement::from_sql_and_values(tx.get_database_backend(), sql, [user.into(), version.into()]);
    tx.execute_raw(upsert).await.map(drop)
}
