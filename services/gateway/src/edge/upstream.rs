//! One service behind the gateway: its connections, its circuit breaker, its retry budget.
//!
//! Everything that the gateway asks of a service goes through [`Upstream::send`]: proxied requests, introspection, the
//! parts of the overview. So one dead service costs each of them one refusal, not a timeout.
//!
//! hyper's pooled client is used as it is, because a request passes through unchanged: reqwest would read the address into
//! a URL and write it again, and so change what a client's path means.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chassis::http::deadline;
use hyper_util::{
    client::legacy::{Client, Error as ClientError, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use poem::http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
    uri::{PathAndQuery, Scheme},
};
use tokio::time::Instant;
use tracing::Instrument;

use super::{
    body::{Streamed, Trouble, Watched, take_trouble},
    meters::{Meters, UpstreamMeters},
};
use crate::{
    domain::{
        breaker::{Breaker, Outcome, Permit, State},
        retry::{self, Budget},
    },
    settings::{Address, GatewaySettings},
};

/// A call.
pub struct Call {
    /// How.
    pub method: Method,
    /// What.
    pub path: PathAndQuery,
    /// With which headers; those of this hop are added.
    pub headers: HeaderMap,
    /// With which body.
    pub body: Outgoing,
    /// How long it may take until the answer begins.
    pub time: Duration,
}

/// The body of a call.
pub enum Outgoing {
    /// None: such a call can be repeated.
    Empty,
    /// Sent once, as it comes. What goes wrong with it is remembered.
    Once(Streamed, Trouble),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The service fails; it is left alone for a while.
    #[error("the circuit breaker of {upstream} is open")]
    Open {
        /// Which service.
        upstream: &'static str,
        /// For how long.
        wait: Duration,
    },
    /// No connection, or a connection that was lost.
    #[error("{upstream} cannot be reached")]
    Lost {
        /// Which service.
        upstream: &'static str,
        /// Why.
        source: ClientError,
    },
    /// No answer in time.
    #[error("{upstream} did not answer within {} ms", after.as_millis())]
    Late {
        /// Which service.
        upstream: &'static str,
        /// How long it had.
        after: Duration,
    },
    /// The caller's body could not be read to its end.
    #[error("the body that was to be sent to {upstream} broke off")]
    Body {
        /// Which service.
        upstream: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// See the head of the file.
pub struct Upstream {
    address: Address,
    client: Client<HttpConnector, Streamed>,
    state: Mutex<(Breaker, Budget)>,
    retry: retry::Rules,
    patience: Duration,
    stall: Duration,
    meters: UpstreamMeters,
}

impl Upstream {
    /// The service at `address`.
    pub fn new(address: Address, settings: &GatewaySettings, meters: &Meters) -> Arc<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(settings.proxy.connect));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(settings.proxy.pool_idle)
            .pool_max_idle_per_host(settings.proxy.pool)
            .build(connector);
        Arc::new(Self {
            meters: meters.upstream(address.service),
            address,
            client,
            state: Mutex::new((Breaker::new(settings.breaker), Budget::new(&settings.retry))),
            retry: settings.retry,
            patience: settings.patience,
            stall: settings.proxy.stall,
        })
    }

    /// Which service.
    pub fn name(&self) -> &'static str {
        self.address.service
    }

    /// Makes a call; repeats it where that is harmless and may help.
    ///
    /// # Errors
    /// When there is no answer. An answer that says that the service cannot is an answer.
    pub async fn send(self: &Arc<Self>, mut call: Call) -> Result<Response<Streamed>, CallError> {
        let deadline = Instant::now() + call.time;
        call.headers.insert(header::HOST, self.address.host.clone());
        propagate(&mut call.headers);
        let repeatable = matches!(call.body, Outgoing::Empty) && retry::idempotent(&call.method);
        self.locked(|(_, budget)| budget.call());
        let mut retries = 0;
        loop {
            let (again, body) = match std::mem::replace(&mut call.body, Outgoing::Empty) {
                Outgoing::Empty if repeatable => (Some(call.headers.clone()), Outgoing::Empty),
                body => (None, body),
            };
            let request = self.request(&call.method, &call.path, std::mem::take(&mut call.headers), deadline);
            let result = self.attempt(request, body, deadline).await;
            let failed = match &result {
                Ok(response) => retry::unable(response.status()),
                Err(CallError::Lost { .. }) => true,
                Err(CallError::Open { .. } | CallError::Late { .. } | CallError::Body { .. }) => false,
            };
            let Some(headers) = again.filter(|_| failed && retries < self.retry.attempts) else {
                return result;
            };
            retries += 1;
            let pause = self.retry.pause(retries);
            let now = Instant::now();
            if now + pause >= deadline || !self.locked(|(_, budget)| budget.withdraw(now)) {
                return result;
            }
            self.meters.retries.inc();
            tokio::time::sleep(pause).await;
            call.headers = headers;
        }
    }

    fn request(&self, method: &Method, path: &PathAndQuery, mut headers: HeaderMap, deadline: Instant) -> Request<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
        headers.insert(deadline::HEADER, HeaderValue::from(millis));
        let mut request = Request::new(());
        *request.method_mut() = method.clone();
        let mut uri = poem::http::uri::Parts::default();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(self.address.authority.clone());
        uri.path_and_query = Some(path.clone());
        // Three parts that are valid and all there make a valid whole.
        *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
        *request.headers_mut() = headers;
        request
    }

    async fn attempt(
        self: &Arc<Self>,
        request: Request<()>,
        body: Outgoing,
        deadline: Instant,
    ) -> Result<Response<Streamed>, CallError> {
        let upstream = self.name();
        let started = Instant::now();
        let permit = Held::ask(self, started)?;
        let (body, trouble) = match body {
            Outgoing::Empty => (super::body::empty(), None),
            Outgoing::Once(body, trouble) => {
                let watched = Watched::new(body, self.stall).remember(Arc::clone(&trouble));
                (Streamed::new(watched), Some(trouble))
            }
        };
        let span = tracing::info_span!(
            "call",
            otel.kind = "client",
            server.address = upstream,
            http.request.method = request.method().as_str(),
            http.response.status_code = tracing::field::Empty,
        );
        let answer = self.client.request(request.map(|()| body)).instrument(span.clone());
        let answer = tokio::time::timeout_at(deadline, answer).await;
        let took = started.elapsed();
        let (outcome, result) = match answer {
            Ok(Ok(response)) => {
                let status = response.status();
                span.record("http.response.status_code", status.as_u16());
                // A service that had no time to answer says so with 504; that is our doing, not its failure.
                let failed = retry::unable(status) && !(status == StatusCode::GATEWAY_TIMEOUT && took < self.patience);
                (if failed { Outcome::Failure } else { Outcome::Success }, Ok(response))
            }
            Ok(Err(source)) => match trouble.as_ref().and_then(take_trouble) {
                Some(source) => (Outcome::Abandoned, Err(CallError::Body { upstream, source })),
                None => (Outcome::Failure, Err(CallError::Lost { upstream, source })),
            },
            Err(_) => {
                let outcome = if took < self.patience {
                    Outcome::Abandoned
                } else {
                    Outcome::Failure
                };
                (outcome, Err(CallError::Late { upstream, after: took }))
            }
        };
        permit.settle(outcome);
        self.meters.called(
            result.as_ref().ok().map(|response| response.status().as_u16()),
            took.as_secs_f64(),
        );
        let response = result?;
        let of = Arc::clone(self);
        Ok(response.map(|body| Streamed::new(Watched::new(body, self.stall).on_break(move || of.broke_off()))))
    }

    /// An answer's body ended before it was whole.
    fn broke_off(&self) {
        tracing::warn!(upstream = self.name(), "an answer broke off");
        let now = Instant::now();
        self.locked(|(breaker, _)| {
            if let Ok(permit) = breaker.admit(now) {
                breaker.record(permit, Outcome::Failure, now);
            }
        });
        self.show_state();
    }

    fn locked<T>(&self, work: impl FnOnce(&mut (Breaker, Budget)) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn show_state(&self) {
        let now = Instant::now();
        self.meters.state(self.locked(|(breaker, _)| breaker.state(now)));
    }

    /// What the breaker lets through now.
    pub fn state(&self) -> State {
        let now = Instant::now();
        self.locked(|(breaker, _)| breaker.state(now))
    }
}

/// A permit that is given back whatever happens: a call that is dropped says nothing about the upstream.
struct Held<'a> {
    upstream: &'a Upstream,
    permit: Option<Permit>,
    /// A change of state is looked for only where there can be one.
    before: State,
}

impl<'a> Held<'a> {
    fn ask(upstream: &'a Upstream, now: Instant) -> Result<Self, CallError> {
        let (before, admitted) = upstream.locked(|(breaker, _)| (breaker.state(now), breaker.admit(now)));
        match admitted {
            Ok(permit) => {
                if before != State::Closed {
                    upstream.show_state();
                }
                Ok(Self {
                    upstream,
                    permit: Some(permit),
                    before,
                })
            }
            Err(wait) => {
                upstream.meters.refused.inc();
                Err(CallError::Open {
                    upstream: upstream.name(),
                    wait,
                })
            }
        }
    }

    fn settle(mut self, outcome: Outcome) {
        self.give_back(outcome);
    }

    fn give_back(&mut self, outcome: Outcome) {
        let Some(permit) = self.permit.take() else { return };
        let now = Instant::now();
        let after = self.upstream.locked(|(breaker, _)| {
            breaker.record(permit, outcome, now);
            breaker.state(now)
        });
        if after != self.before {
            self.upstream.meters.state(after);
            tracing::warn!(
                upstream = self.upstream.name(),
                state = after.name(),
                "the circuit breaker changed"
            );
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.give_back(Outcome::Abandoned);
    }
}

/// Passes the current trace on (W3C Trace Context); one that came in stays where no spans are kept.
fn propagate(headers: &mut HeaderMap) {
    let Some(context) = chassis::telemetry::span_context() else {
        return;
    };
    let parent = format!(
        "00-{}-{}-{:02x}",
        context.trace_id(),
        context.span_id(),
        context.trace_flags().to_u8()
    );
    if let Ok(value) = HeaderValue::from_str(&parent) {
        headers.insert("traceparent", value);
    }
    match HeaderValue::from_str(&context.trace_state().header()) {
        Ok(state) if !state.is_empty() => {
            headers.insert("tracestate", state);
        }
        _ => {
            headers.remove("tracestate");
        }
    }
}

/// All services.
#[derive(Clone)]
pub struct Upstreams(Arc<[Arc<Upstream>]>);

impl Upstreams {
    /// One for each address in the settings.
    pub fn new(settings: &GatewaySettings, meters: &Meters) -> Self {
        Self(
            settings
                .upstreams
                .iter()
                .map(|address| Upstream::new(address.clone(), settings, meters))
                .collect(),
        )
    }

    /// The one named `service`.
    pub fn of(&self, service: &str) -> Option<&Arc<Upstream>> {
        self.0.iter().find(|upstream| upstream.name() == service)
    }
}
