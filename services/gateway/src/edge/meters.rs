//! What the gateway measures. Labels are names of upstreams, policies and reasons: few and known.

use std::sync::Arc;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::domain::breaker::State;

/// Seconds.
const BUCKETS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Called {
    upstream: &'static str,
    /// `2xx` … `5xx`, or `error` when there was no answer.
    status_class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Upstream {
    upstream: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BreakerState {
    upstream: &'static str,
    state: &'static str,
}

/// How something ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Result {
    result: &'static str,
}

/// Why something happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    reason: &'static str,
}

/// The limit that was passed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Policy {
    policy: &'static str,
}

type Histograms = Family<Called, Histogram, fn() -> Histogram>;

/// All of the gateway's metrics.
#[derive(Clone)]
pub struct Meters {
    duration: Histograms,
    breaker: Family<BreakerState, Gauge>,
    retries: Family<Upstream, Counter>,
    refused: Family<Upstream, Counter>,
    introspections: Family<Result, Counter>,
    throttled: Family<Policy, Counter>,
    /// Streams that are open.
    pub streams: Gauge,
    ended: Family<Reason, Counter>,
    /// Events handed to streams.
    pub streamed: Counter,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Meters {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        let meters = Self {
            duration: Family::new_with_constructor(histogram),
            breaker: Family::default(),
            retries: Family::default(),
            refused: Family::default(),
            introspections: Family::default(),
            throttled: Family::default(),
            streams: Gauge::default(),
            ended: Family::default(),
            streamed: Counter::default(),
        };
        registry.register_with_unit(
            "gateway_upstream_request_duration",
            "Time until an upstream's answer began",
            Unit::Seconds,
            meters.duration.clone(),
        );
        registry.register(
            "gateway_breaker_state",
            "1 for the state that the breaker of an upstream is in",
            meters.breaker.clone(),
        );
        registry.register("gateway_upstream_retries", "Calls made again", meters.retries.clone());
        registry.register(
            "gateway_breaker_refused",
            "Calls not made because the breaker was open",
            meters.refused.clone(),
        );
        registry.register(
            "gateway_introspections",
            "Credentials by how they were looked up",
            meters.introspections.clone(),
        );
        registry.register(
            "gateway_throttled",
            "Requests refused by a rate limit",
            meters.throttled.clone(),
        );
        registry.register("gateway_streams_open", "Live streams", meters.streams.clone());
        registry.register(
            "gateway_streams_ended",
            "Live streams that ended, by reason",
            meters.ended.clone(),
        );
        registry.register(
            "gateway_stream_events",
            "Events handed to live streams",
            meters.streamed.clone(),
        );
        Arc::new(meters)
    }

    /// Those of one upstream, looked up once.
    pub fn upstream(&self, upstream: &'static str) -> UpstreamMeters {
        let class = |status_class| self.duration.get_or_create(&Called { upstream, status_class }).clone();
        let state = |state: State| {
            self.breaker
                .get_or_create(&BreakerState {
                    upstream,
                    state: state.name(),
                })
                .clone()
        };
        let meters = UpstreamMeters {
            classes: [class("1xx"), class("2xx"), class("3xx"), class("4xx"), class("5xx")],
            error: class("error"),
            states: State::ALL.map(|each| (each, state(each))),
            retries: self.retries.get_or_create(&Upstream { upstream }).clone(),
            refused: self.refused.get_or_create(&Upstream { upstream }).clone(),
        };
        meters.state(State::Closed);
        meters
    }

    /// A counter of introspections that ended in `result`.
    pub fn introspection(&self, result: &'static str) -> Counter {
        self.introspections.get_or_create(&Result { result }).clone()
    }

    /// A request was refused by `policy`.
    pub fn throttled(&self, policy: &'static str) {
        self.throttled.get_or_create(&Policy { policy }).inc();
    }

    /// A stream ended.
    pub fn ended(&self, reason: &'static str) {
        self.ended.get_or_create(&Reason { reason }).inc();
    }
}

/// The metrics of one upstream.
pub struct UpstreamMeters {
    classes: [Histogram; 5],
    error: Histogram,
    states: [(State, Gauge); 3],
    /// Calls made again.
    pub retries: Counter,
    /// Calls not made.
    pub refused: Counter,
}

impl UpstreamMeters {
    /// An answer of `status` began after `seconds`; `None`: there was none.
    pub fn called(&self, status: Option<u16>, seconds: f64) {
        let class = status.and_then(|status| self.classes.get(usize::from(status / 100).checked_sub(1)?));
        class.unwrap_or(&self.error).observe(seconds);
    }

    /// The breaker is in `state`.
    pub fn state(&self, state: State) {
        for (each, gauge) in &self.states {
            gauge.set(i64::from(*each == state));
        }
    }
}
