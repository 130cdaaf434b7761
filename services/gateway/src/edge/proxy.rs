//! What happens to every request at the edge, in this order: limit of the address, route, credential, permission, limit of
//! the user, and on to the service or to the gateway's own operation.
//!
//! The cheap checks come first, and nothing is read of a body before all of them. The table of permissions is looked at
//! here already, for an early 401 or 403; the services check again, and what depends on their data only they can check.

use std::{net::IpAddr, sync::Arc, time::Duration};

use chassis::{
    Clock, Problem,
    http::{ClientAddress, Deadline},
};
use identity::Access;
use ipnet::IpNet;
use poem::{
    Addr, Body, Endpoint, IntoResponse, PathPattern, Request, Response,
    endpoint::BoxEndpoint,
    error::{MethodNotAllowedError, NotFoundError, ReadBodyError},
    http::{HeaderMap, HeaderValue, StatusCode, header, uri::PathAndQuery},
    web::RemoteAddr,
};

use super::{
    body::Streamed,
    forwarded::{self, Source},
    introspection::{Credential, Introspector, Unknown},
    limit::{Exceeded, Guard, Key, Limit, Limits, Standing},
    meters::Meters,
    throttle::Throttled,
    upstream::{Call, CallError, Outgoing, Upstreams},
};
use crate::domain::route::{OWN, Route, Table};

/// The answer to the client has to leave before its time is over: a part of the time is kept back for that.
const KEPT_BACK: Duration = Duration::from_millis(20);

/// See the head of the file.
pub struct Edge {
    /// Which service answers what.
    pub routes: Table,
    /// The services.
    pub upstreams: Upstreams,
    /// Whose a credential is.
    pub introspector: Arc<Introspector>,
    /// How often.
    pub limits: Limits,
    /// Who was told to slow down.
    pub throttled: Throttled,
    /// The gateway's own operations.
    pub own: BoxEndpoint<'static, Response>,
    /// Networks that are believed about the client.
    pub trusted: Vec<IpNet>,
    /// The time.
    pub clock: Clock,
    /// Measures.
    pub meters: Arc<Meters>,
}

impl Endpoint for Edge {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let source = source(&request);
        let address = Key::address(source.client);
        self.count(self.limits.address.as_ref(), address)?;
        let route = self.routes.find(request.uri().path()).ok_or(NotFoundError)?;
        let pattern = PathPattern(Arc::clone(&route.template));
        let mut answer = self
            .guarded(&mut request, route, source, address)
            .await
            .map_err(|mut error| {
                error.set_data(pattern.clone());
                error
            })?;
        answer.set_data(pattern);
        Ok(answer)
    }
}

impl Edge {
    async fn guarded(
        &self,
        request: &mut Request,
        route: &Route,
        source: Source,
        address: Key,
    ) -> poem::Result<Response> {
        let access = route.access(request.method()).ok_or(MethodNotAllowedError)?;
        let guard = Guard::of(&route.template);
        let failures = self.limits.sign_in.as_ref().filter(|_| guard == Guard::SignIn);
        if let Some(limit) = failures {
            limit
                .check_failures(address)
                .map_err(|exceeded| self.too_many(limit, address, exceeded))?;
        }
        let account = if guard == Guard::Account {
            self.count(self.limits.account.as_ref(), address)?
        } else {
            None
        };
        let credential = self.credential(request, access, address).await?;
        let client = match &credential {
            Some(credential) => self.count_user(credential)?,
            None => None,
        };
        let request = std::mem::take(request);
        let mut answer = match route.service {
            OWN => self.own(request, credential).await,
            service => self.forward(request, service, source).await,
        }?;
        if let Some(limit) = failures
            && answer.status().is_client_error()
            && answer.status() != StatusCode::TOO_MANY_REQUESTS
        {
            limit.count_failure(address);
        }
        if let Some((limit, standing)) = account.or(client) {
            limit.tell(answer.headers_mut(), &standing);
        }
        Ok(answer)
    }

    /// Who asks; `None` where nobody needs to know. What is passed on of the credential is in its place afterwards.
    async fn credential(
        &self,
        request: &mut Request,
        access: Access,
        address: Key,
    ) -> Result<Option<Arc<Credential>>, Problem> {
        if access == Access::Public {
            // Not needed, so it goes no further.
            request.headers_mut().remove(header::AUTHORIZATION);
            return Ok(None);
        }
        if let Some(limit) = &self.limits.bad_token {
            limit
                .check_failures(address)
                .map_err(|exceeded| self.too_many(limit, address, exceeded))?;
        }
        let token = bearer(request.headers())?;
        let credential = match self.introspector.introspect(token).await {
            Ok(credential) => credential,
            Err(Unknown::Invalid) => {
                if let Some(limit) = &self.limits.bad_token {
                    limit.count_failure(address);
                }
                let detail = "the access token is invalid, was revoked or has expired; sign in again or refresh it";
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                let problem = Problem::new(StatusCode::UNAUTHORIZED, "invalid-token", detail);
                return Err(problem.with_header(header::WWW_AUTHENTICATE, challenge));
            }
            Err(Unknown::Unavailable(reason)) => {
                tracing::warn!(reason, "a credential cannot be checked");
                let detail = "credentials cannot be checked at the moment; try again shortly";
                return Err(Problem::unavailable(
                    "credentials-unverifiable",
                    detail,
                    Duration::from_secs(1),
                ));
            }
        };
        if !access.allows(credential.role, credential.scopes.as_deref()) {
            return Err(Problem::forbidden(
                "forbidden",
                match access {
                    Access::Session => "this operation needs a signed-in session, not a personal access token",
                    Access::Role(_) => "this operation needs a higher global role, and a token with the scope admin",
                    Access::User(_) => "the token lacks the scope that this operation needs",
                    Access::Public | Access::Service => "nobody may call this operation",
                },
            ));
        }
        if let Some(authorization) = &credential.authorization {
            request
                .headers_mut()
                .insert(header::AUTHORIZATION, authorization.clone());
        }
        Ok(Some(credential))
    }

    async fn own(&self, mut request: Request, credential: Option<Arc<Credential>>) -> poem::Result<Response> {
        if let Some(credential) = credential {
            request.set_data(credential);
        }
        self.own.call(request).await
    }

    async fn forward(&self, request: Request, service: &'static str, source: Source) -> poem::Result<Response> {
        let upstream = self.upstreams.of(service).ok_or(NotFoundError)?;
        if forwarded::loops(request.headers()) {
            let detail = "this request was here before: the address of a service leads back to the gateway";
            return Err(Problem::new(StatusCode::LOOP_DETECTED, "loop-detected", detail).into());
        }
        let left = request
            .data::<Deadline>()
            .map_or(Duration::from_secs(10), Deadline::left);
        let (parts, body) = request.into_parts();
        let mut headers = parts.headers;
        forwarded::end_hop(&mut headers);
        forwarded::tell_source(&mut headers, source, &self.trusted);
        forwarded::add_via(&mut headers);
        let body = if body.is_empty() {
            Outgoing::Empty
        } else {
            Outgoing::Once(body.into(), Arc::default())
        };
        let path = parts
            .uri
            .path_and_query()
            .cloned()
            .unwrap_or(PathAndQuery::from_static("/"));
        let call = Call {
            method: parts.method,
            path,
            headers,
            body,
            time: left - KEPT_BACK.min(left / 10),
        };
        let response = upstream.send(call).await.map_err(failed)?;
        Ok(answer(response))
    }

    /// Counts a request; `None` when there is no such limit.
    fn count<'a>(&'a self, limit: Option<&'a Limit>, key: Key) -> Result<Option<(&'a Limit, Standing)>, Problem> {
        let Some(limit) = limit else { return Ok(None) };
        let standing = limit
            .count(key)
            .map_err(|exceeded| self.too_many(limit, key, exceeded))?;
        Ok(Some((limit, standing)))
    }

    /// Counts a request of a user: by their plan where its rate is known.
    fn count_user(&self, credential: &Credential) -> Result<Option<(&Limit, Standing)>, Problem> {
        let key = Key::User(credential.user);
        let Some(rate) = credential.rate else {
            return self.count(self.limits.client.as_ref(), key);
        };
        let limit = &self.limits.plan;
        let counted = limit.count_by(key, rate);
        let standing = counted.map_err(|exceeded| self.too_many(limit, key, exceeded))?;
        Ok(Some((limit, standing)))
    }

    fn too_many(&self, limit: &Limit, key: Key, exceeded: Exceeded) -> Problem {
        self.meters.throttled(limit.name());
        self.throttled.note(key, limit.name(), self.clock.now());
        let detail = "too many requests; wait as long as Retry-After says";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail);
        let told = limit.told(&exceeded);
        told.into_iter()
            .fold(problem, |problem, (name, value)| problem.with_header(name, value))
            .with_retry_after(exceeded.wait)
    }
}

/// Where a request came from.
fn source(request: &Request) -> Source {
    let remote = request.data::<RemoteAddr>().unwrap_or(request.remote_addr());
    let peer = match &remote.0 {
        Addr::SocketAddr(address) => Some(address.ip().to_canonical()),
        _ => None,
    };
    let client = request.data::<ClientAddress>().map(|client| client.0);
    let here = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    Source {
        peer,
        client: client.or(peer).unwrap_or(here),
    }
}

/// The token in `Authorization` (RFC 6750, 2.1).
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = value
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let token = token.map(|(_, token)| token.trim()).filter(|token| !token.is_empty());
    token.ok_or_else(|| {
        let detail = "sign in and send Authorization: Bearer ACCESS_TOKEN";
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail);
        problem.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    })
}

/// An upstream's answer as ours.
fn answer(response: poem::http::Response<Streamed>) -> Response {
    let (parts, body) = response.into_parts();
    let mut answer = Body::from(body).into_response();
    answer.set_status(parts.status);
    *answer.headers_mut() = parts.headers;
    forwarded::end_hop(answer.headers_mut());
    forwarded::add_via(answer.headers_mut());
    answer
}

/// What the client is told when there is no answer.
fn failed(error: CallError) -> poem::Error {
    match error {
        // The chassis knows a body over its limit from one that broke off.
        CallError::Body { source, .. } => ReadBodyError::Io(source).into(),
        error => unanswered(&error).into(),
    }
}

/// The same as a problem.
pub fn unanswered(error: &CallError) -> Problem {
    let told = match error {
        CallError::Open { upstream, wait } => {
            let detail = format!("{upstream} does not work at the moment and is left alone for a while");
            return Problem::unavailable("upstream-unavailable", detail, *wait);
        }
        CallError::Lost { upstream, .. } => {
            let detail = format!("{upstream} cannot be reached, or broke off; a change may or may not have been made");
            Problem::new(StatusCode::BAD_GATEWAY, "upstream-unreachable", detail)
                .with_retry_after(Duration::from_secs(1))
        }
        CallError::Late { upstream, after } => {
            let detail = format!(
                "{upstream} did not answer within {} ms; a change may or may not have been made",
                after.as_millis()
            );
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "upstream-timeout", detail)
        }
        CallError::Body { .. } => Problem::malformed("the body broke off before it was whole"),
    };
    tracing::warn!(error = %chassis::worker::chain(error), "a call failed");
    told
}
