//! W3C trace context between spans, outbox rows and message headers.

use contracts::Envelope;
use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator},
    trace::{SpanContext, TraceContextExt},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The context of the current span, as headers.
#[derive(Default)]
pub(crate) struct TraceContext {
    pub(crate) traceparent: Option<String>,
    pub(crate) tracestate: Option<String>,
}

impl TraceContext {
    pub(crate) fn current() -> Self {
        let context = Span::current().context();
        if !context.span().span_context().is_valid() {
            return Self::default();
        }
        let mut carrier = std::collections::HashMap::new();
        TraceContextPropagator::new().inject_context(&context, &mut carrier);
        Self {
            traceparent: carrier.remove("traceparent"),
            tracestate: carrier.remove("tracestate").filter(|s| !s.is_empty()),
        }
    }
}

/// Makes `span` a child of the span that published the event, and links it to the batch that it is handled in.
pub(crate) fn adopt(span: &Span, envelope: &Envelope, batch: &SpanContext) {
    if let Some(parent) = publisher(envelope) {
        // Fails when no OpenTelemetry layer is installed: then there is no trace to continue.
        let _ = span.set_parent(parent);
    }
    if batch.is_valid() {
        span.add_link(batch.clone());
    }
}

/// The context that the event was published in.
fn publisher(envelope: &Envelope) -> Option<Context> {
    envelope.traceparent.as_ref()?;
    let context = TraceContextPropagator::new().extract(&Headers(envelope));
    context.span().span_context().is_valid().then_some(context)
}

/// The context of `span`, for links.
pub(crate) fn context_of(span: &Span) -> SpanContext {
    span.context().span().span_context().clone()
}

struct Headers<'a>(&'a Envelope);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.0.traceparent.as_deref(),
            "tracestate" => self.0.tracestate.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}
