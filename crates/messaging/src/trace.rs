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

/// Makes `span` a child of the span that `parent` names, and links it to the one `around` it, such as a batch.
pub(crate) fn adopt(span: &Span, parent: &Headers<'_>, around: &SpanContext) {
    if let Some(parent) = parent.context() {
        // Fails when no OpenTelemetry layer is installed: then there is no trace to continue.
        let _ = span.set_parent(parent);
    }
    if around.is_valid() {
        span.add_link(around.clone());
    }
}

/// The context of `span`, for links.
pub(crate) fn context_of(span: &Span) -> SpanContext {
    span.context().span().span_context().clone()
}

/// A context as it travels.
pub(crate) struct Headers<'a> {
    pub(crate) traceparent: Option<&'a str>,
    pub(crate) tracestate: Option<&'a str>,
}

impl<'a> Headers<'a> {
    /// The context that the event was published in.
    pub(crate) fn of(envelope: &'a Envelope) -> Self {
        Self {
            traceparent: envelope.traceparent.as_deref(),
            tracestate: envelope.tracestate.as_deref(),
        }
    }

    fn context(&self) -> Option<Context> {
        self.traceparent?;
        let context = TraceContextPropagator::new().extract(self);
        context.span().span_context().is_valid().then_some(context)
    }
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent,
            "tracestate" => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}
