//! Verifies access tokens: EdDSA (Ed25519) by the keys that auth publishes, nothing else.
//!
//! Every service verifies for itself: being inside the network proves nothing. The algorithm is fixed here and never taken
//! from the token (RFC 8725, 3.1); keys that a token brings along (`jwk`, `jku`, `x5u`) are not looked at.
//!
//! Keys are read again when a token names an unknown `kid`, at most once in [`REFRESH`], so that a rotation is seen and a
//! flood of made-up `kid`s is not passed on to auth; and when they are older than [`KEYS_AGE`], so that a withdrawn key is
//! forgotten. While auth does not answer, the keys at hand go on serving, and auth is asked once in [`RETRY`].
//!
//! Tokens that were verified are remembered by their digest, for [`REMEMBERED`] at most: the hot path is one SHA-256 and
//! one look into a cache.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use poem::http::StatusCode;
use tokio::{
    sync::{Mutex, RwLock},
    time::Instant,
};

use crate::claims::Claims;

/// How often keys are read again at most because of an unknown `kid`.
pub const REFRESH: Duration = Duration::from_secs(5);
/// How long to leave the source of the keys alone after it failed.
pub const RETRY: Duration = Duration::from_millis(500);
/// How old the keys may get before they are read again without being asked for.
pub const KEYS_AGE: Duration = Duration::from_secs(300);
/// How long a verified token is remembered at most.
pub const REMEMBERED: Duration = Duration::from_secs(60);
/// Clocks of two machines may differ by so much, in seconds.
pub const LEEWAY_S: u64 = 5;
/// Longest token that is looked at, in bytes; ours have about 600.
const LONGEST: usize = 4096;

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
    /// A personal access token: the gateway exchanges it, services do not know it.
    #[error("personal access tokens are accepted by the gateway only; send the request there")]
    Personal,
    /// A refresh token, which only auth's refresh operation takes.
    #[error("this is a refresh token; exchange it at POST /v1/auth/refresh and send the access token")]
    Refresh,
    /// The keys cannot be had now; the token may be good.
    #[error("access tokens cannot be verified at the moment; try again")]
    Unavailable,
}

impl poem::error::ResponseError for TokenError {
    fn status(&self) -> StatusCode {
        match self {
            TokenError::Invalid | TokenError::Personal | TokenError::Refresh => StatusCode::UNAUTHORIZED,
            TokenError::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Verifies access tokens.
pub struct Verifier {
    source: Box<dyn KeySource>,
    validation: Validation,
    keys: RwLock<Keys>,
    reading: Mutex<Reading>,
    seen: moka::sync::Cache<[u8; 32], Arc<Claims>>,
}

#[derive(Default)]
struct Keys {
    by_id: Vec<(String, DecodingKey)>,
    read_at: Option<Instant>,
}

#[derive(Default)]
struct Reading {
    failed_at: Option<Instant>,
}

impl Verifier {
    /// Accepts tokens of `issuer` for `audience` signed by a key of `source`.
    pub fn new(source: impl KeySource, issuer: &str, audience: &str) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = LEEWAY_S;
        Self {
            source: Box::new(source),
            validation,
            keys: RwLock::new(Keys::default()),
            reading: Mutex::new(Reading::default()),
            seen: moka::sync::Cache::builder()
                .max_capacity(10_000)
                .time_to_live(REMEMBERED)
                .build(),
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
        let kid = key_id(token)?;
        let key = self.key(&kid).await?.ok_or(TokenError::Invalid)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &self.validation).map_err(|_| TokenError::Invalid)?;
        let claims = Arc::new(claims.claims);
        self.seen.insert(digest, Arc::clone(&claims));
        Ok(claims)
    }

    /// The key that `kid` names, after reading the keys again where that may help.
    async fn key(&self, kid: &str) -> Result<Option<DecodingKey>, TokenError> {
        let (known, read_at) = self.known(kid).await;
        let fresh = |limit| read_at.is_some_and(|at: Instant| at.elapsed() < limit);
        if known.is_some() {
            if !fresh(KEYS_AGE)
                && let Ok(reading) = self.reading.try_lock()
            {
                // One caller pays for it; without an answer the keys at hand must do.
                let _ = self.read(reading, KEYS_AGE).await;
                return Ok(self.known(kid).await.0);
            }
            return Ok(known);
        }
        if fresh(REFRESH) {
            return Ok(None);
        }
        self.read(self.reading.lock().await, REFRESH).await?;
        Ok(self.known(kid).await.0)
    }

    async fn known(&self, kid: &str) -> (Option<DecodingKey>, Option<Instant>) {
        let keys = self.keys.read().await;
        (
            keys.by_id.iter().find(|(id, _)| id == kid).map(|(_, key)| key.clone()),
            keys.read_at,
        )
    }

    /// Reads the keys unless somebody did within `limit` while we waited for our turn.
    async fn read(&self, mut reading: tokio::sync::MutexGuard<'_, Reading>, limit: Duration) -> Result<(), TokenError> {
        if self.keys.read().await.read_at.is_some_and(|at| at.elapsed() < limit) {
            return Ok(());
        }
        if reading.failed_at.is_some_and(|at| at.elapsed() < RETRY) {
            return Err(TokenError::Unavailable);
        }
        match self.source.keys().await {
            Ok(set) => {
                let by_id = set.keys.iter().filter_map(usable).collect();
                *self.keys.write().await = Keys {
                    by_id,
                    read_at: Some(Instant::now()),
                };
                reading.failed_at = None;
                Ok(())
            }
            Err(error) => {
                tracing::warn!(error = %error, "reading the signing keys");
                reading.failed_at = Some(Instant::now());
                Err(TokenError::Unavailable)
            }
        }
    }
}

/// The key that an access token says it was signed with.
fn key_id(token: &str) -> Result<String, TokenError> {
    if token.starts_with("cth_pat_") {
        return Err(TokenError::Personal);
    }
    if token.starts_with("cth_rt_") {
        return Err(TokenError::Refresh);
    }
    if token.len() > LONGEST {
        return Err(TokenError::Invalid);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
    header
        .kid
        .filter(|_| header.alg == Algorithm::EdDSA)
        .ok_or(TokenError::Invalid)
}

/// An Ed25519 key for signatures; anything else in a key set is passed over.
fn usable(jwk: &Jwk) -> Option<(String, DecodingKey)> {
    let AlgorithmParameters::OctetKeyPair(parameters) = &jwk.algorithm else {
        return None;
    };
    let for_signatures = jwk
        .common
        .public_key_use
        .as_ref()
        .is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let for_eddsa = jwk
        .common
        .key_algorithm
        .is_none_or(|algorithm| algorithm == KeyAlgorithm::EdDSA);
    if parameters.curve != EllipticCurve::Ed25519 || !for_signatures || !for_eddsa {
        return None;
    }
    Some((
        jwk.common.key_id.clone()?,
        DecodingKey::from_ed_components(&parameters.x).ok()?,
    ))
}

fn digest(token: &str) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(token.as_bytes()).into()
}
