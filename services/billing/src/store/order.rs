//! Orders and the steps they made.

use std::collections::HashMap;

use contracts::{
    Timestamp,
    gateway::OrderRequested,
    id::{InvoiceId, OrderId, UserId},
};
use database::Tx;
use messaging::Cause;
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DbErr, QueryOrder, QuerySelect, Value, entity::prelude::*, sea_query::OnConflict,
};

use super::{json, parsed, statement};
use crate::domain::{
    order::{Refusal, State, Step},
    quote::{Terms, Wanted},
};

/// A row of `orders`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    /// Which; the gateway named it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// The plan's name.
    pub plan: String,
    /// How many seats.
    pub seats: i64,
    /// `month` or `year`, when it is valid.
    pub billing_interval: String,
    /// As it was asked for.
    pub currency: Option<String>,
    /// `accepted`, `charging`, `completed` or `failed`.
    pub state: String,
    /// What the subscription becomes, as JSON; known once it is priced.
    pub terms: Option<String>,
    /// Its invoice.
    pub invoice_id: Option<InvoiceId>,
    /// Why it failed.
    pub reason: Option<String>,
    /// What to do then.
    pub detail: Option<String>,
    /// When the gateway accepted it.
    pub requested_at: Timestamp,
    /// When it arrived here.
    pub received_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// Why it is here: what it leads to continues that.
    pub cause: Option<Cause>,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// What is ordered.
    pub fn wanted(&self) -> Wanted {
        Wanted {
            plan: self.plan.clone(),
            // What does not fit was refused when it arrived.
            seats: u32::try_from(self.seats).unwrap_or_default(),
            interval: self.billing_interval.clone(),
            currency: self.currency.clone(),
        }
    }

    /// What the subscription becomes.
    ///
    /// # Errors
    /// When this release cannot read it.
    pub fn terms(&self) -> Result<Option<Terms>, DbErr> {
        self.terms.as_deref().map(parsed).transpose()
    }
}

/// A step that an order made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepMade {
    /// Which step.
    pub step: String,
    /// More about it; may be empty.
    pub detail: String,
    /// When.
    pub at: Timestamp,
}

/// Keeps a new order; answers whether it is new.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &Tx, order: &OrderRequested, now: Timestamp) -> Result<bool, DbErr> {
    let row = ActiveModel {
        id: Set(order.order_id),
        user_id: Set(order.user_id),
        plan: Set(order.plan.chars().take(100).collect()),
        seats: Set(i64::from(order.seats)),
        billing_interval: Set(order.interval.chars().take(100).collect()),
        currency: Set(order.currency.as_ref().map(|code| code.chars().take(100).collect())),
        state: Set(State::Accepted.name().to_owned()),
        terms: Set(None),
        invoice_id: Set(None),
        reason: Set(None),
        detail: Set(None),
        requested_at: Set(order.requested_at),
        received_at: Set(now),
        updated_at: Set(now),
        cause: Set(Cause::current()),
    };
    let conflict = OnConflict::column(Column::Id).do_nothing().to_owned();
    let inserted = Entity::insert(row)
        .on_conflict(conflict)
        .exec_without_returning(tx)
        .await?;
    Ok(inserted == 1)
}

/// The oldest order of `user` that nothing was done about yet.
///
/// # Errors
/// The database's.
pub async fn next_accepted(tx: &Tx, user: UserId) -> Result<Option<Model>, DbErr> {
    Entity::find()
        .filter(Column::UserId.eq(user))
        .filter(Column::State.eq(State::Accepted.name()))
        .order_by_asc(Column::ReceivedAt)
        .order_by_asc(Column::Id)
        .one(tx)
        .await
}

/// The order of this id.
///
/// # Errors
/// The database's.
pub async fn find(db: &impl ConnectionTrait, id: OrderId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).one(db).await
}

/// The orders of `user`, newest first, before the one of id `before`.
///
/// # Errors
/// The database's.
pub async fn list(
    db: &impl ConnectionTrait,
    user: UserId,
    before: Option<OrderId>,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let mut query = Entity::find().filter(Column::UserId.eq(user));
    if let Some(before) = before {
        query = query.filter(Column::Id.lt(before));
    }
    query.order_by_desc(Column::Id).limit(limit).all(db).await
}

/// Notes a step.
///
/// # Errors
/// The database's.
pub async fn step(tx: &Tx, order: OrderId, step: Step, detail: &str, now: Timestamp) -> Result<(), DbErr> {
    let sql = "INSERT INTO order_steps (order_id, position, step, detail, at)
               SELECT $1, COUNT(*) + 1, $2, $3, $4 FROM order_steps WHERE order_id = $1";
    let values = [order.into(), step.name().into(), detail.into(), now.into()];
    tx.execute_raw(statement(tx, sql, values)).await?;
    Ok(())
}

/// The steps of orders, in order.
///
/// # Errors
/// The database's.
pub async fn steps(
    db: &impl ConnectionTrait,
    orders: impl IntoIterator<Item = OrderId>,
) -> Result<HashMap<OrderId, Vec<StepMade>>, DbErr> {
    let orders: Vec<Value> = orders.into_iter().map(Value::from).collect();
    if orders.is_empty() {
        return Ok(HashMap::new());
    }
    let places: Vec<String> = (1..=orders.len()).map(|place| format!("${place}")).collect();
    let sql = format!(
        "SELECT order_id, step, detail, at FROM order_steps WHERE order_id IN ({}) ORDER BY order_id, position",
        places.join(", ")
    );
    let mut steps: HashMap<OrderId, Vec<StepMade>> = HashMap::new();
    for row in db.query_all_raw(statement(db, &sql, orders)).await? {
        let step = StepMade {
            step: row.try_get("", "step")?,
            detail: row.try_get("", "detail")?,
            at: row.try_get("", "at")?,
        };
        steps.entry(row.try_get("", "order_id")?).or_default().push(step);
    }
    Ok(steps)
}

/// Notes that the order is being paid.
///
/// # Errors
/// The database's.
pub async fn charging(tx: &Tx, order: OrderId, terms: &Terms, invoice: InvoiceId, now: Timestamp) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(order),
        state: Set(State::Charging.name().to_owned()),
        terms: Set(Some(json(terms)?)),
        invoice_id: Set(Some(invoice)),
        updated_at: Set(now),
        ..Default::default()
    };
    Entity::update(row).exec(tx).await?;
    Ok(())
}

/// Notes that the order is carried out.
///
/// # Errors
/// The database's.
pub async fn complete(tx: &Tx, order: OrderId, invoice: Option<InvoiceId>, now: Timestamp) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(order),
        state: Set(State::Completed.name().to_owned()),
        invoice_id: Set(invoice),
        updated_at: Set(now),
        ..Default::default()
    };
    Entity::update(row).exec(tx).await?;
    Ok(())
}

/// Notes that the order will not be carried out.
///
/// # Errors
/// The database's.
pub async fn fail(tx: &Tx, order: OrderId, refusal: &Refusal, now: Timestamp) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(order),
        state: Set(State::Failed.name().to_owned()),
        reason: Set(Some(refusal.reason.name().to_owned())),
        detail: Set(Some(refusal.detail.clone())),
        updated_at: Set(now),
        ..Default::default()
    };
    Entity::update(row).exec(tx).await?;
    Ok(())
}
