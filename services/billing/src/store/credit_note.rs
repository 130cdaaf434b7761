//! Credit notes, which never change.

use contracts::{
    Timestamp,
    id::{CreditNoteId, InvoiceId, UserId},
};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, QueryOrder, QuerySelect, entity::prelude::*};

/// A row of `credit_notes`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "credit_notes")]
pub struct Model {
    /// Which.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CreditNoteId,
    /// Whose.
    pub user_id: UserId,
    /// Of which invoice.
    pub invoice_id: InvoiceId,
    /// `CTH-CN-2027-000042`
    pub number: String,
    /// Begins the number.
    pub seller_code: String,
    /// The number's year.
    pub year: i64,
    /// The number in its year.
    pub sequence: i64,
    /// ISO 4217.
    pub currency: String,
    /// Without tax; positive.
    pub net_minor: i64,
    /// The tax.
    pub tax_minor: i64,
    /// With tax.
    pub total_minor: i64,
    /// Why.
    pub reason: String,
    /// The admin who issued it; absent when it came of itself.
    pub issued_by: Option<UserId>,
    /// When.
    pub issued_at: Timestamp,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Keeps a new credit note.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &Tx, row: Model) -> Result<(), DbErr> {
    let row: ActiveModel = row.into();
    Entity::insert(row.reset_all()).exec_without_returning(tx).await?;
    Ok(())
}

/// The credit notes of `user`, newest first, before the one of id `before`.
///
/// # Errors
/// The database's.
pub async fn list(
    db: &impl ConnectionTrait,
    user: UserId,
    before: Option<CreditNoteId>,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let mut query = Entity::find().filter(Column::UserId.eq(user));
    if let Some(before) = before {
        query = query.filter(Column::Id.lt(before));
    }
    query.order_by_desc(Column::Id).limit(limit).all(db).await
}
