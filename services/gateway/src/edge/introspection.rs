//! Who shows this credential? Asked of auth for every credential, remembered for seconds (RFC 7662).
//!
//! Personal access tokens never go further than here: auth answers with an access token that stands for one, and that is
//! passed on (the phantom token pattern), so services verify one kind of token by themselves.
//!
//! An answer is believed for [`cache`](crate::settings::Introspection::cache) at most, never past the credential's end, and
//! only while nothing of it was revoked since it was asked for. Revocations are numbered: an answer carries the number that
//! was the last when the question was sent, so an answer that was on its way when the revocation came in is thrown away too.
//! Many requests with one new credential ask once. When auth cannot be asked, nobody unknown gets in (503).

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chassis::Clock;
use contracts::{
    Timestamp,
    id::{SessionId, TokenId, UserId},
};
use database::Db;
use http_body_util::{BodyExt, Limited};
use identity::{Role, Scope};
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, header, uri::PathAndQuery};
use prometheus_client::metrics::counter::Counter;
use secrecy::ExposeSecret;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{
    body::full,
    meters::Meters,
    upstream::{Call, Outgoing, Upstream},
};
use crate::{domain::revocation::Revocation, settings::Introspection as Settings, store::plan_limit};

/// How long "no" is believed: short, as a token may become valid (clocks that differ), but long enough that a client that
/// hammers with a dead token does not hammer auth.
const REFUSED: Duration = Duration::from_secs(5);

/// How often one request has auth asked.
const ASK_AT_MOST: usize = 3;

/// The largest answer that is read.
const ANSWER: usize = 64 * 1024;

/// A credential that is good.
#[derive(Debug)]
pub struct Credential {
    /// Whose.
    pub user: UserId,
    /// The sign-in; absent for a personal access token.
    pub session: Option<SessionId>,
    /// The personal access token.
    pub token: Option<TokenId>,
    /// Global role.
    pub role: Role,
    /// Limits; absent: none.
    pub scopes: Option<Vec<Scope>>,
    /// When it ends.
    pub expires: Timestamp,
    /// What goes on to the services in its place; absent: the credential itself.
    pub authorization: Option<HeaderValue>,
    /// Requests a minute that the user's plan allows; absent where plans do not count, or none is known.
    pub rate: Option<NonZeroU32>,
}

/// Why a request cannot go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unknown {
    /// Expired, revoked, or never was a credential.
    #[error("the access token is invalid or has expired")]
    Invalid,
    /// Auth cannot be asked; the text is for the log.
    #[error("auth cannot be asked: {0}")]
    Unavailable(String),
}

/// What auth answers.
#[derive(Deserialize)]
struct Answer {
    active: bool,
    sub: Option<UserId>,
    sid: Option<SessionId>,
    #[serde(alias = "token_id")]
    pat: Option<TokenId>,
    role: Option<Role>,
    scopes: Option<Vec<Scope>>,
    exp: Option<i64>,
    access_token: Option<String>,
}

struct Known {
    /// `None`: not a valid credential.
    credential: Option<Arc<Credential>>,
    /// The last revocation when the question was sent.
    number: u64,
    asked: Timestamp,
}

/// Revocations of the last seconds, by what they concern.
#[derive(Default)]
struct Revoked {
    by_subject: HashMap<Revocation, (u64, Timestamp)>,
}

/// See the head of the file.
pub struct Introspector {
    auth: Arc<Upstream>,
    /// Where the rates of plans are; absent where they do not count.
    rates: Option<Db>,
    settings: Settings,
    clock: Clock,
    known: moka::future::Cache<[u8; 32], Arc<Known>>,
    revoked: RwLock<Revoked>,
    /// How many are in `revoked`: mostly none, and then there is nothing to lock.
    recent: AtomicUsize,
    last: AtomicU64,
    hits: Counter,
    misses: Counter,
    errors: Counter,
}

impl Introspector {
    /// Asks `auth`, and `rates` how often users may call.
    pub fn new(auth: Arc<Upstream>, rates: Option<Db>, settings: Settings, clock: Clock, meters: &Meters) -> Arc<Self> {
        let known = moka::future::Cache::builder()
            .max_capacity(settings.capacity)
            .time_to_live(settings.cache.max(Duration::from_secs(1)))
            .build();
        Arc::new(Self {
            auth,
            rates,
            settings,
            clock,
            known,
            revoked: RwLock::default(),
            recent: AtomicUsize::new(0),
            last: AtomicU64::new(0),
            hits: meters.introspection("hit"),
            misses: meters.introspection("miss"),
            errors: meters.introspection("error"),
        })
    }

    /// Whose `token` is.
    ///
    /// # Errors
    /// See [`Unknown`].
    pub async fn introspect(&self, token: &str) -> Result<Arc<Credential>, Unknown> {
        let key: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = self.known.get(&key).await {
            if self.holds(&known) {
                self.hits.inc();
                return known.credential.clone().ok_or(Unknown::Invalid);
            }
            self.known.invalidate(&key).await;
        }
        // Again when something was revoked while the answer was on its way.
        for _ in 0..ASK_AT_MOST {
            // The question that many ask at once is sent once; when it fails, it fails for all of them.
            let asked = self.known.try_get_with(key, async {
                self.misses.inc();
                self.ask(token).await.map(Arc::new)
            });
            let known = asked.await.map_err(|error: Arc<Unknown>| {
                self.errors.inc();
                error.as_ref().clone()
            })?;
            if self.holds(&known) {
                return known.credential.clone().ok_or(Unknown::Invalid);
            }
            self.known.invalidate(&key).await;
        }
        Err(Unknown::Invalid)
    }

    /// Forgets at once what `revocation` concerns.
    pub fn revoke(&self, revocation: Revocation) {
        let now = self.clock.now();
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        let number = self.last.fetch_add(1, Ordering::AcqRel) + 1;
        // An answer that is older than both waits is no longer believed anyway.
        let memory = self.settings.cache + self.settings.timeout * 2;
        revoked.by_subject.retain(|_, (_, at)| now.since(*at) < memory);
        revoked.by_subject.insert(revocation, (number, now));
        self.recent.store(revoked.by_subject.len(), Ordering::Release);
    }

    fn holds(&self, known: &Known) -> bool {
        let now = self.clock.now();
        let age = now.since(known.asked);
        let Some(credential) = &known.credential else {
            return age < REFUSED.min(self.settings.cache);
        };
        if age >= self.settings.cache || credential.expires <= now {
            return false;
        }
        if self.recent.load(Ordering::Acquire) == 0 {
            return true;
        }
        let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
        let newest = |subject: Option<Revocation>| {
            subject
                .and_then(|subject| revoked.by_subject.get(&subject))
                .map(|(number, _)| *number)
        };
        let subjects = [
            credential.session.map(Revocation::Session),
            credential.token.map(Revocation::Token),
            Some(Revocation::User(credential.user)),
            Some(Revocation::Knowledge(credential.user)),
        ];
        subjects
            .into_iter()
            .filter_map(newest)
            .all(|number| number <= known.number)
    }

    /// Not knowing it is no reason to turn anybody away: then the user is measured like everybody.
    async fn rate(&self, user: UserId) -> Option<NonZeroU32> {
        let db = self.rates.as_ref()?;
        plan_limit::of(db.read(), user).await.unwrap_or_else(|error| {
            tracing::warn!(error = %error, "the rate of a user's plan cannot be read");
            None
        })
    }

    async fn ask(&self, token: &str) -> Result<Known, Unknown> {
        let number = self.last.load(Ordering::Acquire);
        let asked = self.clock.now();
        let unavailable = |reason: &dyn std::fmt::Display| Unknown::Unavailable(reason.to_string());
        let mut headers = HeaderMap::new();
        let secret = format!("Bearer {}", self.settings.secret.expose_secret());
        let mut secret = HeaderValue::from_str(&secret)
            .map_err(|_| unavailable(&"the secret has characters that no header may have"))?;
        secret.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, secret);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let body = Bytes::from(format!("token={}", form_encoded(token)));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        let call = Call {
            method: Method::POST,
            path: PathAndQuery::from_static("/v1/auth/introspect"),
            headers,
            body: Outgoing::Once(full(body), Arc::default()),
            time: self.settings.timeout,
        };
        let response = self
            .auth
            .send(call)
            .await
            .map_err(|error| unavailable(&chassis::worker::chain(&error)))?;
        if response.status() != StatusCode::OK {
            // 401 here is our secret, not the client's token.
            return Err(unavailable(&format!("it answered {}", response.status())));
        }
        let body = Limited::new(response.into_body(), ANSWER)
            .collect()
            .await
            .map_err(|error| unavailable(&error))?;
        let answer: Answer = serde_json::from_slice(&body.to_bytes()).map_err(|error| unavailable(&error))?;
        let credential = if answer.active {
            let mut credential = answer.credential().map_err(|what| unavailable(&what))?;
            credential.rate = self.rate(credential.user).await;
            Some(Arc::new(credential))
        } else {
            None
        };
        Ok(Known {
            credential,
            number,
            asked,
        })
    }
}

impl Answer {
    fn credential(self) -> Result<Credential, &'static str> {
        let authorization = self
            .access_token
            .map(|token| HeaderValue::from_str(&format!("Bearer {token}")));
        let mut authorization = authorization
            .transpose()
            .map_err(|_| "the access token is no header value")?;
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        Ok(Credential {
            user: self.sub.ok_or("the answer has no sub")?,
            session: self.sid,
            token: self.pat,
            role: self.role.ok_or("the answer has no role")?,
            scopes: self.scopes,
            expires: Timestamp::from_micros(self.exp.ok_or("the answer has no exp")?.saturating_mul(1_000_000)),
            authorization,
            rate: None,
        })
    }
}

/// Everything but unreserved characters escaped.
fn form_encoded(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut encoded, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                encoded.push_str(&format!("%{byte:02X}"));
            }
            encoded
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_with_odd_characters_reaches_auth_as_it_is() {
        assert_eq!(form_encoded("cth_pat_a-b.c~d"), "cth_pat_a-b.c~d");
        assert_eq!(form_encoded("a&active=true é"), "a%26active%3Dtrue%20%C3%A9");
    }
}
