//! Slack's incoming webhooks: one of a user, one of a project. Their addresses are secrets and sealed.

use contracts::{Timestamp, id::UserId};
use database::Tx;
use sea_orm::{
    IntoActiveModel, QueryOrder, QuerySelect,
    entity::prelude::*,
    sea_query::{Expr, OnConflict},
};

/// A row of `slack_hooks`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "slack_hooks")]
pub struct Model {
    /// The user or project whose it is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub owner: String,
    /// Who gave it.
    pub user_id: UserId,
    /// Where messages are posted, sealed.
    pub url: String,
    /// When it was given.
    pub created_at: Timestamp,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Where the address of an owner's is sealed.
    pub fn place(owner: &str) -> String {
        format!("slack_hooks/{owner}")
    }
}

/// Keeps one in place of the one before.
///
/// # Errors
/// The database's.
pub async fn keep(tx: &Tx, hook: Model) -> Result<(), DbErr> {
    let update = OnConflict::column(Column::Owner)
        .update_columns([Column::UserId, Column::Url, Column::CreatedAt])
        .to_owned();
    Entity::insert(hook.into_active_model())
        .on_conflict(update)
        .exec_without_returning(tx)
        .await
        .map(drop)
}

/// The one of an owner.
///
/// # Errors
/// The database's.
pub async fn find(db: &impl ConnectionTrait, owner: &str) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(owner.to_owned()).one(db).await
}

/// Those whose owner comes after `owner`, in the order of owners.
///
/// # Errors
/// The database's.
pub async fn sealed_after(db: &impl ConnectionTrait, owner: &str, most: u64) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::Owner.gt(owner))
        .order_by_asc(Column::Owner)
        .limit(most)
        .all(db)
        .await
}

/// Keeps the address as it is sealed now, unless another was given since `before` was read.
///
/// # Errors
/// The database's.
pub async fn reseal(tx: &Tx, before: &Model, url: &str) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::Url, Expr::value(url))
        .filter(Column::Owner.eq(before.owner.as_str()))
        .filter(Column::Url.eq(before.url.as_str()))
        .exec(tx)
        .await
        .map(drop)
}

/// Forgets the one of an owner; answers whether there was one.
///
/// # Errors
/// The database's.
pub async fn remove(tx: &Tx, owner: &str) -> Result<bool, DbErr> {
    Ok(Entity::delete_by_id(owner.to_owned()).exec(tx).await?.rows_affected > 0)
}

/// Forgets all that a user gave.
///
/// # Errors
/// The database's.
pub async fn remove_given_by(tx: &Tx, user: UserId) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Column::UserId.eq(user))
        .exec(tx)
        .await
        .map(drop)
}
