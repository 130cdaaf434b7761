//! What others need to verify access tokens: the public keys (RFC 7517) and where everything is (OpenID Connect Discovery).

use std::sync::Arc;

use chassis::http::json::Json;
use jsonwebtoken::jwk::AlgorithmParameters;
use poem_openapi::{Object, OpenApi, payload::Response, types::Example};
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::state::State;

/// How long a copy may be used: less than what verifiers wait for a new key, far less than keys overlap.
const CACHE: &str = "public, max-age=60";

/// Public keys.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct KeySet {
    /// Those that signed, sign, and will sign.
    pub keys: Vec<PublicKey>,
}

impl Example for KeySet {
    fn example() -> Self {
        let key = |text: &str| text.to_owned();
        Self {
            keys: vec![PublicKey {
                kty: key("OKP"),
                crv: key("Ed25519"),
                usage: key("sig"),
                alg: key("EdDSA"),
                kid: key("key_01k9xqt0vte0mbgkz9hm4rvw3e"),
                x: key("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
            }],
        }
    }
}

/// A public key (RFC 8037).
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct PublicKey {
    /// `OKP`
    pub kty: String,
    /// `Ed25519`
    pub crv: String,
    /// `sig`
    #[serde(rename = "use")]
    #[oai(rename = "use")]
    pub usage: String,
    /// `EdDSA`
    pub alg: String,
    /// What the header of a token names.
    pub kid: String,
    /// The key, base64url.
    pub x: String,
}

/// Where everything is.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Discovery {
    /// What `iss` of every access token says.
    pub issuer: String,
    /// Where the public keys are.
    pub jwks_uri: String,
    /// Where refresh tokens are exchanged.
    pub token_endpoint: String,
    /// Where services ask what a credential is worth.
    pub introspection_endpoint: String,
    /// Scopes of personal access tokens.
    pub scopes_supported: Vec<String>,
    /// None: there is no authorization endpoint.
    pub response_types_supported: Vec<String>,
    /// `public`
    pub subject_types_supported: Vec<String>,
    /// `EdDSA`
    pub id_token_signing_alg_values_supported: Vec<String>,
}

impl Discovery {
    fn at(issuer: &str, public_url: &str) -> Self {
        let at = |path: &str| format!("{}{path}", public_url.trim_end_matches('/'));
        Self {
            issuer: issuer.to_owned(),
            jwks_uri: at("/.well-known/jwks.json"),
            token_endpoint: at("/v1/auth/refresh"),
            introspection_endpoint: at("/v1/auth/introspect"),
            scopes_supported: identity::Scope::ALL.map(|scope| scope.name().to_owned()).to_vec(),
            response_types_supported: Vec::new(),
            subject_types_supported: vec!["public".to_owned()],
            id_token_signing_alg_values_supported: vec!["EdDSA".to_owned()],
        }
    }
}

impl Example for Discovery {
    fn example() -> Self {
        Self::at("https://auth.example.com", "https://auth.example.com")
    }
}

/// Operations on keys.
pub struct KeyApi {
    /// What they need.
    pub state: Arc<State>,
}

#[OpenApi]
impl KeyApi {
    /// Read the keys that access tokens are verified with.
    #[oai(
        path = "/.well-known/jwks.json",
        method = "get",
        operation_id = "getKeys",
        tag = "Tag::Services"
    )]
    async fn get_keys(&self) -> Response<Json<KeySet>> {
        let keys = self.state.keyring.public().keys.into_iter().filter_map(|jwk| {
            let AlgorithmParameters::OctetKeyPair(parameters) = jwk.algorithm else {
                return None;
            };
            Some(PublicKey {
                kty: "OKP".to_owned(),
                crv: "Ed25519".to_owned(),
                usage: "sig".to_owned(),
                alg: "EdDSA".to_owned(),
                kid: jwk.common.key_id?,
                x: parameters.x,
            })
        });
        Response::new(Json(KeySet { keys: keys.collect() })).header("cache-control", CACHE)
    }

    /// Read where everything is.
    #[oai(
        path = "/.well-known/openid-configuration",
        method = "get",
        operation_id = "getConfiguration",
        tag = "Tag::Services"
    )]
    async fn get_configuration(&self) -> Response<Json<Discovery>> {
        let settings = &self.state.settings;
        Response::new(Json(Discovery::at(&settings.issuer, &settings.public_url))).header("cache-control", CACHE)
    }
}
