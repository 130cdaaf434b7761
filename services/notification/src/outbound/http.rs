//! One POST to a target that a user named: bounded in time and size, nowhere it must not go, nothing followed.
//!
//! A redirect is an answer like any other: following it would send a signed message to whom nobody named. Of the answer's
//! body so much is read and no more; the rest is left in the connection, which is closed.

use std::time::{Duration, Instant};

use reqwest::{
    Client, Response, StatusCode, Url,
    header::{HeaderMap, RETRY_AFTER},
    redirect::Policy,
};

use super::guard::{Forbidden, Guard};
use crate::domain::delivery::shortened;

/// Bytes of an answer that are read.
const READ: usize = 64 * 1024;
/// Bytes of a request or an answer that are kept for its owner.
const KEPT: usize = 4 * 1024;

/// How patient the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For the connection, TLS included.
    pub connect: Duration,
    /// For all of it, the answer's body included.
    pub total: Duration,
}

/// What came of a request.
#[derive(Debug)]
pub struct Exchange {
    /// The status, or why there is none.
    pub answer: Result<StatusCode, NoAnswer>,
    /// How long the target wants to be left alone.
    pub retry_after: Option<Duration>,
    /// What was sent, for its owner.
    pub request: String,
    /// What was answered, for its owner.
    pub response: Option<String>,
    /// How long it took.
    pub duration: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The target is where none may be.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// It did not answer in time.
    #[error("the target did not answer within {0} s")]
    Late(u64),
    /// It cannot be reached, or broke off.
    #[error("{0}")]
    Unreachable(String),
}

/// Sends requests.
#[derive(Clone)]
pub struct Http {
    client: Client,
    guard: Guard,
    limits: Limits,
}

impl Http {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(guard: Guard, limits: Limits) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .user_agent(concat!("CloudTaskHub/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(guard.clone())
            .redirect(Policy::none())
            // A proxy of the environment would resolve names itself.
            .no_proxy()
            .connect_timeout(limits.connect)
            .timeout(limits.total)
            .pool_idle_timeout(Duration::from_secs(30))
            .build()?;
        Ok(Self { client, guard, limits })
    }

    /// Sends `body` to `url`. `shown` are the lines of the request that its owner may see later.
    pub async fn post(&self, url: Url, headers: HeaderMap, body: String, shown: &str) -> Exchange {
        let begun = Instant::now();
        let request = format!("{shown}\n\n{}", shortened(&body, KEPT));
        let ended = |answer, retry_after, response| Exchange {
            answer,
            retry_after,
            request,
            response,
            duration: begun.elapsed(),
        };
        if let Err(forbidden) = self.guard.check(&url) {
            return ended(Err(forbidden.into()), None, None);
        }
        match self.client.post(url).headers(headers).body(body).send().await {
            Err(error) => ended(Err(self.told(&error)), None, None),
            Ok(answer) => {
                let (status, retry_after) = (answer.status(), retry_after(answer.headers()));
                let head = head(&answer);
                // A body that breaks off or never ends takes nothing from the status.
                let body = beginning(answer).await;
                let response = format!("{head}\n\n{}", shortened(&String::from_utf8_lossy(&body), KEPT));
                // PostgreSQL's text holds no NUL.
                ended(Ok(status), retry_after, Some(response.replace('\0', "\u{fffd}")))
            }
        }
    }

    fn told(&self, error: &reqwest::Error) -> NoAnswer {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        let mut last = String::new();
        while let Some(error) = cause {
            if let Some(forbidden) = error.downcast_ref::<Forbidden>() {
                return forbidden.clone().into();
            }
            last = error.to_string();
            cause = error.source();
        }
        if error.is_timeout() {
            return NoAnswer::Late(self.limits.total.as_secs());
        }
        // The last cause says what happened; the first ones repeat the address, which may hold a secret.
        NoAnswer::Unreachable(format!("the target cannot be reached: {}", shortened(&last, 300)))
    }
}

/// Seconds only: no target is known to send a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn head(answer: &Response) -> String {
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    let location = answer.headers().get("location").and_then(|place| place.to_str().ok());
    let mut head = answer.status().to_string();
    for (name, value) in [("content-type", kind), ("location", location)] {
        if let Some(value) = value {
            head.push_str(&format!("\n{name}: {}", shortened(value, 300)));
        }
    }
    head
}

async fn beginning(mut answer: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < READ
        && let Ok(Some(piece)) = answer.chunk().await
    {
        body.extend_from_slice(&piece[..piece.len().min(READ - body.len())]);
    }
    body
}
