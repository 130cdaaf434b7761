//! Orders of plans: accepted here, whatever works behind; carried out and kept by billing.
//!
//! An order is stored with its event in one transaction, and that is all that accepting takes: it survives everything that
//! is down. Billing is asked about orders first. When it cannot be reached, or has not heard of an order that was accepted
//! here, the answer is what the gateway knows, with a note that says so.

use std::{collections::HashSet, sync::Arc, time::Duration};

use bytes::Bytes;
use chassis::{
    Clock, FieldError, Problem,
    http::{
        answer::Accepted,
        idempotency::{Key, once},
        json::Json,
        page,
    },
};
use contracts::{
    Timestamp,
    id::{OrderId, UserId},
};
use database::Db;
use identity::Bearer;
use poem::{Body, IntoResponse, Request, Response, http};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path, Query},
    registry::{MetaResponses, Registry},
    types::{Example, Type},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Tag;
use crate::{
    domain::order::{self, OrderDraft, OrderError, State, on_sale},
    edge::{
        inquiry::{self, InquiryError},
        proxy::unanswered,
        upstream::Upstream,
    },
    store,
};

/// What shall be ordered.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub(super) struct PlaceOrder {
    /// The plan's name; `GET /v1/plans` lists them.
    #[oai(validator(max_length = 40, pattern = "^[a-z][a-z0-9_-]*$"))]
    pub plan: String,
    /// How many seats, 1 to 10,000.
    #[oai(validator(minimum(value = "1"), maximum(value = "10000")))]
    pub seats: i64,
    /// `month` or `year`.
    #[oai(validator(pattern = "^(month|year)$"))]
    pub interval: String,
    /// ISO 4217; the catalogue's own when left out.
    #[oai(validator(pattern = "^[A-Z]{3}$"))]
    pub currency: Option<String>,
}

impl Example for PlaceOrder {
    fn example() -> Self {
        Self {
            plan: "team".to_owned(),
            seats: 3,
            interval: "month".to_owned(),
            currency: Some("EUR".to_owned()),
        }
    }
}

/// A step that the gateway knows of.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub(super) struct AcceptedOrderStep {
    /// `accepted`, `completed` or `failed`.
    pub step: String,
    /// More about it; may be empty.
    pub detail: String,
    /// When.
    pub at: String,
}

/// An order as the gateway knows it: in the shape of billing's answer, with what only billing knows left at null.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub(super) struct AcceptedOrder {
    /// Its id.
    pub id: String,
    /// The plan's name.
    pub plan: String,
    /// How many seats.
    pub seats: u32,
    /// `month` or `year`.
    pub interval: String,
    /// As it was asked for; null for the catalogue's own.
    pub currency: Option<String>,
    /// `accepted`, `completed` or `failed`.
    pub status: String,
    /// Why it failed.
    pub reason: Option<String>,
    /// What to do then, in a sentence.
    pub detail: Option<String>,
    /// The steps that the gateway knows of; billing tells those between.
    pub steps: Vec<AcceptedOrderStep>,
    /// Its invoice, which billing knows.
    pub invoice_id: Option<String>,
    /// When it was accepted.
    pub requested_at: String,
    /// When it changed last.
    pub updated_at: String,
    /// Why the gateway answers and not billing.
    pub note: Option<String>,
}

impl Example for AcceptedOrder {
    fn example() -> Self {
        let at = "2026-11-13T09:30:00Z";
        Self {
            id: "ord_01k9xqv4pqe8p9h2zj6w3ndc5r".to_owned(),
            plan: "team".to_owned(),
            seats: 3,
            interval: "month".to_owned(),
            currency: Some("EUR".to_owned()),
            status: State::Accepted.name().to_owned(),
            reason: None,
            detail: None,
            steps: vec![AcceptedOrderStep {
                step: State::Accepted.name().to_owned(),
                detail: String::new(),
                at: at.to_owned(),
            }],
            invoice_id: None,
            requested_at: at.to_owned(),
            updated_at: at.to_owned(),
            note: Some(WAITING.to_owned()),
        }
    }
}

const WAITING: &str = "billing has not taken it up yet; it will, and then tells each step here";
const AWAY: &str = "billing cannot be reached at the moment; the order is kept and carried out when it is back";
const TOLD: &str = "billing cannot be reached at the moment; this is how the order ended";
const PENDING_ONLY: &str = "billing cannot be reached at the moment; these are the orders that the gateway knows of";

impl AcceptedOrder {
    fn of(order: order::Order, note: Option<&str>) -> Self {
        let (reason, detail) = order.failure.map(|failure| (failure.reason, failure.detail)).unzip();
        let step = |state: State, detail: Option<&String>, at: Timestamp| AcceptedOrderStep {
            step: state.name().to_owned(),
            detail: detail.cloned().unwrap_or_default(),
            at: at.to_string(),
        };
        let mut steps = vec![step(State::Accepted, None, order.accepted_at)];
        steps.extend(order.settled_at.map(|at| step(order.state, reason.as_ref(), at)));
        Self {
            id: order.id.to_string(),
            plan: order.draft.plan,
            seats: order.draft.seats,
            interval: order.draft.interval,
            currency: order.draft.currency,
            status: order.state.name().to_owned(),
            reason,
            detail,
            steps,
            invoice_id: None,
            requested_at: order.accepted_at.to_string(),
            updated_at: order.settled_at.unwrap_or(order.accepted_at).to_string(),
            note: note.map(str::to_owned),
        }
    }

    /// While billing cannot be reached.
    fn without_billing(order: order::Order) -> Self {
        let note = if order.state == State::Accepted { AWAY } else { TOLD };
        Self::of(order, Some(note))
    }
}

/// Orders, the newest first; those that billing has not taken up yet stand before the others, beside `limit`.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub(super) struct AcceptedOrders {
    /// The orders.
    pub items: Vec<AcceptedOrder>,
    /// Pass it as `cursor` to get the next page; null on the last.
    pub next_cursor: Option<String>,
    /// Why the list may not be whole; left out when it is.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Billing's answer, or one of the gateway's that is described by `T`.
pub(super) struct Told<T> {
    response: Response,
    described: std::marker::PhantomData<fn() -> T>,
}

impl<T> Told<T> {
    fn by_billing(answer: http::Response<Bytes>) -> Self {
        let (parts, body) = answer.into_parts();
        let mut response = Body::from(body).into_response();
        response.set_status(parts.status);
        *response.headers_mut() = parts.headers;
        Self {
            response,
            described: std::marker::PhantomData,
        }
    }

    fn here(answer: impl Serialize + Send) -> Self {
        Self {
            response: Json(answer).into_response(),
            described: std::marker::PhantomData,
        }
    }
}

impl<T> IntoResponse for Told<T> {
    fn into_response(self) -> Response {
        self.response
    }
}

impl<T: Type + Serialize> ApiResponse for Told<T> {
    fn meta() -> MetaResponses {
        <Json<T> as ApiResponse>::meta()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Invalid(errors) => Problem::invalid(errors),
            OrderError::Key(error) => error.into(),
            OrderError::Store(_) => Problem::internal(error),
        }
    }
}

/// Operations on orders.
pub struct OrderApi {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Billing.
    pub billing: Arc<Upstream>,
    /// For how long it is asked.
    pub timeout: Duration,
}

#[OpenApi]
impl OrderApi {
    /// Order a plan for the caller's account; the answer comes before it is carried out.
    ///
    /// The order is stored at once and carried out as soon as billing works, exactly once. Read how far it is at `Location`.
    #[oai(
        path = "/v1/orders",
        method = "post",
        operation_id = "placeOrder",
        tag = "Tag::Orders"
    )]
    async fn place_order(
        &self,
        Bearer(caller): Bearer,
        /// Send the request again with the same key, and it is still ordered once.
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<String>>,
        body: Json<PlaceOrder>,
    ) -> Result<Accepted<AcceptedOrder>, Problem> {
        let key = Key::parse(key.0.as_deref(), caller.user, "POST /v1/orders", &body.0)?;
        let wish = body.0;
        let draft = OrderDraft::parse(&wish.plan, wish.seats, &wish.interval, wish.currency.as_deref())
            .map_err(Problem::invalid)?;
        let now = self.clock.now();
        // An order that was accepted stays so, whatever is on sale since.
        let answer = once(&self.db, key.as_ref(), async |tx| {
            on_sale(&draft, &store::plan::all(tx).await?).map_err(|wrong| OrderError::Invalid(vec![wrong]))?;
            let (order, requested) = draft.accept(caller.user, now);
            store::order::insert(tx, &order).await?;
            messaging::append(tx, &requested)?;
            Ok::<_, OrderError>(AcceptedOrder::of(order, None))
        })
        .await?;
        Ok(Accepted {
            location: format!("/v1/orders/{}", answer.id),
            body: answer,
        })
    }

    /// Read an order: how far it is, step by step.
    #[oai(
        path = "/v1/orders/:id",
        method = "get",
        operation_id = "getOrder",
        tag = "Tag::Orders"
    )]
    async fn get_order(
        &self,
        request: &Request,
        Bearer(caller): Bearer,
        id: Path<String>,
    ) -> Result<Told<AcceptedOrder>, Problem> {
        let id: OrderId = id.0.parse().map_err(|_| not_found())?;
        let asked = self.ask(request, &format!("/v1/orders/{id}")).await;
        let unknown = match &asked {
            Ok(answer) => answer.status() == http::StatusCode::NOT_FOUND,
            Err(_) => false,
        };
        if let Ok(answer) = &asked
            && !unknown
            && !answer.status().is_server_error()
        {
            return Ok(Told::by_billing(answer.clone()));
        }
        let order = store::order::find(self.db.read(), caller.user, id)
            .await
            .map_err(Problem::internal)?;
        match (order, asked) {
            (Some(order), _) if unknown => Ok(Told::here(AcceptedOrder::of(order, Some(WAITING)))),
            (Some(order), _) => Ok(Told::here(AcceptedOrder::without_billing(order))),
            (None, Ok(_)) if unknown => Err(not_found()),
            (None, Ok(answer)) => Ok(Told::by_billing(answer)),
            (None, Err(error)) => Err(unread(&error)),
        }
    }

    /// List the caller's orders, the newest first. Those that billing has not taken up yet come before the others.
    #[oai(
        path = "/v1/orders",
        method = "get",
        operation_id = "listOrders",
        tag = "Tag::Orders"
    )]
    async fn list_orders(
        &self,
        request: &Request,
        Bearer(caller): Bearer,
        /// Items of the page at most, 1 to 200; 50 by default.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Told<AcceptedOrders>, Problem> {
        let limit = page::limit(limit.0)?;
        let first = cursor.0.is_none();
        let position = match cursor.0 {
            Some(cursor) => format!("&cursor={}", plain(cursor)?),
            None => String::new(),
        };
        let asked = self.ask(request, &format!("/v1/orders?limit={limit}{position}")).await;
        match asked {
            Ok(answer) if answer.status() == http::StatusCode::OK && first => {
                self.with_waiting(caller.user, answer).await
            }
            Ok(answer) if !first || !answer.status().is_server_error() => Ok(Told::by_billing(answer)),
            Err(error) if !first => Err(unread(&error)),
            Ok(_) | Err(_) => {
                let orders = store::order::of_user(self.db.read(), caller.user, false)
                    .await
                    .map_err(Problem::internal)?;
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                Ok(Told::here(AcceptedOrders {
                    items: orders
                        .into_iter()
                        .take(limit)
                        .map(AcceptedOrder::without_billing)
                        .collect(),
                    next_cursor: None,
                    note: Some(PENDING_ONLY.to_owned()),
                }))
            }
        }
    }
}

impl OrderApi {
    async fn ask(&self, request: &Request, path: &str) -> Result<http::Response<Bytes>, InquiryError> {
        let path = path
            .parse()
            .map_err(|error: http::uri::InvalidUri| InquiryError::Unreadable {
                upstream: self.billing.name(),
                reason: error.to_string(),
            })?;
        let answer = inquiry::ask(request, &self.billing, path, self.timeout).await;
        match &answer {
            Ok(answer) if answer.status().is_server_error() => {
                tracing::warn!(status = answer.status().as_u16(), "billing does not tell of orders");
            }
            Err(error) => tracing::warn!(error = %chassis::worker::chain(error), "billing does not tell of orders"),
            Ok(_) => {}
        }
        answer
    }

    /// Billing's first page with those before it that billing has not taken up.
    async fn with_waiting(&self, user: UserId, answer: http::Response<Bytes>) -> Result<Told<AcceptedOrders>, Problem> {
        let unseen = store::order::of_user(self.db.read(), user, true)
            .await
            .map_err(Problem::internal)?;
        if unseen.is_empty() {
            return Ok(Told::by_billing(answer));
        }
        let mut page: Value = serde_json::from_slice(answer.body()).map_err(Problem::internal)?;
        let whole = page["next_cursor"].is_null();
        let Some(items) = page["items"].as_array_mut() else {
            return Ok(Told::by_billing(answer));
        };
        let listed: HashSet<String> = items
            .iter()
            .filter_map(|item| item["id"].as_str().map(str::to_owned))
            .collect();
        // Billing takes an account's orders up one after the other, so what is older than one that it has, it has too.
        let newest = listed.iter().max();
        let taken_up = |order: &order::Order| {
            let id = order.id.to_string();
            listed.contains(&id) || (!whole && newest.is_some_and(|newest| id < *newest))
        };
        let (known, waiting): (Vec<_>, Vec<_>) = unseen.into_iter().partition(taken_up);
        if !known.is_empty() {
            self.db
                .write(async |tx| {
                    for order in &known {
                        store::order::seen(tx, order.id).await?;
                    }
                    Ok::<_, sea_orm::DbErr>(())
                })
                .await
                .map_err(Problem::internal)?;
        }
        let waiting = waiting
            .into_iter()
            .map(|order| serde_json::to_value(AcceptedOrder::of(order, Some(WAITING))));
        let waiting = waiting.collect::<Result<Vec<_>, _>>().map_err(Problem::internal)?;
        items.splice(0..0, waiting);
        Ok(Told::here(page))
    }
}

fn not_found() -> Problem {
    Problem::not_found("order-not-found", "there is no such order, or it is not yours")
}

/// A cursor that can stand in a URL as it is; all that this API gives out can.
fn plain(cursor: String) -> Result<String, Problem> {
    if cursor
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    {
        return Ok(cursor);
    }
    let wrong = FieldError::parameter("cursor", "must be the next_cursor of the page before");
    Err(
        Problem::malformed("the cursor is none of this list; leave it out to begin at the start")
            .with_errors(vec![wrong]),
    )
}

fn unread(error: &InquiryError) -> Problem {
    match error {
        InquiryError::Call(error) => unanswered(error),
        InquiryError::Loop(_) => Problem::new(http::StatusCode::LOOP_DETECTED, "loop-detected", error.to_string()),
        InquiryError::Unreadable { upstream, .. } => {
            let detail = format!("the answer of {upstream} cannot be read; try again in a moment");
            let problem = Problem::new(http::StatusCode::BAD_GATEWAY, "upstream-unreachable", detail);
            problem.with_retry_after(Duration::from_secs(1))
        }
    }
}
