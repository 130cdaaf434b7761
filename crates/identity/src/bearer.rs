//! The caller as a handler's argument.

use std::sync::Arc;

use contracts::id::{SessionId, TokenId, UserId};
use poem::{Request, http::StatusCode};
use poem_openapi::SecurityScheme;

use crate::{
    access::{self, Role, Scope},
    claims::Claims,
    verifier::Verifier,
};

/// A user whose token was verified and who may call this operation.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub user: UserId,
    /// The sign-in; absent for a personal access token.
    pub session: Option<SessionId>,
    /// The personal access token.
    pub token: Option<TokenId>,
    /// Global role.
    pub role: Role,
    /// Plan of the account.
    pub plan: String,
    /// Limits of the token; absent: none.
    pub scopes: Option<Vec<Scope>>,
}

impl From<&Claims> for Caller {
    fn from(claims: &Claims) -> Self {
        Self {
            user: claims.sub,
            session: claims.sid,
            token: claims.pat,
            role: claims.role,
            plan: claims.plan.clone(),
            scopes: claims.scopes.clone(),
        }
    }
}

/// An access token or, at the gateway, a personal access token: `Authorization: Bearer …` (RFC 6750).
///
/// A handler that takes it runs only for callers whom [`crate::access`] allows; others get 401 or 403.
#[derive(SecurityScheme)]
#[oai(rename = "bearer", ty = "bearer", bearer_format = "JWT", checker = "check")]
pub struct Bearer(pub Caller);

async fn check(request: &Request, bearer: poem_openapi::auth::Bearer) -> poem::Result<Caller> {
    let verifier = request
        .data::<Arc<Verifier>>()
        .ok_or_else(|| poem::Error::from_string("no token verifier is set up", StatusCode::INTERNAL_SERVER_ERROR))?;
    let claims = verifier.verify(&bearer.token).await.map_err(poem::Error::from)?;
    authorise(request, &claims)?;
    Ok(Caller::from(claims.as_ref()))
}

/// The token is good but not for this operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Forbidden(pub &'static str);

impl poem::error::ResponseError for Forbidden {
    fn status(&self) -> StatusCode {
        StatusCode::FORBIDDEN
    }
}

fn authorise(request: &Request, claims: &Claims) -> Result<(), Forbidden> {
    let pattern = request
        .data::<poem::PathPattern>()
        .map_or("", |pattern| pattern.0.as_ref());
    let access = access::of(request.method().as_str(), pattern).ok_or(Forbidden("nobody may call this operation"))?;
    if access.allows(claims.role, claims.scopes.as_deref()) {
        return Ok(());
    }
    Err(Forbidden(match access {
        access::Access::Session => "this operation needs a signed-in session, not a personal access token",
        access::Access::Role(_) => "this operation needs a higher global role, and a token with the scope admin",
        _ => "the token lacks the scope that this operation needs",
    }))
}
