//! The hub's public API as the demo uses it.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use reqwest::{Client, StatusCode, Url};
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
        let mut client = Client::builder().timeout(Duration::from_secs(30)).no_proxy();
        // RFC 6761: names under .localhost are the loopback address; not every resolver knows.
        if let Some(host) = base.host_str().filter(|host| host.ends_with(".localhost")) {
            let port = base.port_or_known_default().unwrap_or(80);
            client = client.resolve(host, SocketAddr::from(([127, 0, 0, 1], port)));
        }
        Ok(Self {
            client: client.build()?,
            base,
        })
    }

    /// Posts and answers what was created; waits as long as a rate limit asks for.
    pub(super) async fn post(&self, path: &str, token: &str, body: &Value) -> anyhow::Result<Value> {
        for _ in 0..100 {
            let mut request = self.client.post(self.base.join(path)?).json(body);
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
                bail!("POST {path} answered {status}: {text}");
            }
            return serde_json::from_str(&text).with_context(|| format!("POST {path} answered no JSON: {text}"));
        }
        bail!("POST {path} was refused a hundred times; the hub is too busy")
    }
}
