//! A message to Slack's incoming webhooks (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>).

use contracts::Timestamp;
use reqwest::{
    StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};

use super::http::{Http, NoAnswer};
use crate::domain::{
    delivery::{Attempt, Outcome},
    webhook,
};

/// Makes one attempt. The address is a secret: of it only the host is shown.
pub(super) async fn send(http: &Http, url: &SecretString, body: String, now: Timestamp) -> Attempt {
    let shown = format!("POST {}", webhook::shown(url.expose_secret()));
    let Ok(url) = url.expose_secret().parse::<Url>() else {
        return Attempt {
            outcome: Outcome::Never {
                reason: "there is no address that a request can be sent to".to_owned(),
            },
            started_at: now,
            duration: std::time::Duration::ZERO,
            status: None,
            request: shown,
            response: None,
        };
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let exchange = http.post(url, headers, body, &shown).await;
    let later = |reason: String| Outcome::Later {
        reason,
        after: exchange.retry_after,
    };
    let outcome = match &exchange.answer {
        Ok(status) if status.is_success() => Outcome::Taken,
        Ok(status) if *status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
            later(format!("Slack answered {status}"))
        }
        // No such webhook, channel or team, or a message that it cannot take: it would say so again.
        Ok(status) => Outcome::Never {
            reason: format!("Slack answered {status}; make a new incoming webhook there and set it here"),
        },
        Err(NoAnswer::Forbidden(forbidden)) => Outcome::Never {
            reason: forbidden.to_string(),
        },
        Err(error) => later(error.to_string()),
    };
    Attempt {
        outcome,
        started_at: now,
        duration: exchange.duration,
        status: exchange.answer.as_ref().ok().map(StatusCode::as_u16),
        request: exchange.request,
        response: exchange.response,
    }
}
