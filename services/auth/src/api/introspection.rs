//! Token introspection (RFC 7662): what a credential is worth right now.
//!
//! The gateway asks for every credential and remembers the answer for a moment. A personal access token, or an access token
//! that says an old role or plan, is answered with a short-lived access token that says what holds now; the gateway passes
//! that one on. So services only ever see access tokens, and only auth knows the others.

use std::{sync::Arc, time::Duration};

use chassis::{Problem, http::json::Json};
use contracts::Timestamp;
use identity::{Claims, ServiceBearer, TokenError};
use poem_openapi::{Object, OpenApi, payload::Form, types::Example};
use serde::{Deserialize, Serialize};

use super::{Tag, user::Role};
use crate::{
    domain::{secret, session::SessionError},
    keyring::Grant,
    state::State,
    store::{
        self,
        introspection::{Holder, Personal},
    },
};

/// How exact `last_used_at` of a personal access token is.
const USE_NOTED: Duration = Duration::from_secs(60);

/// A credential to be looked at.
#[derive(Clone, Deserialize, Object)]
#[oai(example)]
pub struct Introspect {
    /// An access token or a personal access token.
    pub token: String,
    /// Not used.
    #[oai(default)]
    #[serde(default)]
    pub token_type_hint: Option<String>,
}

impl Example for Introspect {
    fn example() -> Self {
        Self {
            token: "cth_pat_example".to_owned(),
            token_type_hint: None,
        }
    }
}

opaque!(Introspect);

/// What a credential is worth.
#[derive(Clone, Default, Serialize, Deserialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct Introspection {
    /// Whether it is good; if not, nothing else is told.
    pub active: bool,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The personal access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pat: Option<String>,
    /// The user's role now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The user's plan now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// What it may be used for; absent: everything the user may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// When it ends, seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// What to pass on in its place; absent: the credential itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
}

impl Example for Introspection {
    fn example() -> Self {
        Self {
            active: true,
            sub: Some("usr_01k9xqt0vte0mbgkz9hm4rvw3e".to_owned()),
            sid: Some("ses_01k9xqt0vte0mbgkz9hm4rvw3e".to_owned()),
            role: Some(Role::User),
            plan: Some("free".to_owned()),
            exp: Some(1_794_562_200),
            ..Self::default()
        }
    }
}

opaque!(Introspection);

/// Operations for other services.
pub struct IntrospectionApi {
    /// What they need.
    pub state: Arc<State>,
}

#[OpenApi]
impl IntrospectionApi {
    /// Say what a credential is worth right now. For other services.
    #[oai(
        path = "/v1/auth/introspect",
        method = "post",
        operation_id = "introspect",
        tag = "Tag::Services"
    )]
    async fn introspect(
        &self,
        _service: ServiceBearer,
        body: Form<Introspect>,
    ) -> Result<Json<Introspection>, Problem> {
        let token = &body.0.token;
        if token.starts_with(secret::PERSONAL) {
            return Ok(Json(self.personal(token).await?));
        }
        match self.state.verifier.verify(token).await {
            Ok(claims) => Ok(Json(self.access(&claims).await?)),
            Err(error @ TokenError::Unavailable) => Err(Problem::unavailable(
                "tokens-unverifiable",
                error.to_string(),
                Duration::from_secs(1),
            )),
            Err(TokenError::Invalid | TokenError::Personal | TokenError::Refresh) => Ok(Json(Introspection::default())),
        }
    }
}

impl IntrospectionApi {
    async fn access(&self, claims: &Claims) -> Result<Introspection, SessionError> {
        let (db, now) = (self.state.db.read(), self.state.clock.now());
        let holder = match (claims.sid, claims.pat) {
            (Some(session), _) => store::introspection::session(db, session, claims.sub, now).await?,
            (None, Some(token)) => {
                let personal = store::introspection::personal_by_id(db, token, now).await?;
                personal
                    .map(|personal| personal.holder)
                    .filter(|holder| holder.user == claims.sub)
            }
            (None, None) => None,
        };
        let Some(holder) = holder else {
            return Ok(Introspection::default());
        };
        let mut answer = Introspection {
            active: true,
            sub: Some(claims.sub.to_string()),
            sid: claims.sid.map(|id| id.to_string()),
            pat: claims.pat.map(|id| id.to_string()),
            role: Some(holder.role.into()),
            plan: Some(holder.plan.clone()),
            scopes: claims
                .scopes
                .as_ref()
                .map(|scopes| scopes.iter().map(|scope| scope.name().to_owned()).collect()),
            exp: Some(claims.exp),
            access_token: None,
        };
        if holder.role != claims.role || holder.plan != claims.plan {
            let grant = Grant {
                user: claims.sub,
                session: claims.sid,
                token: claims.pat,
                role: holder.role,
                plan: holder.plan,
                scopes: claims.scopes.clone(),
                until: Timestamp::from_micros(claims.exp.saturating_mul(1_000_000)),
            };
            answer.access_token = Some(self.state.keyring.mint(&grant)?.reveal());
        }
        Ok(answer)
    }

    async fn personal(&self, token: &str) -> Result<Introspection, SessionError> {
        let now = self.state.clock.now();
        let found = store::introspection::personal(self.state.db.read(), &secret::digest(token), now).await?;
        let Some(personal) = found else {
            return Ok(Introspection::default());
        };
        let Personal {
            id,
            holder: Holder { user, role, plan },
            scopes,
            expires_at,
            last_used_at,
        } = personal;
        if last_used_at.is_none_or(|at| now.since(at) >= USE_NOTED) {
            self.state
                .db
                .write(async |tx| store::token::used(tx, id, now).await)
                .await?;
        }
        let names = scopes.iter().map(|scope| scope.name().to_owned()).collect();
        let grant = Grant {
            user,
            session: None,
            token: Some(id),
            role,
            plan: plan.clone(),
            scopes: Some(scopes),
            until: expires_at,
        };
        let access = self.state.keyring.mint(&grant)?;
        Ok(Introspection {
            active: true,
            sub: Some(user.to_string()),
            sid: None,
            pat: Some(id.to_string()),
            role: Some(role.into()),
            plan: Some(plan),
            scopes: Some(names),
            exp: Some(access.expires_at),
            access_token: Some(access.reveal()),
        })
    }
}
