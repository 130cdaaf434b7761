//! The signing keys of this process: read from the database, sealed there, renewed by a worker.
//!
//! Replicas share the rows and, by [`Schedule`], the plan: none of them decides on its own which key signs. A key is made
//! inside a transaction that replicas take turns in, so that two that start together make one first key.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chassis::Clock;
use contracts::{
    Timestamp,
    id::{KeyId, SessionId, TokenId, UserId},
};
use database::Db;
use identity::{Claims, Role, Scope};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{
        AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, OctetKeyPairParameters,
        OctetKeyPairType, PublicKeyUse,
    },
};
use sea_orm::DbErr;
use seal::{Seal, SealError};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    domain::key::{Schedule, Span},
    settings::AuthSettings,
    store,
};

/// Signing keys.
pub struct Keyring {
    db: Db,
    clock: Clock,
    seal: Arc<Seal>,
    schedule: Schedule,
    issuer: String,
    audience: String,
    token_life: Duration,
    keys: RwLock<Arc<Vec<Key>>>,
}

struct Key {
    span: Span,
    public: String,
    signing: EncodingKey,
}

/// Why keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The master key is another one.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A key could not be made or read.
    #[error("making or reading a signing key")]
    Key,
    /// The database failed.
    #[error("storing the signing keys")]
    Store(#[from] DbErr),
}

/// No access token was signed.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The worker that makes keys did not get to it.
    #[error("there is no signing key at the moment")]
    NoKey,
    /// Signing failed.
    #[error("signing an access token")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

/// For whom an access token is, and for what.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The user.
    pub user: UserId,
    /// Their session, or
    pub session: Option<SessionId>,
    /// the personal access token that it stands for.
    pub token: Option<TokenId>,
    /// Their role.
    pub role: Role,
    /// Their plan.
    pub plan: String,
    /// Limits.
    pub scopes: Option<Vec<Scope>>,
    /// When it has to end at the latest.
    pub until: Timestamp,
}

/// A signed access token.
pub struct AccessToken {
    /// The token.
    pub text: SecretString,
    /// When it ends, seconds since 1970.
    pub expires_at: i64,
    /// How long it lasts, in seconds.
    pub expires_in: i64,
}

impl Keyring {
    /// Reads the keys, makes the first one if there is none.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn open(db: Db, clock: Clock, seal: Arc<Seal>, settings: &AuthSettings) -> Result<Arc<Self>, KeyError> {
        let ring = Self {
            db,
            clock,
            seal,
            schedule: settings.keys,
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            token_life: settings.token_life,
            keys: RwLock::new(Arc::new(Vec::new())),
        };
        ring.tend().await?;
        Ok(Arc::new(ring))
    }

    /// Makes the key that is due, removes those that are obsolete, and reads what other replicas did.
    ///
    /// # Errors
    /// See [`KeyError`]; the keys at hand stay.
    pub async fn tend(&self) -> Result<(), KeyError> {
        let now = self.clock.now();
        let mut rows = store::key::all(self.db.read()).await?;
        if self.to_do(&spans(&rows), now) || self.seal.is_changing() {
            rows = self.db.write(async |tx| self.renew(tx, now).await).await?;
        }
        let keys = rows
            .iter()
            .map(|row| self.open_row(row))
            .collect::<Result<Vec<Key>, KeyError>>()?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    fn to_do(&self, spans: &[Span], now: Timestamp) -> bool {
        self.schedule.due(spans, now).is_some() || !self.schedule.obsolete(spans, now).is_empty()
    }

    async fn renew(&self, tx: &database::Tx, now: Timestamp) -> Result<Vec<store::key::Model>, KeyError> {
        store::key::take_turns(tx).await?;
        let mut rows = store::key::all(tx).await?;
        for row in &mut rows {
            if let Some(sealed) = self.seal.renew(&place(row.id), &row.sealed)? {
                store::key::reseal(tx, row.id, &sealed).await?;
                row.sealed = sealed;
                tracing::info!(kid = %row.id, "sealed a signing key under the current master key");
            }
        }
        if let Some(active_from) = self.schedule.due(&spans(&rows), now) {
            let row = self.make(active_from, now)?;
            store::key::insert(tx, row.clone()).await?;
            tracing::info!(kid = %row.id, active_from = %active_from, "made a signing key");
            rows.push(row);
        }
        for id in self.schedule.obsolete(&spans(&rows), now) {
            store::key::delete(tx, id).await?;
            rows.retain(|row| row.id != id);
            tracing::info!(kid = %id, "removed a signing key");
        }
        Ok(rows)
    }

    fn make(&self, active_from: Timestamp, now: Timestamp) -> Result<store::key::Model, KeyError> {
        let id = KeyId::new();
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Key)?;
        let private = pair.to_pkcs8v1().map_err(|_| KeyError::Key)?;
        Ok(store::key::Model {
            id,
            public: BASE64_URL_SAFE_NO_PAD.encode(pair.public_key()),
            sealed: self.seal.seal(&place(id), private.as_ref())?,
            active_from,
            created_at: now,
        })
    }

    fn open_row(&self, row: &store::key::Model) -> Result<Key, KeyError> {
        let private = self.seal.open(&place(row.id), &row.sealed)?;
        let pair = Ed25519KeyPair::from_pkcs8(&private).map_err(|_| KeyError::Key)?;
        // The published half must be the one that signs.
        if BASE64_URL_SAFE_NO_PAD.encode(pair.public_key()) != row.public {
            return Err(KeyError::Key);
        }
        let span = Span {
            id: row.id,
            active_from: row.active_from,
        };
        Ok(Key {
            span,
            public: row.public.clone(),
            signing: EncodingKey::from_ed_der(&private),
        })
    }

    fn keys(&self) -> Arc<Vec<Key>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Signs an access token.
    ///
    /// # Errors
    /// See [`MintError`].
    pub fn mint(&self, grant: &Grant) -> Result<AccessToken, MintError> {
        let now = self.clock.now();
        let keys = self.keys();
        let spans: Vec<Span> = keys.iter().map(|key| key.span).collect();
        let current = Schedule::current(&spans, now);
        let key = keys
            .iter()
            .find(|key| Some(key.span.id) == current)
            .ok_or(MintError::NoKey)?;
        let expires_at = (now + self.token_life).min(grant.until).as_seconds();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: grant.user,
            sid: grant.session,
            pat: grant.token,
            role: grant.role,
            plan: grant.plan.clone(),
            scopes: grant.scopes.clone(),
            iat: now.as_seconds(),
            exp: expires_at,
        };
        let header = Header {
            kid: Some(key.span.id.to_string()),
            // RFC 9068, 2.1.
            typ: Some("at+jwt".to_owned()),
            ..Header::new(Algorithm::EdDSA)
        };
        let text = jsonwebtoken::encode(&header, &claims, &key.signing)?;
        Ok(AccessToken {
            text: text.into(),
            expires_at,
            expires_in: expires_at - now.as_seconds(),
        })
    }

    /// What is published: the keys that signed, sign and will sign.
    pub fn public(&self) -> JwkSet {
        let jwk = |key: &Key| Jwk {
            common: CommonParameters {
                public_key_use: Some(PublicKeyUse::Signature),
                key_algorithm: Some(KeyAlgorithm::EdDSA),
                key_id: Some(key.span.id.to_string()),
                ..CommonParameters::default()
            },
            algorithm: AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                key_type: OctetKeyPairType::OctetKeyPair,
                curve: EllipticCurve::Ed25519,
                x: key.public.clone(),
            }),
        };
        JwkSet {
            keys: self.keys().iter().map(jwk).collect(),
        }
    }
}

fn spans(rows: &[store::key::Model]) -> Vec<Span> {
    rows.iter()
        .map(|row| Span {
            id: row.id,
            active_from: row.active_from,
        })
        .collect()
}

fn place(id: KeyId) -> String {
    format!("signing_keys/{id}")
}

impl AccessToken {
    /// For the one answer that shows it.
    pub fn reveal(&self) -> String {
        self.text.expose_secret().to_owned()
    }
}
