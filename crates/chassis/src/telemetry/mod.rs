//! Traces and logs.
//!
//! Every request and every consumed event has a span with a valid trace id, exported or not: problems name it, outbox rows
//! carry it. Without an exporter nothing is recorded in those spans, so they cost little.

mod export;
mod log;
mod setup;
mod trace;

pub use setup::{Telemetry, TelemetryError, for_tests, start};
pub use trace::{continue_trace, span_context, trace_id};
