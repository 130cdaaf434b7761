//! The key that tests sign access tokens with, and the key set that a service under test reads.

use std::sync::{Arc, OnceLock, Weak};

use async_trait::async_trait;
use aws_lc_rs::signature::Ed25519KeyPair;
use contracts::id::KeyId;
use identity::{Claims, KeySource};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{Jwk, JwkSet},
};
use poem::Request;

use crate::service::App;

pub(crate) struct Keys {
    id: String,
    signing: EncodingKey,
    public: Jwk,
}

impl Keys {
    pub(crate) fn generate() -> Self {
        let pair = Ed25519KeyPair::generate().expect("a key pair");
        let document = pair.to_pkcs8v1().expect("the key pair as PKCS #8");
        let signing = EncodingKey::from_ed_der(document.as_ref());
        let mut public = Jwk::from_encoding_key(&signing, Algorithm::EdDSA).expect("the public key as JWK");
        let id = KeyId::new().to_string();
        public.common.key_id = Some(id.clone());
        Self { id, signing, public }
    }

    pub(crate) fn sign(&self, claims: &Claims) -> String {
        let header = Header {
            kid: Some(self.id.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        jsonwebtoken::encode(&header, claims, &self.signing).expect("a signed token")
    }

    pub(crate) fn public(&self) -> Jwk {
        self.public.clone()
    }
}

/// The tests' key, and the keys that the service itself publishes, if it does: those of auth, read as others read them.
pub(crate) struct TestKeys {
    pub(crate) ours: Jwk,
    pub(crate) app: Arc<OnceLock<Weak<App>>>,
}

#[async_trait]
impl KeySource for TestKeys {
    async fn keys(&self) -> Result<JwkSet, Box<dyn std::error::Error + Send + Sync>> {
        let mut set = JwkSet {
            keys: vec![self.ours.clone()],
        };
        let path = "/.well-known/jwks.json";
        if let Some(app) = self.app.get().and_then(Weak::upgrade)
            && !app.document["paths"][path].is_null()
        {
            let answer = app
                .call(Request::builder().uri(poem::http::Uri::from_static(path)).finish())
                .await;
            let published: JwkSet = serde_json::from_slice(&answer.into_body().into_bytes().await?)?;
            set.keys.extend(published.keys);
        }
        Ok(set)
    }
}
