//! A message to an endpoint: signed, sent, and what its answer means.

use contracts::Timestamp;
use reqwest::{
    StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use secrecy::SecretString;

use super::http::{Exchange, Http, NoAnswer};
use crate::domain::{
    delivery::{Attempt, Outcome},
    signature, webhook,
};

/// An endpoint as it is when an attempt begins.
pub(super) struct Endpoint {
    /// Where it is.
    pub(super) url: String,
    /// What signs, the newest first.
    pub(super) secrets: Vec<SecretString>,
}

/// Makes one attempt.
pub(super) async fn send(http: &Http, endpoint: &Endpoint, message: &str, body: String, now: Timestamp) -> Attempt {
    let timestamp = now.as_seconds().to_string();
    let signature = signature::sign(&endpoint.secrets, message, now.as_seconds(), body.as_bytes());
    // Where it goes is in the endpoint; its path may be secret.
    let shown = format!(
        "POST {}\nwebhook-id: {message}\nwebhook-timestamp: {timestamp}",
        webhook::shown(&endpoint.url)
    );
    let failed = |reason: &str| Attempt {
        outcome: Outcome::Never {
            reason: reason.to_owned(),
        },
        started_at: now,
        duration: std::time::Duration::ZERO,
        status: None,
        request: shown.clone(),
        response: None,
    };
    let Ok(url) = endpoint.url.parse::<Url>() else {
        return failed("the endpoint has no address that a request can be sent to");
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in [
        ("webhook-id", message),
        ("webhook-timestamp", &timestamp),
        ("webhook-signature", &signature),
    ] {
        let Ok(value) = HeaderValue::from_str(value) else {
            return failed("the message cannot be written as a request");
        };
        headers.insert(HeaderName::from_static(name), value);
    }
    let exchange = http.post(url, headers, body, &shown).await;
    Attempt {
        outcome: outcome(&exchange),
        started_at: now,
        duration: exchange.duration,
        status: exchange.answer.as_ref().ok().map(StatusCode::as_u16),
        request: exchange.request,
        response: exchange.response,
    }
}

/// Standard Webhooks: 2xx is success, 410 ends the endpoint, everything else is tried again.
fn outcome(exchange: &Exchange) -> Outcome {
    let later = |reason: String| Outcome::Later {
        reason,
        after: exchange.retry_after,
    };
    match &exchange.answer {
        Ok(status) if status.is_success() => Outcome::Taken,
        Ok(StatusCode::GONE) => Outcome::Gone {
            reason: "the endpoint answered 410 Gone".to_owned(),
        },
        Ok(status) if status.is_redirection() => later(format!(
            "the endpoint answered {status}; redirects are not followed: change the webhook's url"
        )),
        Ok(status) => later(format!("the endpoint answered {status}")),
        Err(NoAnswer::Forbidden(forbidden)) => Outcome::Never {
            reason: forbidden.to_string(),
        },
        Err(error) => later(error.to_string()),
    }
}
