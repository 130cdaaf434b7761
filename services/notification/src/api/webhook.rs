//! The caller's webhooks. Everybody sees and changes their own only: others' are as good as unknown.
//!
//! A webhook sends out what its owner may see, so only a session may manage one: a personal access token could otherwise
//! read by it what its scopes do not allow.

use std::sync::Arc;

use chassis::{
    Clock, Problem,
    http::{
        answer::{Created, NoContent, Tagged},
        idempotency::Key,
        json::Json,
        page::Page,
        precondition,
    },
};
use contracts::{
    Timestamp,
    id::{UserId, WebhookId},
};
use database::{Db, Tx};
use identity::Bearer;
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path, Query},
    types::Example,
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{
    Tag,
    delivery::{Delivery, listed, state},
    webhook_answer::{Replayed, Webhook, Webhooks},
};
use crate::{
    domain::{
        delivery::Channel,
        signature,
        webhook::{self, Filter, MOST_ENDPOINTS, OVERLAP, TEST, WebhookDraft, WebhookError},
    },
    reactions::broadcast::payload,
    secrets::Secrets,
    store::{self, delivery::Wanted, webhook::Model},
};

/// Deliveries that one replay sends again at most.
const REPLAYED: u64 = 10_000;

/// Operations on webhooks.
pub struct WebhookApi {
    /// The service's database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Seals their secrets.
    pub secrets: Arc<Secrets>,
    /// Whether a target may be anywhere.
    pub allow_private: bool,
}

/// A new webhook.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct CreateWebhook {
    /// Where messages are posted: http or https, on the public Internet.
    #[oai(validator(max_length = 2000))]
    pub url: String,
    /// What you call it.
    #[serde(default)]
    #[oai(validator(max_length = 200))]
    pub description: Option<String>,
    /// Types to hear (`task.created.v1`) or groups (`task.*`). Without any: all.
    #[serde(default)]
    #[oai(default, validator(max_items = 28))]
    pub event_types: Vec<String>,
}

impl Example for CreateWebhook {
    fn example() -> Self {
        Self {
            url: "https://example.com/hooks".to_owned(),
            description: Some("Build server".to_owned()),
            event_types: vec!["task.*".to_owned()],
        }
    }
}

/// What is to be changed; what is left out stays.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct UpdateWebhook {
    /// Where messages are posted.
    #[serde(default)]
    #[oai(validator(max_length = 2000))]
    pub url: Option<String>,
    /// What you call it.
    #[serde(default)]
    #[oai(validator(max_length = 200))]
    pub description: Option<String>,
    /// Types to hear; an empty list: all.
    #[serde(default)]
    #[oai(validator(max_items = 28))]
    pub event_types: Option<Vec<String>>,
    /// Whether it gets messages.
    #[serde(default)]
    pub enabled: Option<bool>,
}

impl Example for UpdateWebhook {
    fn example() -> Self {
        Self {
            url: None,
            description: None,
            event_types: None,
            enabled: Some(true),
        }
    }
}

/// What to send again.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct Replay {
    /// Messages since this moment, RFC 3339.
    pub since: String,
    /// Also those that were delivered; without it, those that failed.
    #[serde(default)]
    #[oai(default)]
    pub include_delivered: bool,
}

impl Example for Replay {
    fn example() -> Self {
        Self {
            since: "2026-03-01T12:00:00Z".to_owned(),
            include_delivered: false,
        }
    }
}

#[OpenApi]
impl WebhookApi {
    /// Make a webhook. Its secret is in this answer and nowhere else.
    #[oai(
        path = "/v1/webhooks",
        method = "post",
        operation_id = "createWebhook",
        tag = "Tag::Webhooks"
    )]
    async fn create_webhook(
        &self,
        Bearer(caller): Bearer,
        /// Send the request again with the same key, and it is still done once.
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<String>>,
        body: Json<CreateWebhook>,
    ) -> Result<Created<Webhook>, Problem> {
        let key = Key::parse(key.0.as_deref(), caller.user, "POST /v1/webhooks", &body.0)?;
        let CreateWebhook {
            url,
            description,
            event_types,
        } = &body.0;
        let draft = WebhookDraft::parse(url, description.as_deref(), event_types, self.allow_private)
            .map_err(Problem::invalid)?;
        let now = self.clock.now();
        let answer = self
            .db
            .write(async |tx| {
                // The remembered answer holds the secret, so it is sealed.
                let place = format!("idempotency_keys/{}", caller.user);
                if let Some(key) = &key
                    && let Some(earlier) = key.claim::<String>(tx).await?
                {
                    return Ok(serde_json::from_slice(&self.secrets.open_answer(&place, &earlier)?)?);
                }
                store::inbox::lock(tx, [caller.user]).await?;
                if store::webhook::count(tx, caller.user).await? >= MOST_ENDPOINTS {
                    return Err(WebhookError::TooMany);
                }
                let (row, secret) = self.made(caller.user, &draft, now)?;
                store::webhook::insert(tx, &row).await?;
                let answer = Webhook::new(row, now)?.with(&secret);
                if let Some(key) = &key {
                    let kept = self.secrets.seal_answer(&place, &serde_json::to_vec(&answer)?)?;
                    key.record(tx, &kept).await?;
                }
                Ok(answer)
            })
            .await?;
        Ok(Created {
            location: format!("/v1/webhooks/{}", answer.id),
            version: Some(1),
            body: answer,
        })
    }

    /// List the caller's webhooks.
    #[oai(
        path = "/v1/webhooks",
        method = "get",
        operation_id = "listWebhooks",
        tag = "Tag::Webhooks"
    )]
    async fn list_webhooks(&self, Bearer(caller): Bearer) -> Result<Json<Webhooks>, Problem> {
        let now = self.clock.now();
        let rows = store::webhook::all(self.db.read(), caller.user)
            .await
            .map_err(WebhookError::from)?;
        let items: Result<Vec<Webhook>, WebhookError> = rows.into_iter().map(|row| Webhook::new(row, now)).collect();
        Ok(Json(Webhooks { items: items? }))
    }

    /// Read one webhook.
    #[oai(
        path = "/v1/webhooks/:id",
        method = "get",
        operation_id = "getWebhook",
        tag = "Tag::Webhooks"
    )]
    async fn get_webhook(&self, Bearer(caller): Bearer, id: Path<String>) -> Result<Tagged<Webhook>, Problem> {
        let row = self.find(caller.user, &id.0).await?;
        tagged(row, self.clock.now())
    }

    /// Change a webhook. Enabling it forgets its failures; what it missed is sent by a replay.
    #[oai(
        path = "/v1/webhooks/:id",
        method = "patch",
        operation_id = "updateWebhook",
        tag = "Tag::Webhooks"
    )]
    async fn update_webhook(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// `ETag` of the version that was changed.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<UpdateWebhook>,
    ) -> Result<Tagged<Webhook>, Problem> {
        let expected = precondition::if_match(if_match.0.as_deref())?;
        let id = parsed(&id.0)?;
        let now = self.clock.now();
        let row = self
            .db
            .write(async |tx| {
                let mut row = take(tx, caller.user, id).await?;
                expected.check(row.version).map_err(WebhookError::Stale)?;
                change(&mut row, &body.0, self.allow_private, now).map_err(WebhookError::Invalid)?;
                store::webhook::update(tx, &row).await?;
                if !row.enabled {
                    store::delivery::give_up_waiting(tx, &id.to_string(), "the webhook is disabled", now).await?;
                }
                Ok::<_, WebhookError>(row)
            })
            .await?;
        tagged(row, now)
    }

    /// Delete a webhook with its deliveries.
    #[oai(
        path = "/v1/webhooks/:id",
        method = "delete",
        operation_id = "deleteWebhook",
        tag = "Tag::Webhooks"
    )]
    async fn delete_webhook(&self, Bearer(caller): Bearer, id: Path<String>) -> Result<NoContent, Problem> {
        let id = parsed(&id.0)?;
        self.db
            .write(async |tx| {
                let row = take(tx, caller.user, id).await?;
                store::webhook::remove(tx, row.id).await?;
                store::delivery::remove_of_target(tx, &row.id.to_string()).await?;
                Ok::<_, WebhookError>(())
            })
            .await?;
        Ok(NoContent)
    }

    /// Give a webhook a new secret. For 24 hours messages are signed with the old one too.
    #[oai(
        path = "/v1/webhooks/:id/rotate-secret",
        method = "post",
        operation_id = "rotateWebhookSecret",
        tag = "Tag::Webhooks"
    )]
    async fn rotate_webhook_secret(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
    ) -> Result<Tagged<Webhook>, Problem> {
        let id = parsed(&id.0)?;
        let now = self.clock.now();
        let secret = signature::generate().map_err(WebhookError::from)?;
        let sealed = self.secrets.seal_webhook(id, &secret).map_err(WebhookError::from)?;
        let row = self
            .db
            .write(async |tx| {
                let mut row = take(tx, caller.user, id).await?;
                row.old_secret = Some(std::mem::replace(&mut row.secret, sealed));
                row.old_secret_until = Some(now + OVERLAP);
                row.updated_at = now;
                row.version += 1;
                store::webhook::update(tx, &row).await?;
                Ok::<_, WebhookError>(row)
            })
            .await?;
        let version = row.version;
        let body = Webhook::new(row, now)?.with(&secret);
        Ok(Tagged { body, version })
    }

    /// Send a test message (`webhook.test`), also to a disabled webhook.
    #[oai(
        path = "/v1/webhooks/:id/test",
        method = "post",
        operation_id = "testWebhook",
        tag = "Tag::Webhooks"
    )]
    async fn test_webhook(&self, Bearer(caller): Bearer, id: Path<String>) -> Result<Created<Delivery>, Problem> {
        let id = parsed(&id.0)?;
        let now = self.clock.now();
        let row = self
            .db
            .write(async |tx| {
                let webhook = take(tx, caller.user, id).await?;
                let data = serde_json::json!({ "webhook_id": webhook.id });
                let body = payload(TEST, now, &data)?;
                let message = store::delivery::own_message();
                let (channel, target) = (Channel::Webhook, webhook.id.to_string());
                let row = store::delivery::Model::new(channel, caller.user, target, message, TEST, body, now);
                store::delivery::insert(tx, vec![row.clone()]).await?;
                Ok::<_, WebhookError>(row)
            })
            .await?;
        Ok(Created {
            location: format!("/v1/deliveries/{}", row.id),
            version: None,
            body: Delivery::new(row, Vec::new()),
        })
    }

    /// List a webhook's deliveries, newest first.
    #[oai(
        path = "/v1/webhooks/:id/deliveries",
        method = "get",
        operation_id = "listWebhookDeliveries",
        tag = "Tag::Webhooks"
    )]
    async fn list_webhook_deliveries(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// Only those in this state: `pending`, `sending`, `delivered`, `retry_scheduled`, `failed` or `unknown`.
        state: Query<Option<String>>,
        /// Items of a page, 1 to 200; 50 without it.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<Delivery>>, Problem> {
        let wanted = Wanted {
            target: Some(self.find(caller.user, &id.0).await?.id.to_string()),
            state: self::state(state.0.as_deref())?,
            channel: None,
        };
        let list = format!("deliveries of {wanted:?}");
        listed(&self.db, caller.user, &wanted, &list, limit.0, cursor.0.as_deref()).await
    }

    /// Send a webhook's messages since some moment again, oldest first.
    #[oai(
        path = "/v1/webhooks/:id/replay",
        method = "post",
        operation_id = "replayWebhook",
        tag = "Tag::Webhooks"
    )]
    async fn replay_webhook(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        body: Json<Replay>,
    ) -> Result<Json<Replayed>, Problem> {
        let id = parsed(&id.0)?;
        let since: Timestamp = body
            .0
            .since
            .parse()
            .map_err(|error: contracts::timestamp::InvalidTimestamp| {
                Problem::invalid(vec![chassis::FieldError::new("/since", error.to_string())])
            })?;
        let (all, now) = (body.0.include_delivered, self.clock.now());
        let queued = self
            .db
            .write(async |tx| {
                let webhook = take(tx, caller.user, id).await?;
                if !webhook.enabled {
                    return Err(WebhookError::Disabled);
                }
                Ok(store::delivery::replay(tx, &id.to_string(), since, all, REPLAYED, now).await?)
            })
            .await?;
        let more = queued == REPLAYED;
        Ok(Json(Replayed { queued, more }))
    }
}

impl WebhookApi {
    fn made(&self, user: UserId, draft: &WebhookDraft, now: Timestamp) -> Result<(Model, SecretString), WebhookError> {
        let (id, secret) = (WebhookId::new(), signature::generate()?);
        let row = Model {
            id,
            user_id: user,
            url: draft.url.to_string(),
            description: draft.description.clone(),
            event_types: store::webhook::stored(&draft.filter),
            enabled: true,
            disabled_reason: None,
            secret: self.secrets.seal_webhook(id, &secret)?,
            old_secret: None,
            old_secret_until: None,
            failing_since: None,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        Ok((row, secret))
    }

    async fn find(&self, user: UserId, id: &str) -> Result<Model, WebhookError> {
        let id = parsed(id)?;
        let row = store::webhook::find(self.db.read(), user, id).await?;
        row.ok_or(WebhookError::NotFound)
    }
}

fn parsed(id: &str) -> Result<WebhookId, WebhookError> {
    id.parse().map_err(|_| WebhookError::NotFound)
}

async fn take(tx: &Tx, user: UserId, id: WebhookId) -> Result<Model, WebhookError> {
    store::webhook::take(tx, user, id).await?.ok_or(WebhookError::NotFound)
}

fn tagged(row: Model, now: Timestamp) -> Result<Tagged<Webhook>, Problem> {
    let version = row.version;
    let body = Webhook::new(row, now)?;
    Ok(Tagged { body, version })
}

fn change(
    row: &mut Model,
    change: &UpdateWebhook,
    allow_private: bool,
    now: Timestamp,
) -> Result<(), Vec<chassis::FieldError>> {
    let mut wrong = Vec::new();
    if let Some(url) = &change.url {
        match webhook::target(url, "/url", allow_private) {
            Ok(url) => row.url = url.to_string(),
            Err(error) => wrong.push(error),
        }
    }
    if let Some(text) = &change.description {
        match webhook::description(text) {
            Ok(text) => row.description = text,
            Err(error) => wrong.push(error),
        }
    }
    if let Some(types) = &change.event_types {
        match Filter::parse(types) {
            Ok(filter) => row.event_types = store::webhook::stored(&filter),
            Err(mut errors) => wrong.append(&mut errors),
        }
    }
    if let Some(enabled) = change.enabled {
        row.enabled = enabled;
        if enabled {
            (row.disabled_reason, row.failing_since) = (None, None);
        }
    }
    row.updated_at = now;
    row.version += 1;
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}
