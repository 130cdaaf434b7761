//! The hub's public API as the demo uses it.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde_json::Value;

pub(super) struct Api {
    client: Client,
    base: Url,
}

impl Api {
    pub(super) fn new(url: &str) -> anyhow::Result<Self> {
        let base: Url = url
            .parse()
            .with_context(|| format!("{url} is no address; try http://gateway.localhost:8080"))?;
        Ok(Self {
            client: crate::client(&base).build()?,
            base,
        })
    }

    /// Posts and answers what was created.
    pub(super) async fn post(&self, path: &str, token: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(path, token, |url| self.client.post(url).json(body)).await
    }

    /// Posts with an `Idempotency-Key`.
    pub(super) async fn post_once(&self, path: &str, token: &str, body: &Value, key: &str) -> anyhow::Result<Value> {
        let request = |url| self.client.post(url).header("Idempotency-Key", key).json(body);
        self.call(path, token, request).await
    }

    /// Reads.
    pub(super) async fn get(&self, path: &str, token: &str) -> anyhow::Result<Value> {
        self.call(path, token, |url| self.client.get(url)).await
    }

    /// Whether the hub with this internal port is ready.
    pub(super) async fn is_ready(&self, internal: u16) -> bool {
        let ready = self
            .client
            .get(format!("http://127.0.0.1:{internal}/readyz"))
            .send()
            .await;
        ready.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    /// Waits as long as a rate limit asks for.
    async fn call(&self, path: &str, token: &str, request: impl Fn(Url) -> RequestBuilder) -> anyhow::Result<Value> {
        for _ in 0..100 {
            let mut request = request(self.base.join(path)?);
            if !token.is_empty() {
                request = request.bearer_auth(token);
            }
            let answer = request
                .send()
                .await
                .with_context(|| format!("no hub answers at {}; is `make run` running?", self.base))?;
            let status = answer.status();
            if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE {
                let wait = answer
                    .headers()
                    .get("retry-after")
                    .and_then(|value| value.to_str().ok()?.parse().ok());
                tokio::time::sleep(Duration::from_secs(wait.unwrap_or(1))).await;
                continue;
            }
            let text = answer.text().await?;
            if !status.is_success() {
                bail!("{path} answered {status}: {text}");
            }
            return serde_json::from_str(&text).with_context(|| format!("{path} answered no JSON: {text}"));
        }
        bail!("{path} was refused a hundred times; the hub is too busy")
    }
}
