//! Signing keys, sealed.

use contracts::{Timestamp, id::KeyId};
use database::Tx;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, IntoActiveModel, QueryOrder, entity::prelude::*, sea_query::Expr};

const LOCK: i64 = 0x6175_7468_206b_6579;

/// A row of `signing_keys`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_keys")]
pub struct Model {
    /// The `kid`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: KeyId,
    /// Public half, base64url.
    pub public: String,
    /// Private half, sealed.
    pub sealed: String,
    /// From when on it signs.
    pub active_from: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// All keys, the oldest first.
///
/// # Errors
/// The database's.
pub async fn all(c: &impl ConnectionTrait) -> Result<Vec<Model>, DbErr> {
    Entity::find().order_by_asc(Column::ActiveFrom).all(c).await
}

/// Makes replicas that make keys take turns until this transaction ends.
///
/// # Errors
/// The database's.
pub async fn take_turns(tx: &Tx) -> Result<(), DbErr> {
    if tx.get_database_backend() == DbBackend::Postgres {
        tx.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCK})"))
            .await?;
    }
    Ok(())
}

/// Adds a key.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &Tx, key: Model) -> Result<(), DbErr> {
    Entity::insert(key.into_active_model())
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Keeps the private half of a key as it is sealed now.
///
/// # Errors
/// The database's.
pub async fn reseal(tx: &Tx, id: KeyId, sealed: &str) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::Sealed, Expr::value(sealed))
        .filter(Column::Id.eq(id))
        .exec(tx)
        .await
        .map(drop)
}

/// Removes a key.
///
/// # Errors
/// The database's.
pub async fn delete(tx: &Tx, id: KeyId) -> Result<(), DbErr> {
    Entity::delete_by_id(id).exec(tx).await?;
    Ok(())
}
