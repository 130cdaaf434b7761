//! The hub's public API, as a client sees it through Traefik.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use reqwest::{Client, Method, Response};
use serde_json::Value;

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a client tries in vain before something is wrong with more than a replica.
const ENDURANCE: Duration = Duration::from_secs(240);

/// The hub.
pub(crate) struct Hub {
    client: Client,
    streams: Client,
    url: String,
}

/// One request: what is asked, by whom, and by which key it is known when it comes again.
#[derive(Debug, Clone)]
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) token: &'a str,
    pub(crate) key: Option<String>,
    pub(crate) body: Option<Value>,
}

impl<'a> Ask<'a> {
    /// `GET`
    pub(crate) fn get(path: impl Into<String>, token: &'a str) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            token,
            key: None,
            body: None,
        }
    }

    /// `POST`
    pub(crate) fn post(path: impl Into<String>, token: &'a str, body: Value) -> Self {
        Self {
            method: Method::POST,
            path: path.into(),
            token,
            key: None,
            body: Some(body),
        }
    }

    /// With an `Idempotency-Key`.
    pub(crate) fn keyed(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }
}

impl Hub {
    /// At these addresses, any of which may be down.
    pub(crate) fn new(addresses: &[SocketAddr], port: u16) -> anyhow::Result<Self> {
        let client = || {
            Client::builder()
                .connect_timeout(Duration::from_secs(2))
                .no_proxy()
                .resolve_to_addrs("gateway.localhost", addresses)
        };
        Ok(Self {
            client: client().timeout(PATIENCE).build()?,
            // A comment comes now and then.
            streams: client().read_timeout(Duration::from_secs(40)).build()?,
            url: format!("http://gateway.localhost:{port}"),
        })
    }

    /// Sends one request once. `Err` has a word for why it was not carried out: a status, or what became of it.
    pub(crate) async fn once(&self, ask: &Ask<'_>) -> Result<Value, String> {
        let mut request = self
            .client
            .request(ask.method.clone(), format!("{}{}", self.url, ask.path));
        if !ask.token.is_empty() {
            request = request.bearer_auth(ask.token);
        }
        if let Some(key) = &ask.key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = &ask.body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| failure(&error))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| failure(&error))?;
        if !status.is_success() {
            let problem: Value = serde_json::from_str(&text).unwrap_or_default();
            let kind = problem["type"].as_str().and_then(|kind| kind.rsplit('/').next());
            return Err(kind.map_or_else(
                || status.as_u16().to_string(),
                |kind| format!("{} {kind}", status.as_u16()),
            ));
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|_| "no JSON".to_owned())
    }

    /// Opens somebody's stream, after the event of this number.
    pub(crate) async fn stream(&self, token: &str, after: Option<&str>) -> anyhow::Result<Response> {
        let mut request = self.streams.get(format!("{}/v1/stream", self.url)).bearer_auth(token);
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after);
        }
        Ok(request.send().await?.error_for_status()?)
    }

    /// Sends a request until it is carried out.
    pub(crate) async fn call(&self, ask: &Ask<'_>) -> anyhow::Result<Value> {
        let begun = tokio::time::Instant::now();
        loop {
            match self.once(ask).await {
                Ok(answer) => return Ok(answer),
                Err(why) if begun.elapsed() > ENDURANCE => {
                    bail!("{} {} is not answered for {ENDURANCE:?}: {why}", ask.method, ask.path)
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
            }
        }
    }

    /// All items of a list, over its pages.
    pub(crate) async fn all(&self, path: &str, token: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut next = format!("{path}{separator}limit=200");
        loop {
            let page = self.call(&Ask::get(next, token)).await?;
            let list = page["items"]
                .as_array()
                .with_context(|| format!("{path} is no list: {page}"))?;
            items.extend(list.iter().cloned());
            let Some(cursor) = page["next_cursor"].as_str() else {
                return Ok(items);
            };
            next = format!("{path}{separator}limit=200&cursor={cursor}");
        }
    }
}

fn failure(error: &reqwest::Error) -> String {
    let kind = if error.is_connect() {
        "no connection"
    } else if error.is_timeout() {
        "no answer in time"
    } else {
        "broken off"
    };
    kind.to_owned()
}
