//! Metrics of HTTP, named as OpenTelemetry's semantic conventions do.
//!
//! Labels are the route's pattern, never the path: their number stays that of the operations.

use std::sync::Arc;

use opentelemetry::trace::TraceId;
use poem::http::{Method, StatusCode};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{
        counter::Counter,
        exemplar::HistogramWithExemplars,
        family::{Family, MetricConstructor},
        gauge::Gauge,
    },
    registry::{Registry, Unit},
};

/// Upper bounds in seconds: those of the semantic conventions, finer below 10 ms where most answers are.
const BUCKETS: [f64; 15] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0,
];

/// Measures the requests of one service.
#[derive(Clone)]
pub(crate) struct Measure {
    duration: Family<Answered, HistogramWithExemplars<Trace>, Buckets>,
    active: Gauge,
    problems: Family<ProblemKind, Counter>,
}

#[derive(Clone)]
struct Buckets;

impl MetricConstructor<HistogramWithExemplars<Trace>> for Buckets {
    fn new_metric(&self) -> HistogramWithExemplars<Trace> {
        HistogramWithExemplars::new(BUCKETS.into_iter())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    http_route: Route,
    http_request_method: &'static str,
    http_response_status_code: u16,
}

/// The pattern of a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Route(pub(crate) Arc<str>);

impl EncodeLabelValue for Route {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.0.as_ref(), encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProblemKind {
    kind: &'static str,
    status: u16,
}

/// The label of an exemplar.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Trace {
    trace_id: Id,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Id(TraceId);

impl EncodeLabelValue for Id {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.0.to_string(), encoder)
    }
}

impl Measure {
    /// Registers the metrics.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let new = Self {
            duration: Family::new_with_constructor(Buckets),
            active: Gauge::default(),
            problems: Family::default(),
        };
        let help = "Time from the request's head to the answer's";
        registry.register_with_unit(
            "http_server_request_duration",
            help,
            Unit::Seconds,
            new.duration.clone(),
        );
        registry.register(
            "http_server_active_requests",
            "Requests that are being answered",
            new.active.clone(),
        );
        registry.register(
            "http_problems",
            "Answers that told of a problem, by its kind",
            new.problems.clone(),
        );
        new
    }

    /// A request begins; it ends when the answer is dropped, also when the client goes away.
    pub(crate) fn begin(&self) -> Active {
        self.active.inc();
        Active(self.active.clone())
    }

    /// A request was answered; `trace` when its spans are recorded.
    pub(crate) fn answered(
        &self,
        route: Route,
        method: &'static str,
        status: StatusCode,
        seconds: f64,
        trace: Option<TraceId>,
    ) {
        let labels = Answered {
            http_route: route,
            http_request_method: method,
            http_response_status_code: status.as_u16(),
        };
        let exemplar = trace.map(|trace_id| Trace { trace_id: Id(trace_id) });
        self.duration.get_or_create(&labels).observe(seconds, exemplar, None);
    }

    /// An answer told of a problem.
    pub(crate) fn problem(&self, kind: &'static str, status: StatusCode) {
        self.problems
            .get_or_create(&ProblemKind {
                kind,
                status: status.as_u16(),
            })
            .inc();
    }
}

/// A request that is being answered.
pub(crate) struct Active(Gauge);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The method as a label; made-up methods share one.
pub(crate) fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}
