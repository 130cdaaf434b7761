//! Users.

use contracts::{Timestamp, id::UserId};
use database::Tx;
use identity::Role;
use sea_orm::{ConnectionTrait, DbErr, IntoActiveModel, QueryOrder, QuerySelect, entity::prelude::*};

use crate::domain::{email::Email, handle::Handle, password::PasswordHash, user::User};

/// A row of `users`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// Who.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    /// As its owner spells it.
    pub email: String,
    /// Without case; unique.
    pub email_key: String,
    /// Unique.
    pub handle: String,
    /// Name to show.
    pub display_name: String,
    /// PHC string.
    pub password_hash: String,
    /// Whether the address is theirs.
    pub email_verified: bool,
    /// Global role.
    pub role: String,
    /// Plan.
    pub plan: String,
    /// Version of the subscription that says so.
    pub plan_version: i64,
    /// Whether the account is shut.
    pub disabled: bool,
    /// What a search looks into: address, handle and name in lower case.
    pub search_text: String,
    /// Version.
    pub version: i64,
    /// When they registered.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<&User> for Model {
    fn from(user: &User) -> Self {
        let (email, handle) = (user.email.as_str(), user.handle.as_str());
        Self {
            id: user.id,
            email: email.to_owned(),
            email_key: user.email.key(),
            handle: handle.to_owned(),
            display_name: user.display_name.clone(),
            password_hash: user.password.as_str().to_owned(),
            email_verified: user.email_verified,
            role: user.role.name().to_owned(),
            plan: user.plan.clone(),
            plan_version: user.plan_version,
            disabled: user.disabled,
            search_text: format!("{email} {handle} {}", user.display_name).to_lowercase(),
            version: user.version,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

impl TryFrom<Model> for User {
    type Error = DbErr;

    fn try_from(row: Model) -> Result<Self, DbErr> {
        Ok(Self {
            id: row.id,
            email: Email::stored(row.email),
            handle: Handle::stored(row.handle),
            display_name: row.display_name,
            password: PasswordHash::stored(row.password_hash),
            email_verified: row.email_verified,
            role: row.role.parse::<Role>().map_err(DbErr::Type)?,
            plan: row.plan,
            plan_version: row.plan_version,
            disabled: row.disabled,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Adds a user.
///
/// # Errors
/// A unique violation when address or handle are taken; or another of the database's.
pub async fn insert(tx: &Tx, user: &User) -> Result<(), DbErr> {
    Entity::insert(Model::from(user).into_active_model())
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Stores a user as they are now; the caller holds the row by [`for_change`].
///
/// # Errors
/// A unique violation when the handle is taken; or another of the database's.
pub async fn update(tx: &Tx, user: &User) -> Result<(), DbErr> {
    let row = Model::from(user).into_active_model().reset_all();
    Entity::update(row).exec(tx).await?;
    Ok(())
}

/// A user by id.
///
/// # Errors
/// The database's.
pub async fn find(c: &impl ConnectionTrait, id: UserId) -> Result<Option<User>, DbErr> {
    Entity::find_by_id(id).one(c).await?.map(User::try_from).transpose()
}

/// A user by id, whose changes then wait for this transaction.
///
/// # Errors
/// The database's.
pub async fn for_change(tx: &Tx, id: UserId) -> Result<Option<User>, DbErr> {
    Entity::find_by_id(id)
        .lock_exclusive()
        .one(tx)
        .await?
        .map(User::try_from)
        .transpose()
}

/// A user by address.
///
/// # Errors
/// The database's.
pub async fn by_email(c: &impl ConnectionTrait, email_key: &str) -> Result<Option<User>, DbErr> {
    Entity::find()
        .filter(Column::EmailKey.eq(email_key))
        .one(c)
        .await?
        .map(User::try_from)
        .transpose()
}

/// Whether somebody has the address.
///
/// # Errors
/// The database's.
pub async fn email_taken(c: &impl ConnectionTrait, email_key: &str) -> Result<bool, DbErr> {
    Ok(Entity::find().filter(Column::EmailKey.eq(email_key)).count(c).await? > 0)
}

/// The first of the `candidates` that nobody has.
///
/// # Errors
/// The database's.
pub async fn free_handle(c: &impl ConnectionTrait, candidates: Vec<Handle>) -> Result<Option<Handle>, DbErr> {
    let texts = candidates.iter().map(|handle| handle.as_str().to_owned());
    let taken: Vec<String> = Entity::find()
        .select_only()
        .column(Column::Handle)
        .filter(Column::Handle.is_in(texts))
        .into_tuple()
        .all(c)
        .await?;
    Ok(candidates
        .into_iter()
        .find(|handle| !taken.iter().any(|taken| taken == handle.as_str())))
}

/// Users whose address, handle or name contain `query`, in the order they registered, after the one with id `after`.
///
/// # Errors
/// The database's.
pub async fn search(
    c: &impl ConnectionTrait,
    query: Option<&str>,
    after: Option<UserId>,
    limit: u64,
) -> Result<Vec<User>, DbErr> {
    let mut select = Entity::find().order_by_asc(Column::Id).limit(limit);
    if let Some(query) = query {
        let escaped = query
            .to_lowercase()
            .replace('\\', "\\\\")
            .replace('%', "\\%")
            .replace('_', "\\_");
        select = select
            .filter(Column::SearchText.like(sea_orm::sea_query::LikeExpr::new(format!("%{escaped}%")).escape('\\')));
    }
    if let Some(after) = after {
        select = select.filter(Column::Id.gt(after));
    }
    select.all(c).await?.into_iter().map(User::try_from).collect()
}

/// How many other users could administer if `except` could not. Holds all admins, so that two admins who demote each other
/// at once do not both succeed.
///
/// # Errors
/// The database's.
pub async fn other_admins(tx: &Tx, except: UserId) -> Result<usize, DbErr> {
    let admins = Entity::find()
        .filter(Column::Role.eq(Role::Admin.name()))
        .order_by_asc(Column::Id)
        .lock_exclusive()
        .all(tx)
        .await?;
    Ok(admins
        .iter()
        .filter(|admin| !admin.disabled && admin.id != except)
        .count())
}
