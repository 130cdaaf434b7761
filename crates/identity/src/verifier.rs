//! Verifies access tokens: EdDSA (Ed25519) by the keys that auth publishes, nothing else.
//!
//! Every service verifies for itself: being inside the network proves nothing. The algorithm is fixed here and never taken
//! from the token (RFC 8725, 3.1). An unknown `kid` makes the keys be read again, at most once in [`REFRESH`], so that a
//! rotation is seen and a flood of made-up `kid`s is not passed on. Verified tokens are remembered until they end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use poem::http::StatusCode;
use tokio::sync::{Mutex, RwLock};

use crate::claims::Claims;

/// How often keys are read again at most because of an unknown `kid`.
pub const REFRESH: Duration = Duration::from_secs(5);

/// Where the public keys come from.
#[async_trait]
pub trait KeySource: Send + Sync + 'static {
    /// The current key set.
    ///
    /// # Errors
    /// When it cannot be had now.
    async fn keys(&self) -> Result<JwkSet, Box<dyn std::error::Error + Send + Sync>>;
}

/// Why a token was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not ours, tampered with, expired, for somebody else, or not a token at all: the client learns no more.
    #[error("the access token is invalid or has expired")]
    Invalid,
    /// The keys cannot be had now; the token may be good.
    #[error("access tokens cannot be verified at the moment")]
    Unavailable,
}

impl poem::error::ResponseError for TokenError {
    fn status(&self) -> StatusCode {
        match self {
            TokenError::Invalid => StatusCode::UNAUTHORIZED,
            TokenError::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Verifies access tokens.
pub struct Verifier {
    source: Box<dyn KeySource>,
    validation: Validation,
    keys: RwLock<Vec<(String, DecodingKey)>>,
    read_at: Mutex<Option<Instant>>,
    seen: moka::sync::Cache<[u8; 32], Arc<Claims>>,
}

impl Verifier {
    /// Accepts tokens of `issuer` for `audience` signed by a key of `source`.
    pub fn new(source: impl KeySource, issuer: &str, audience: &str) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = 5;
        Self {
            source: Box::new(source),
            validation,
            keys: RwLock::new(Vec::new()),
            read_at: Mutex::new(None),
            seen: moka::sync::Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(60)).build(),
        }
    }

    /// The claims of `token`.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn verify(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        let digest = digest(token);
        if let Some(claims) = self.seen.get(&digest) {
            if claims.exp > contracts::Timestamp::now().as_seconds() {
                return Ok(claims);
            }
            return Err(TokenError::Invalid);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let kid = header.kid.filter(|_| header.alg == Algorithm::EdDSA).ok_or(TokenError::Invalid)?;
        let key = match self.key(&kid).await {
            Some(key) => key,
            None => {
                self.refresh().await?;
                self.key(&kid).await.ok_or(TokenError::Invalid)?
            }
        };
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &self.validation).map_err(|_| TokenError::Invalid)?;
        let claims = Arc::new(claims.claims);
        self.seen.insert(digest, Arc::clone(&claims));
        Ok(claims)
    }

    async fn key(&self, kid: &str) -> Option<DecodingKey> {
        self.keys.read().await.iter().find(|(id, _)| id == kid).map(|(_, key)| key.clone())
    }

    async fn refresh(&self) -> Result<(), TokenError> {
        let mut read_at = self.read_at.lock().await;
        if read_at.is_some_and(|at| at.elapsed() < REFRESH) {
            return Ok(());
        }
        let set = self.source.keys().await.map_err(|error| {
            tracing::warn!(error = %error, "reading the signing keys");
            TokenError::Unavailable
        })?;
        let keys = set.keys.iter().filter_map(|jwk| Some((jwk.common.key_id.clone()?, DecodingKey::from_jwk(jwk).ok()?)));
        *self.keys.write().await = keys.collect();
        *read_at = Some(Instant::now());
        Ok(())
    }
}

fn digest(token: &str) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(token.as_bytes()).into()
}
