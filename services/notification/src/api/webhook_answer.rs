//! Webhooks as clients get them, and why they do not.

use chassis::Problem;
use contracts::Timestamp;
use poem::http::StatusCode;
use poem_openapi::{Object, types::Example};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{domain::webhook::WebhookError, store::webhook::Model};

/// An endpoint that gets messages as <https://www.standardwebhooks.com> has them.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Webhook {
    /// Names it.
    pub id: String,
    /// Where messages are posted.
    pub url: String,
    /// What its owner calls it.
    pub description: String,
    /// Types that it hears: `task.created.v1`, or groups like `task.*`. Empty: all.
    pub event_types: Vec<String>,
    /// Whether it gets messages.
    pub enabled: bool,
    /// Why it was disabled, unless its owner did it.
    pub disabled_reason: Option<String>,
    /// Since when every attempt has failed; null while all is well.
    pub failing_since: Option<String>,
    /// Until when the secret before the present one signs too.
    pub old_secret_until: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When it changed last.
    pub updated_at: String,
    /// Verifies the signatures of messages. Only in the answer that makes or rotates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub secret: Option<String>,
}

impl Example for Webhook {
    fn example() -> Self {
        Self {
            id: "whk_01k9z3v0q8e2m9xkq4t1c7h5wd".to_owned(),
            url: "https://example.com/hooks".to_owned(),
            description: "Build server".to_owned(),
            event_types: vec!["task.*".to_owned()],
            enabled: true,
            disabled_reason: None,
            failing_since: None,
            old_secret_until: None,
            created_at: "2026-03-01T12:00:00Z".to_owned(),
            updated_at: "2026-03-01T12:00:00Z".to_owned(),
            secret: None,
        }
    }
}

impl Webhook {
    /// As its owner sees it at `now`.
    pub(super) fn new(row: Model, now: Timestamp) -> Result<Self, WebhookError> {
        Ok(Self {
            event_types: row.filter()?.entries().to_vec(),
            id: row.id.to_string(),
            url: row.url,
            description: row.description,
            enabled: row.enabled,
            disabled_reason: row.disabled_reason,
            failing_since: row.failing_since.map(|at| at.to_string()),
            old_secret_until: row
                .old_secret_until
                .filter(|until| now < *until)
                .map(|at| at.to_string()),
            created_at: row.created_at.to_string(),
            updated_at: row.updated_at.to_string(),
            secret: None,
        })
    }

    /// With the secret that verifies its messages.
    pub(super) fn with(self, secret: &SecretString) -> Self {
        Self {
            secret: Some(secret.expose_secret().to_owned()),
            ..self
        }
    }
}

/// All of the caller's webhooks.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Webhooks {
    /// Oldest first.
    pub items: Vec<Webhook>,
}

impl Example for Webhooks {
    fn example() -> Self {
        Self {
            items: vec![Webhook::example()],
        }
    }
}

/// What a replay did.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Replayed {
    /// Messages that are sent again.
    pub queued: u64,
    /// Whether there are more: then replay again when these are through.
    pub more: bool,
}

impl Example for Replayed {
    fn example() -> Self {
        Self {
            queued: 17,
            more: false,
        }
    }
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::NotFound => Problem::not_found("webhook-not-found", error.to_string()),
            WebhookError::TooMany => Problem::new(StatusCode::CONFLICT, "too-many-webhooks", error.to_string()),
            WebhookError::Disabled => Problem::new(StatusCode::CONFLICT, "webhook-disabled", error.to_string()),
            WebhookError::Invalid(wrong) => Problem::invalid(wrong),
            WebhookError::Stale(problem) => problem,
            WebhookError::Key(error) => error.into(),
            WebhookError::Seal(_) | WebhookError::Random(_) | WebhookError::Answer(_) | WebhookError::Store(_) => {
                Problem::internal(error)
            }
        }
    }
}
