//! Reads the key set that auth publishes, over HTTP (RFC 7517).

use std::time::Duration;

use async_trait::async_trait;
use jsonwebtoken::jwk::JwkSet;
use reqwest::header::HOST;

use crate::verifier::KeySource;

/// Largest key set that is read, in bytes; three keys have about 600.
const LARGEST: usize = 64 * 1024;

/// Gets the keys from a URL.
pub struct HttpKeySource {
    client: reqwest::Client,
    url: String,
    host: Option<String>,
}

/// The keys could not be read.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// No answer.
    #[error("no answer from {url}")]
    Request {
        /// Whom we asked.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// Another status than 200.
    #[error("{url} answered {status}")]
    Status {
        /// Whom we asked.
        url: String,
        /// What it answered.
        status: u16,
    },
    /// The answer is no key set.
    #[error("{url} did not answer a JSON Web Key Set of at most {LARGEST} bytes")]
    Body {
        /// Whom we asked.
        url: String,
    },
}

impl HttpKeySource {
    /// Reads from `url`, which ends in `/.well-known/jwks.json`. `host` replaces the `Host` header: where several services
    /// share an address, it says which of them is meant.
    ///
    /// # Errors
    /// When the client cannot be set up (no TLS roots).
    pub fn new(url: &str, host: Option<&str>) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(1))
            .timeout(Duration::from_secs(3))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self {
            client,
            url: url.to_owned(),
            host: host.map(str::to_owned),
        })
    }

    async fn read(&self) -> Result<JwkSet, JwksError> {
        let failed = |source| JwksError::Request {
            url: self.url.clone(),
            source,
        };
        let mut request = self.client.get(&self.url);
        if let Some(host) = &self.host {
            request = request.header(HOST, host);
        }
        let mut answer = request.send().await.map_err(failed)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(JwksError::Status {
                url: self.url.clone(),
                status: answer.status().as_u16(),
            });
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST {
                return Err(JwksError::Body { url: self.url.clone() });
            }
        }
        serde_json::from_slice(&body).map_err(|_| JwksError::Body { url: self.url.clone() })
    }
}

#[async_trait]
impl KeySource for HttpKeySource {
    async fn keys(&self) -> Result<JwkSet, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.read().await?)
    }
}
