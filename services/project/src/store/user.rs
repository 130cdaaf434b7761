//! The copy of auth's directory: names and addresses of all accounts, learnt from events.
//!
//! Profile and status are learnt from different events, so each has its own version: a `user.disabled` that overtakes a
//! `user.updated` neither hides the newer name nor is undone by it. A status that arrives before any profile leaves a row
//! without names, which no address or handle matches.

use contracts::{auth::UserProfile, id::UserId};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryOrder, Statement, entity::prelude::*};

use crate::domain::invitation::key;

/// A row of `users`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// Who.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    /// Address in the spelling of its owner.
    pub email: String,
    /// Address for comparing.
    pub email_key: String,
    /// Short unique name for mentions, without `@`.
    pub handle: String,
    /// Handle for comparing.
    pub handle_key: String,
    /// Name to show.
    pub display_name: String,
    /// Whether the account is shut.
    pub disabled: bool,
    /// Version of the user that names and address are of; 0 when they are not known yet.
    pub profile_version: i64,
    /// Version of the user that `disabled` is of.
    pub status_version: i64,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Makes inviting an address and learning that it has an account wait for each other until the transaction ends. Else both
/// could miss what the other is about to commit, and the invitation would wait for ever. On SQLite writers wait anyway.
///
/// Take it before any lock on a project.
///
/// # Errors
/// The database's.
pub async fn lock_address(tx: &database::Tx, address_key: &str) -> Result<(), DbErr> {
    if tx.get_database_backend() == DbBackend::Postgres {
        let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        tx.execute_raw(Statement::from_sql_and_values(
            DbBackend::Postgres,
            sql,
            [address_key.into()],
        ))
        .await?;
    }
    Ok(())
}

/// The account of an address; of several the newest that is not shut.
///
/// # Errors
/// The database's.
pub async fn by_address(tx: &impl ConnectionTrait, address_key: &str) -> Result<Option<Model>, DbErr> {
    Entity::find()
        .filter(Column::EmailKey.eq(address_key))
        .order_by_asc(Column::Disabled)
        .order_by_desc(Column::Id)
        .one(tx)
        .await
}

/// What is known of a user.
///
/// # Errors
/// The database's.
pub async fn find(tx: &impl ConnectionTrait, user: UserId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(user).one(tx).await
}

/// Learns names, address and status; answers whether names and address were news.
///
/// # Errors
/// The database's.
pub async fn learn_profile(tx: &database::Tx, user: &UserProfile) -> Result<bool, DbErr> {
    let upsert = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO users (id, email, email_key, handle, handle_key, display_name, disabled, profile_version, status_version)
         VALUES ($1, $2, $3, $4, $5, $6, FALSE, $7, 0)
         ON CONFLICT (id) DO UPDATE SET email = excluded.email, email_key = excluded.email_key, handle = excluded.handle,
            handle_key = excluded.handle_key, display_name = excluded.display_name, profile_version = excluded.profile_version
         WHERE excluded.profile_version > users.profile_version",
        [
            user.user_id.into(),
            user.email.clone().into(),
            key(&user.email).into(),
            user.handle.clone().into(),
            user.handle.to_lowercase().into(),
            user.display_name.clone().into(),
            user.version.into(),
        ],
    );
    let news = tx.execute_raw(upsert).await?.rows_affected() == 1;
    learn_status(tx, user.user_id, user.disabled, user.version).await?;
    Ok(news)
}

/// Learns whether an account is shut, unless something newer is known.
///
/// # Errors
/// The database's.
pub async fn learn_status(tx: &database::Tx, user: UserId, disabled: bool, version: i64) -> Result<(), DbErr> {
    let upsert = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO users (id, email, email_key, handle, handle_key, display_name, disabled, profile_version, status_version)
         VALUES ($1, '', '', '', '', '', $2, 0, $3)
         ON CONFLICT (id) DO UPDATE SET disabled = excluded.disabled, status_version = excluded.status_version
         WHERE excluded.status_version > users.status_version",
        [user.into(), disabled.into(), version.into()],
    );
    tx.execute_raw(upsert).await?;
    Ok(())
}
