//! Issues tokens as auth does, and as attackers would.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use contracts::{
    Timestamp,
    id::{SessionId, UserId},
};
use identity::{Claims, KeySource, Role, Verifier};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::JwkSet};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://auth.example";
pub(crate) const AUDIENCE: &str = "cloudtaskhub";

/// A signing key.
pub(crate) struct Key {
    pub(crate) kid: String,
    pub(crate) pair: Ed25519KeyPair,
}

impl Key {
    pub(crate) fn new(kid: &str) -> Self {
        Self {
            kid: kid.to_owned(),
            pair: Ed25519KeyPair::generate().unwrap(),
        }
    }

    pub(crate) fn public(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.pair.public_key())
    }

    pub(crate) fn jwk(&self) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid, "x": self.public() })
    }

    /// A token with this header and payload, rightly signed whatever they say.
    pub(crate) fn sign_raw(&self, header: &Value, payload: &Value) -> String {
        let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap());
        let text = format!("{}.{}", encode(header), encode(payload));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.pair.sign(text.as_bytes()));
        format!("{text}.{signature}")
    }

    pub(crate) fn sign(&self, claims: &Claims) -> String {
        let der = self.pair.to_pkcs8v1().unwrap();
        let header = Header {
            kid: Some(self.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(der.as_ref())).unwrap()
    }
}

/// What a good token says.
pub(crate) fn claims() -> Claims {
    let now = Timestamp::now().as_seconds();
    Claims {
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: UserId::new(),
        sid: Some(SessionId::new()),
        pat: None,
        role: Role::User,
        plan: "free".to_owned(),
        scopes: None,
        iat: now,
        exp: now + 600,
    }
}

/// A set of keys that a test changes, and that counts how often it is read.
#[derive(Clone, Default)]
pub(crate) struct Published {
    keys: Arc<Mutex<Option<Vec<Value>>>>,
    reads: Arc<AtomicUsize>,
}

impl Published {
    pub(crate) fn of(keys: &[&Key]) -> Self {
        let published = Self::default();
        published.set(keys);
        published
    }

    pub(crate) fn set(&self, keys: &[&Key]) {
        self.set_raw(keys.iter().map(|key| key.jwk()).collect());
    }

    pub(crate) fn set_raw(&self, keys: Vec<Value>) {
        *self.keys.lock().unwrap() = Some(keys);
    }

    pub(crate) fn take_away(&self) {
        *self.keys.lock().unwrap() = None;
    }

    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    pub(crate) fn verifier(&self) -> Verifier {
        Verifier::new(self.clone(), ISSUER, AUDIENCE)
    }
}

#[async_trait::async_trait]
impl KeySource for Published {
    async fn keys(&self) -> Result<JwkSet, Box<dyn std::error::Error + Send + Sync>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let keys = self.keys.lock().unwrap().clone().ok_or("auth is down")?;
        Ok(serde_json::from_value(json!({ "keys": keys }))?)
    }
}
