//! The caller's deliveries: what left the house for them, or should have, and what came of it.

use chassis::{
    Clock, FieldError, Problem,
    http::{
        json::Json,
        page::{self, Page},
    },
};
use contracts::id::{DeliveryId, UserId, WebhookId};
use database::Db;
use identity::Bearer;
use poem::http::StatusCode;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    types::Example,
};
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::{
    domain::delivery::{Channel, DeliveryError, State},
    store::{
        self, attempt,
        delivery::{Model, Wanted},
    },
};

/// Operations on deliveries.
pub struct DeliveryApi {
    /// The service's database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
}

/// One message to one target outside.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Delivery {
    /// Names it.
    pub id: String,
    /// How it goes: `webhook`, `email` or `slack`. Be ready for further ones.
    pub channel: String,
    /// Where it goes: the id of the webhook, `email`, or whose Slack it is.
    pub target: String,
    /// The same in every attempt: by it a receiver knows a double.
    pub message_id: String,
    /// What it is about.
    pub event_type: String,
    /// `pending`, `sending`, `delivered`, `retry_scheduled`, `failed`, or `unknown`: nobody knows what came of the last
    /// attempt, and there will be another.
    pub state: String,
    /// How many attempts there were.
    pub attempts: i64,
    /// When the next attempt is due; null when there is none.
    pub next_attempt_at: Option<String>,
    /// Why the last attempt failed, or why there was none.
    pub error: Option<String>,
    /// When it was asked for.
    pub created_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
    /// What is sent; when one delivery is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub payload: Option<String>,
    /// The attempts, oldest first; when one delivery is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub log: Vec<DeliveryAttempt>,
}

impl Example for Delivery {
    fn example() -> Self {
        Self {
            id: "dlv_01k9z3v0q8e2m9xkq4t1c7h5wd".to_owned(),
            channel: "webhook".to_owned(),
            target: "whk_01k9z3v0q8e2m9xkq4t1c7h5wd".to_owned(),
            message_id: "evt_01k9z3v0q8e2m9xkq4t1c7h5wd".to_owned(),
            event_type: "task.created.v1".to_owned(),
            state: "retry_scheduled".to_owned(),
            attempts: 1,
            next_attempt_at: Some("2026-03-01T12:01:00Z".to_owned()),
            error: Some("the endpoint answered 503 Service Unavailable".to_owned()),
            created_at: "2026-03-01T12:00:00Z".to_owned(),
            finished_at: None,
            payload: None,
            log: Vec::new(),
        }
    }
}

/// One attempt of a delivery.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct DeliveryAttempt {
    /// 1 for the first.
    pub number: i64,
    /// When it began; of one that is unknown, when that was noticed.
    pub started_at: String,
    /// How long it took; null when nobody knows.
    pub duration_ms: Option<i64>,
    /// `delivered`, `failed` or `unknown`.
    pub result: String,
    /// The status that was answered.
    pub status: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// What was sent, shortened, without secrets.
    pub request: String,
    /// What was answered, shortened.
    pub response: Option<String>,
}

impl From<attempt::Model> for DeliveryAttempt {
    fn from(row: attempt::Model) -> Self {
        Self {
            number: row.number,
            started_at: row.started_at.to_string(),
            duration_ms: row.duration_ms,
            result: row.result,
            status: row.status,
            error: row.error,
            request: row.request,
            response: row.response,
        }
    }
}

impl Delivery {
    pub(super) fn new(row: Model, log: Vec<attempt::Model>) -> Self {
        // While it is sent, `due_at` is the end of its lease.
        let waits = row.state != State::Sending.name();
        Self {
            id: row.id.to_string(),
            channel: row.channel,
            target: row.target,
            message_id: row.message_id,
            event_type: row.event_type,
            attempts: row.attempts,
            next_attempt_at: row.due_at.filter(|_| waits).map(|at| at.to_string()),
            state: row.state,
            error: row.error,
            created_at: row.created_at.to_string(),
            finished_at: row.finished_at.map(|at| at.to_string()),
            payload: None,
            log: log.into_iter().map(DeliveryAttempt::from).collect(),
        }
    }
}

#[OpenApi]
impl DeliveryApi {
    /// List the caller's deliveries over all channels, newest first.
    #[oai(
        path = "/v1/deliveries",
        method = "get",
        operation_id = "listDeliveries",
        tag = "Tag::Deliveries"
    )]
    async fn list_deliveries(
        &self,
        Bearer(caller): Bearer,
        /// Only those of this channel: `webhook`, `email` or `slack`.
        channel: Query<Option<String>>,
        /// Only those in this state: `pending`, `sending`, `delivered`, `retry_scheduled`, `failed` or `unknown`.
        state: Query<Option<String>>,
        /// Items of a page, 1 to 200; 50 without it.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<Delivery>>, Problem> {
        let wanted = Wanted {
            target: None,
            channel: self::channel(channel.0.as_deref())?,
            state: self::state(state.0.as_deref())?,
        };
        let list = format!("deliveries of {} {wanted:?}", caller.user);
        listed(&self.db, caller.user, &wanted, &list, limit.0, cursor.0.as_deref()).await
    }

    /// Read one delivery with its attempts.
    #[oai(
        path = "/v1/deliveries/:id",
        method = "get",
        operation_id = "getDelivery",
        tag = "Tag::Deliveries"
    )]
    async fn get_delivery(&self, Bearer(caller): Bearer, id: Path<String>) -> Result<Json<Delivery>, Problem> {
        let id: DeliveryId = id.0.parse().map_err(|_| DeliveryError::NotFound)?;
        let found = store::delivery::find(self.db.read(), caller.user, id).await;
        let row = found.map_err(DeliveryError::from)?.ok_or(DeliveryError::NotFound)?;
        let log = attempt::all(self.db.read(), id).await.map_err(DeliveryError::from)?;
        let payload = Some(row.payload.clone());
        Ok(Json(Delivery {
            payload,
            ..Delivery::new(row, log)
        }))
    }

    /// Send a delivery again that has ended, under the same message id.
    #[oai(
        path = "/v1/deliveries/:id/resend",
        method = "post",
        operation_id = "resendDelivery",
        tag = "Tag::Deliveries"
    )]
    async fn resend_delivery(&self, Bearer(caller): Bearer, id: Path<String>) -> Result<Json<Delivery>, Problem> {
        let id: DeliveryId = id.0.parse().map_err(|_| DeliveryError::NotFound)?;
        let now = self.clock.now();
        let row = self
            .db
            .write(async |tx| {
                let found = store::delivery::find(tx, caller.user, id).await?;
                let row = found.ok_or(DeliveryError::NotFound)?;
                if let Ok(webhook) = row.target.parse::<WebhookId>() {
                    let webhook = store::webhook::find(tx, caller.user, webhook).await?;
                    if webhook.is_none_or(|webhook| !webhook.enabled) {
                        return Err(DeliveryError::Disabled);
                    }
                }
                if !store::delivery::resend(tx, id, now).await? {
                    return Err(DeliveryError::NotEnded);
                }
                let row = store::delivery::find(tx, caller.user, id).await?;
                row.ok_or(DeliveryError::NotFound)
            })
            .await?;
        Ok(Json(Delivery::new(row, Vec::new())))
    }
}

/// A page of the user's deliveries that are `wanted`; cursors are good for `list` alone.
pub(super) async fn listed(
    db: &Db,
    user: UserId,
    wanted: &Wanted,
    list: &str,
    limit: Option<u64>,
    cursor: Option<&str>,
) -> Result<Json<Page<Delivery>>, Problem> {
    let limit = page::limit(limit)?;
    let after: Option<DeliveryId> = page::position(list, cursor)?;
    let rows = store::delivery::page(db.read(), user, wanted, after, limit + 1)
        .await
        .map_err(DeliveryError::from)?;
    let item = |row| Delivery::new(row, Vec::new());
    Ok(Json(page::page(rows, limit, list, |row| row.id, item)))
}

pub(super) fn state(name: Option<&str>) -> Result<Option<State>, Problem> {
    let names = State::ALL.map(State::name).join(", ");
    named("state", name, State::named, &names)
}

fn channel(name: Option<&str>) -> Result<Option<Channel>, Problem> {
    let names = Channel::ALL.map(Channel::name).join(", ");
    named("channel", name, Channel::named, &names)
}

fn named<T>(
    parameter: &str,
    name: Option<&str>,
    find: impl Fn(&str) -> Option<T>,
    names: &str,
) -> Result<Option<T>, Problem> {
    let Some(name) = name else { return Ok(None) };
    let unknown = || {
        Problem::invalid(vec![FieldError::parameter(
            parameter,
            format!("must be one of {names}"),
        )])
    };
    find(name).map(Some).ok_or_else(unknown)
}

impl From<DeliveryError> for Problem {
    fn from(error: DeliveryError) -> Self {
        match error {
            DeliveryError::NotFound => Problem::not_found("delivery-not-found", error.to_string()),
            DeliveryError::NotEnded => Problem::new(StatusCode::CONFLICT, "delivery-not-ended", error.to_string()),
            DeliveryError::Disabled => Problem::new(StatusCode::CONFLICT, "webhook-disabled", error.to_string()),
            DeliveryError::Store(_) => Problem::internal(error),
        }
    }
}
