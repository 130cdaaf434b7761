//! What happens to every request, in one place and in this order: span, deadline, body limit, the operation, errors as
//! problems, headers, metrics.
//!
//! Metrics name the operation by the [`PathPattern`] in the answer's data, as poem's router leaves it there. An operation
//! that routes by itself (the gateway's) sets it.
//!
//! It is one endpoint rather than a pile of middlewares: each of poem's layers boxes and moves the request again, and the
//! order of a pile is easily got wrong. A panic in a handler is a 500 like any other. A request that is dropped because its
//! client went away or its deadline passed rolls its transaction back.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt;
use identity::Verifier;
use poem::{
    Endpoint, PathPattern, Request, Response,
    endpoint::BoxEndpoint,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
};
use prometheus_client::registry::Registry;
use tracing::Instrument;

use super::{
    body,
    client::ClientAddress,
    compress, cors,
    deadline::{self, Deadline},
    document::Served,
    fault,
    json::BodyLimit,
    measure::{self, Measure, Route},
    operations::Operations,
    problem::Problem,
};
use crate::{service::Api, settings, telemetry};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers of an API load nothing, are shown in no frame and guessed at by no browser.
const SECURITY: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// A service's API with everything around it.
pub struct Stack {
    service: &'static str,
    api: BoxEndpoint<'static, Response>,
    document: Served,
    operations: Operations,
    verifier: Arc<Verifier>,
    settings: settings::Http,
    measure: Measure,
    /// Label of requests that no operation took.
    nowhere: Route,
}

impl Stack {
    /// Puts everything around `api` of the service named `service`.
    pub fn new(
        service: &'static str,
        api: Api,
        verifier: Arc<Verifier>,
        settings: settings::Http,
        metrics: &mut Registry,
    ) -> Self {
        Self {
            service,
            document: Served::new(&api.document),
            operations: Operations::new(&api.document),
            api: api.endpoint,
            verifier,
            settings,
            measure: Measure::register(metrics),
            nowhere: Route("".into()),
        }
    }

    async fn answer(&self, mut request: Request) -> Result<Response, Problem> {
        let own = match request.uri().path() {
            "/health" => Some(
                Response::builder()
                    .content_type("application/json")
                    .body(r#"{"status":"ok"}"#),
            ),
            "/openapi.json" => Some(self.document.json()),
            "/docs" | "/docs/" => Some(self.document.page()),
            _ => None,
        };
        if let Some(answer) = own {
            return match *request.method() {
                Method::GET | Method::HEAD => Ok(answer),
                _ => Err(fault::method_not_allowed().with_header(header::ALLOW, "GET, HEAD")),
            };
        }
        if request.method() == Method::OPTIONS {
            let allow = self
                .operations
                .methods(request.uri().path())
                .ok_or_else(fault::no_such_path)?;
            return Ok(Response::builder()
                .status(StatusCode::NO_CONTENT)
                .header(header::ALLOW, allow)
                .finish());
        }
        let (longest, largest) = if self.operations.takes_upload(request.method(), request.uri().path()) {
            (self.settings.upload_deadline, self.settings.upload_limit)
        } else {
            (self.settings.deadline, self.settings.body_limit)
        };
        let time = deadline::of(&request, longest)?;
        body::limit(&mut request, largest)?;
        request.set_data(ClientAddress::of(&request, &self.settings.trusted_proxies));
        request.set_data(Arc::clone(&self.verifier));
        request.set_data(BodyLimit(self.settings.body_limit));
        request.set_data(Deadline::after(time));
        let (method, path) = (request.method().clone(), request.uri().clone());
        let call = AssertUnwindSafe(self.api.call(request)).catch_unwind();
        match tokio::time::timeout(time, call).await {
            Ok(Ok(Ok(response))) => Ok(response),
            Ok(Ok(Err(error))) => {
                let pattern = error.data::<PathPattern>().cloned();
                let expected = |name: &str| self.operations.expected(&method, path.path(), name).to_owned();
                let mut problem = fault::problem(error, expected);
                if problem.status() == StatusCode::METHOD_NOT_ALLOWED
                    && let Some(allow) = self.operations.methods(path.path())
                {
                    problem = problem.with_header(header::ALLOW, allow);
                }
                Err(problem.at(pattern))
            }
            Ok(Err(_)) => Err(Problem::panicked()),
            Err(_) => Err(deadline::passed(time)),
        }
    }

    /// Tells the problem to the client and what is behind it to us: the one place that logs it.
    fn tell(&self, problem: &Problem) -> Response {
        self.measure.problem(problem.kind(), problem.status());
        match problem.cause() {
            Some(cause) => {
                let error = messaging::worker::chain(cause);
                tracing::error!(
                    kind = problem.kind(),
                    status = problem.status().as_u16(),
                    error,
                    "the request failed"
                );
            }
            None => tracing::debug!(kind = problem.kind(), status = problem.status().as_u16(), "refused"),
        }
        problem.render(telemetry::trace_id().map(|id| id.to_string()))
    }

    async fn observed(&self, request: Request, method: &'static str) -> Response {
        let started = Instant::now();
        let _active = self.measure.begin();
        let trace = telemetry::span_context();
        let id = request_id(&request, trace.as_ref());
        let compressible = compress::accepted(&request);
        let origin = cors::origin(&request, &self.settings.cors_origins);
        let preflight = origin.is_some().then(|| cors::preflight(&request)).flatten();

        let answer = match preflight {
            Some(answer) => Ok(answer),
            None => self.answer(request).await,
        };
        let (mut response, pattern) = match answer {
            Ok(response) => {
                let pattern = response.data::<PathPattern>().cloned();
                // A problem that was made an answer before it came here lacks the trace, and was not logged.
                match response.data::<Problem>().cloned() {
                    Some(problem) => (self.tell(&problem), pattern),
                    None => (response, pattern),
                }
            }
            Err(problem) => (self.tell(&problem), problem.pattern().cloned()),
        };

        let headers = response.headers_mut();
        for (name, value) in &SECURITY {
            if !headers.contains_key(name) {
                headers.insert(name, value.clone());
            }
        }
        if let Some(id) = id {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(origin) = origin {
            cors::allow(&mut response, origin);
        }
        if compressible {
            response = compress::compress(response);
        }

        let route = pattern.map_or_else(|| self.nowhere.clone(), |pattern| Route(pattern.0));
        let (status, took) = (response.status(), started.elapsed());
        let span = tracing::Span::current();
        span.record("http.response.status_code", status.as_u16());
        if !route.0.is_empty() {
            span.record("http.route", &*route.0);
        }
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        tracing::debug!(
            method,
            route = &*route.0,
            status = status.as_u16(),
            duration_us = took.as_micros(),
            "answered"
        );
        let sampled = trace.filter(|trace| trace.is_sampled()).map(|trace| trace.trace_id());
        self.measure
            .answered(route, method, status, took.as_secs_f64(), sampled);
        response
    }
}

impl Endpoint for Stack {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let method = measure::method(request.method());
        let span = tracing::info_span!(
            "request",
            otel.kind = "server",
            otel.status_code = tracing::field::Empty,
            service = self.service,
            http.request.method = method,
            http.route = tracing::field::Empty,
            http.response.status_code = tracing::field::Empty,
        );
        telemetry::continue_trace(&span, request.headers());
        Ok(self.observed(request, method).instrument(span).await)
    }
}

/// The caller's id of the request when it is sane, else the trace's.
fn request_id(request: &Request, trace: Option<&opentelemetry::trace::SpanContext>) -> Option<HeaderValue> {
    let sane = |value: &&HeaderValue| {
        (1..=128).contains(&value.len())
            && value
                .as_bytes()
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    };
    let given = request.headers().get(REQUEST_ID).filter(sane).cloned();
    given.or_else(|| HeaderValue::from_str(&trace?.trace_id().to_string()).ok())
}
