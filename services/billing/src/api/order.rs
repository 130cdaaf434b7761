//! Orders over HTTP: what became of them. They are placed at the gateway, which answers for them until they arrive here.

use std::sync::Arc;

use chassis::{
    Problem,
    http::{
        json::Json,
        page::{self, Page},
    },
};
use contracts::id::OrderId;
use identity::Bearer;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    types::Example,
};
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::{
    domain::order::OrderError,
    state::State,
    store::{
        self,
        order::{Model, StepMade},
    },
};

/// A step that an order made.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct OrderStep {
    /// `accepted`, `priced`, `invoiced`, `charging`, `action_required`, `completed` or `failed`.
    pub step: String,
    /// More about it: the price, the invoice's number, the reason; may be empty.
    pub detail: String,
    /// When.
    pub at: String,
}

/// How an order's payment stands.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct OrderPayment {
    /// Who charges: `stripe`, `manual` or `sandbox`.
    pub provider: String,
    /// `pending`, `charging`, `waiting`, `succeeded`, `failed` or `cancelled`.
    pub state: String,
    /// What is known about the last try; null for nothing.
    pub reason: Option<String>,
    /// While the payer has to confirm: what their page needs for that. With Stripe, the client secret.
    pub action: Option<String>,
}

/// An order.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Order {
    /// Its id.
    pub id: String,
    /// The plan's name.
    pub plan: String,
    /// How many seats.
    pub seats: i64,
    /// `month` or `year`.
    pub interval: String,
    /// As it was asked for; null for the usual one.
    pub currency: Option<String>,
    /// `accepted`, `charging`, `completed` or `failed`.
    pub status: String,
    /// Why it failed: `plan_unknown`, `plan_withdrawn`, `currency_unknown`, `amount_too_large`, `order_invalid`,
    /// `invoice_unpaid`, `payment_declined`, `superseded` or `account_closed`. Be ready for further ones.
    pub reason: Option<String>,
    /// What to do then, in a sentence.
    pub detail: Option<String>,
    /// The steps it made, in order.
    pub steps: Vec<OrderStep>,
    /// Its invoice; null when nothing was due.
    pub invoice_id: Option<String>,
    /// How its payment stands; null when nothing was due.
    pub payment: Option<OrderPayment>,
    /// When it was accepted.
    pub requested_at: String,
    /// When it changed last.
    pub updated_at: String,
}

impl Example for Order {
    fn example() -> Self {
        let step = |step: &str, detail: &str| OrderStep {
            step: step.to_owned(),
            detail: detail.to_owned(),
            at: "2026-11-13T09:30:00Z".to_owned(),
        };
        Self {
            id: "ord_01k9xr2c4te6f8v0a2b4c6d8eg".to_owned(),
            plan: "team".to_owned(),
            seats: 3,
            interval: "month".to_owned(),
            currency: None,
            status: "completed".to_owned(),
            reason: None,
            detail: None,
            steps: vec![
                step("accepted", ""),
                step("priced", "32.13 EUR"),
                step("invoiced", "CTH-2026-000042"),
                step("charging", "32.13 EUR"),
                step("completed", ""),
            ],
            invoice_id: Some("ivc_01k9xr2d1ke7h9v3x5z7b9d1fh".to_owned()),
            payment: Some(OrderPayment {
                provider: "sandbox".to_owned(),
                state: "succeeded".to_owned(),
                reason: None,
                action: None,
            }),
            requested_at: "2026-11-13T09:29:59Z".to_owned(),
            updated_at: "2026-11-13T09:30:00Z".to_owned(),
        }
    }
}

impl From<StepMade> for OrderStep {
    fn from(step: StepMade) -> Self {
        Self {
            step: step.step,
            detail: step.detail,
            at: step.at.to_string(),
        }
    }
}

impl From<store::payment::Model> for OrderPayment {
    fn from(payment: store::payment::Model) -> Self {
        Self {
            provider: payment.provider,
            state: payment.state,
            reason: payment.reason,
            action: payment.action,
        }
    }
}

impl Order {
    /// As it is answered.
    pub(super) fn new(order: Model, steps: Vec<StepMade>, payment: Option<store::payment::Model>) -> Self {
        Self {
            id: order.id.to_string(),
            plan: order.plan,
            seats: order.seats,
            interval: order.billing_interval,
            currency: order.currency,
            status: order.state,
            reason: order.reason,
            detail: order.detail,
            steps: steps.into_iter().map(OrderStep::from).collect(),
            invoice_id: order.invoice_id.map(|id| id.to_string()),
            payment: payment.map(OrderPayment::from),
            requested_at: order.requested_at.to_string(),
            updated_at: order.updated_at.to_string(),
        }
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::NotFound => Problem::not_found("order-not-found", error.to_string()),
            OrderError::Store(_) => Problem::internal(error),
        }
    }
}

/// Operations on orders.
pub struct OrderApi {
    /// What they need.
    pub state: Arc<State>,
}

#[OpenApi]
impl OrderApi {
    /// List the caller's orders, newest first.
    #[oai(path = "/v1/orders", method = "get", operation_id = "listOrders", tag = "Tag::Plans")]
    async fn list_orders(
        &self,
        Bearer(caller): Bearer,
        /// Items of the page at most, 1 to 200; 50 by default.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<Order>>, Problem> {
        let (limit, list) = (page::limit(limit.0)?, format!("orders {}", caller.user));
        let before = page::position(&list, cursor.0.as_deref())?;
        let orders = all(&self.state, caller.user, before, limit + 1).await?;
        let position = |order: &Order| order.id.clone();
        Ok(Json(page::page(orders, limit, &list, position, |order| order)))
    }

    /// Show an order of the caller's with the steps it made.
    #[oai(
        path = "/v1/orders/:id",
        method = "get",
        operation_id = "getOrder",
        tag = "Tag::Plans"
    )]
    async fn get_order(&self, Bearer(caller): Bearer, id: Path<String>) -> Result<Json<Order>, Problem> {
        let id: OrderId = id.0.parse().map_err(|_| OrderError::NotFound)?;
        let db = self.state.db.read();
        let found = store::order::find(db, id).await.map_err(OrderError::from)?;
        let order = found
            .filter(|order| order.user_id == caller.user)
            .ok_or(OrderError::NotFound)?;
        let mut orders = detailed(&self.state, vec![order]).await?;
        Ok(Json(orders.pop().ok_or(OrderError::NotFound)?))
    }
}

/// The orders of `user` with all that belongs to them.
pub(super) async fn all(
    state: &State,
    user: contracts::id::UserId,
    before: Option<OrderId>,
    limit: u64,
) -> Result<Vec<Order>, OrderError> {
    let mut orders = store::order::list(state.db.read(), user, before, limit).await?;
    let mut answer = Vec::with_capacity(orders.len());
    // In pieces: a statement takes some thousands of values only.
    while !orders.is_empty() {
        let rest = orders.split_off(orders.len().min(500));
        answer.extend(detailed(state, std::mem::replace(&mut orders, rest)).await?);
    }
    Ok(answer)
}

async fn detailed(state: &State, orders: Vec<Model>) -> Result<Vec<Order>, OrderError> {
    let db = state.db.read();
    let mut steps = store::order::steps(db, orders.iter().map(|order| order.id)).await?;
    let mut payments = store::payment::of_orders(db, orders.iter().map(|order| order.id)).await?;
    let with = |order: Model| {
        let (steps, payment) = (steps.remove(&order.id).unwrap_or_default(), payments.remove(&order.id));
        Order::new(order, steps, payment)
    };
    Ok(orders.into_iter().map(with).collect())
}
