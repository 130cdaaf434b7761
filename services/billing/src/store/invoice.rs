//! Invoices, which never change, and beside them how they stand.

use contracts::{
    Timestamp,
    id::{InvoiceId, OrderId, UserId},
};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, QueryOrder, QuerySelect, entity::prelude::*};

use super::{parsed, statement, unreadable};
use crate::domain::{
    invoice::{Creditable, Line, Seller, Tax},
    money::Currency,
    profile::Profile,
};

/// A row of `invoices`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invoices")]
pub struct Model {
    /// Which.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InvoiceId,
    /// Whose.
    pub user_id: UserId,
    /// `CTH-2027-000042`
    pub number: String,
    /// Begins the number.
    pub seller_code: String,
    /// The number's year.
    pub year: i64,
    /// The number in its year.
    pub sequence: i64,
    /// `order` or `renewal`.
    pub purpose: String,
    /// Because of which order.
    pub order_id: Option<OrderId>,
    /// ISO 4217.
    pub currency: String,
    /// Without tax.
    pub net_minor: i64,
    /// The tax.
    pub tax_minor: i64,
    /// With tax.
    pub total_minor: i64,
    /// What of it was paid from the account's credit.
    pub credit_minor: i64,
    /// What is left to pay.
    pub due_minor: i64,
    /// Which tax, as JSON.
    pub tax: String,
    /// The lines, as JSON.
    pub lines: String,
    /// Who issued it, as JSON.
    pub seller: String,
    /// To whom, as JSON.
    pub buyer: String,
    /// When.
    pub issued_at: Timestamp,
    /// When it is to be paid.
    pub due_at: Timestamp,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The lines.
    ///
    /// # Errors
    /// When this release cannot read them.
    pub fn read_lines(&self) -> Result<Vec<Line>, DbErr> {
        parsed(&self.lines)
    }

    /// Which tax.
    ///
    /// # Errors
    /// When this release cannot read it.
    pub fn read_tax(&self) -> Result<Tax, DbErr> {
        parsed(&self.tax)
    }

    /// Who issued it.
    ///
    /// # Errors
    /// When this release cannot read it.
    pub fn read_seller(&self) -> Result<Seller, DbErr> {
        parsed(&self.seller)
    }

    /// To whom.
    ///
    /// # Errors
    /// When this release cannot read it.
    pub fn read_buyer(&self) -> Result<Profile, DbErr> {
        parsed(&self.buyer)
    }

    /// In what.
    ///
    /// # Errors
    /// When this release cannot read it.
    pub fn read_currency(&self) -> Result<Currency, DbErr> {
        self.currency.parse().map_err(unreadable)
    }
}

/// How an invoice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is to be paid.
    Open,
    /// It is paid.
    Paid,
    /// It was taken back before it was paid.
    Cancelled,
    /// It was never paid.
    Uncollectible,
}

impl State {
    /// The name in answers and the database.
    pub const fn name(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Paid => "paid",
            State::Cancelled => "cancelled",
            State::Uncollectible => "uncollectible",
        }
    }
}

impl std::str::FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [State::Open, State::Paid, State::Cancelled, State::Uncollectible]
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or_else(|| format!("unknown state of an invoice: {text}"))
    }
}

/// How an invoice stands, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How.
    pub state: State,
    /// What was taken back of it, in minor units.
    pub credited: i64,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
}

/// Keeps a new invoice.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &Tx, row: Model) -> Result<(), DbErr> {
    let (id, at) = (row.id, row.issued_at);
    let row: ActiveModel = row.into();
    Entity::insert(row.reset_all()).exec_without_returning(tx).await?;
    let sql = "INSERT INTO invoice_states (invoice_id, state, credited_minor, updated_at) VALUES ($1, 'open', 0, $2)";
    tx.execute_raw(statement(tx, sql, [id.into(), at.into()])).await?;
    Ok(())
}

/// Changes how an invoice stands.
///
/// # Errors
/// The database's.
pub async fn set_state(tx: &Tx, id: InvoiceId, state: State, now: Timestamp) -> Result<(), DbErr> {
    let sql = "UPDATE invoice_states SET state = $2, updated_at = $3,
                  paid_at = CASE WHEN $2 = 'paid' THEN $3 ELSE paid_at END WHERE invoice_id = $1";
    tx.execute_raw(statement(tx, sql, [id.into(), state.name().into(), now.into()]))
        .await?;
    Ok(())
}

/// Adds to what was taken back of an invoice.
///
/// # Errors
/// The database's.
pub async fn add_credited(tx: &Tx, id: InvoiceId, amount: i64, now: Timestamp) -> Result<(), DbErr> {
    let sql = "UPDATE invoice_states SET credited_minor = credited_minor + $2, updated_at = $3 WHERE invoice_id = $1";
    tx.execute_raw(statement(tx, sql, [id.into(), amount.into(), now.into()]))
        .await?;
    Ok(())
}

/// The invoice of this id.
///
/// # Errors
/// The database's.
pub async fn find(db: &impl ConnectionTrait, id: InvoiceId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).one(db).await
}

/// The invoice of this number.
///
/// # Errors
/// The database's.
pub async fn numbered(db: &impl ConnectionTrait, number: &str) -> Result<Option<Model>, DbErr> {
    Entity::find().filter(Column::Number.eq(number)).one(db).await
}

/// How an invoice stands.
///
/// # Errors
/// The database's.
pub async fn standing(db: &impl ConnectionTrait, id: InvoiceId) -> Result<Standing, DbErr> {
    let sql = "SELECT state, credited_minor, paid_at FROM invoice_states WHERE invoice_id = $1";
    let row = db.query_one_raw(statement(db, sql, [id.into()])).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound(format!("the state of invoice {id}")))?;
    Ok(Standing {
        state: row.try_get::<String>("", "state")?.parse().map_err(unreadable)?,
        credited: row.try_get("", "credited_minor")?,
        paid_at: row.try_get("", "paid_at")?,
    })
}

/// The invoices of `user`, newest first, before the one of id `before`.
///
/// # Errors
/// The database's.
pub async fn list(
    db: &impl ConnectionTrait,
    user: UserId,
    before: Option<InvoiceId>,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let mut query = Entity::find().filter(Column::UserId.eq(user));
    if let Some(before) = before {
        query = query.filter(Column::Id.lt(before));
    }
    query.order_by_desc(Column::Id).limit(limit).all(db).await
}

/// The paid invoices of `user` in `currency` that are not taken back yet, newest first.
///
/// # Errors
/// The database's.
pub async fn creditable(tx: &Tx, user: UserId, currency: Currency) -> Result<Vec<Creditable>, DbErr> {
    let sql = "SELECT i.id, i.net_minor, i.total_minor, i.total_minor - s.credited_minor AS credit_left
               FROM invoices i JOIN invoice_states s ON s.invoice_id = i.id
               WHERE i.user_id = $1 AND i.currency = $2 AND s.state = 'paid' AND i.total_minor > s.credited_minor
               ORDER BY i.id DESC";
    let values = [user.into(), currency.code().into()];
    let rows = tx.query_all_raw(statement(tx, sql, values)).await?;
    rows.iter()
        .map(|row| {
            Ok(Creditable {
                id: row.try_get("", "id")?,
                net: row.try_get("", "net_minor")?,
                total: row.try_get("", "total_minor")?,
                left: row.try_get("", "credit_left")?,
            })
        })
        .collect()
}
