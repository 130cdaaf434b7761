//! Another service as the caller: the secret that the two share.

use poem::{Request, http::StatusCode};
use poem_openapi::SecurityScheme;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The secrets that services may show each other, two while one is exchanged; set it as request data.
#[derive(Clone)]
pub struct ServiceSecret(pub Vec<SecretString>);

/// The caller knows the secret.
#[derive(Debug, Clone, Copy)]
pub struct KnowsSecret;

/// `Authorization: Bearer <introspection secret>`: for calls between services only.
#[derive(SecurityScheme)]
#[oai(rename = "service", ty = "bearer", checker = "check")]
pub struct ServiceBearer(pub KnowsSecret);

/// The secret is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this operation is for other services; the secret is not the one they share")]
pub struct WrongSecret;

impl poem::error::ResponseError for WrongSecret {
    fn status(&self) -> StatusCode {
        StatusCode::UNAUTHORIZED
    }
}

async fn check(request: &Request, bearer: poem_openapi::auth::Bearer) -> poem::Result<KnowsSecret> {
    let secret = request
        .data::<ServiceSecret>()
        .ok_or_else(|| poem::Error::from_string("no service secret is set up", StatusCode::INTERNAL_SERVER_ERROR))?;
    if secret.matches(&bearer.token) {
        Ok(KnowsSecret)
    } else {
        Err(WrongSecret.into())
    }
}

impl ServiceSecret {
    /// Whether `shown` is one of the secrets, in a time that tells nothing about them.
    pub fn matches(&self, shown: &str) -> bool {
        // Digests have one length, so that the comparison does not tell the secret's either.
        let theirs = Sha256::digest(shown.as_bytes());
        let same = |ours: &SecretString| Sha256::digest(ours.expose_secret().as_bytes()).ct_eq(&theirs);
        self.0.iter().fold(Choice::from(0), |any, ours| any | same(ours)).into()
    }
}
