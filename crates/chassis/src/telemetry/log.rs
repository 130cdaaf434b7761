//! Logs: one JSON object a line, for a machine to read.
//!
//! tracing-subscriber's own JSON puts the spans into every line and knows no trace ids; here a line has what the
//! architecture asks for, at the top level, whatever the event's own fields are called.

use std::fmt::{self, Write as _};

use opentelemetry::trace::TraceContextExt;
use serde_json::{Map, Value};
use tracing::{Event, Subscriber, field::Visit, span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{
    Layer,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    layer::Context,
    registry::LookupSpan,
};

/// Remembers which service a span belongs to: one process may host several.
pub(super) struct Services;

struct Named(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Services {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        if attributes.metadata().fields().field("service").is_none() {
            return;
        }
        struct Find(Option<String>);
        impl Visit for Find {
            fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
                if field.name() == "service" && !value.is_empty() {
                    self.0 = Some(value.to_owned());
                }
            }

            fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn fmt::Debug) {}
        }
        let mut find = Find(None);
        attributes.record(&mut find);
        if let (Some(span), Some(name)) = (context.span(id), find.0) {
            span.extensions_mut().insert(Named(name));
        }
    }
}

/// Writes events as JSON.
pub(super) struct Json {
    /// The service of events outside of any span that names one.
    pub(super) process: String,
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = Map::new();
        line.insert("time".to_owned(), contracts::Timestamp::now().to_string().into());
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("message".to_owned(), fields.message.into());
        let scope = context.event_scope();
        let named = scope
            .and_then(|mut scope| scope.find_map(|span| span.extensions().get::<Named>().map(|name| name.0.clone())));
        line.insert(
            "service".to_owned(),
            named.unwrap_or_else(|| self.process.clone()).into(),
        );
        line.insert("version".to_owned(), env!("CARGO_PKG_VERSION").into());
        line.insert("target".to_owned(), event.metadata().target().into());
        let current = tracing::Span::current().context();
        let trace = current.span().span_context().clone();
        if trace.is_valid() {
            line.insert("trace_id".to_owned(), trace.trace_id().to_string().into());
            line.insert("span_id".to_owned(), trace.span_id().to_string().into());
        }
        for (name, value) in fields.others {
            line.entry(name).or_insert(value);
        }
        writer.write_str(&serde_json::to_string(&line).map_err(|_| fmt::Error)?)?;
        writer.write_char('\n')
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &tracing::field::Field, value: Value) {
        self.others.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing to a String does not fail.
            let _ = write!(self.message, "{value:?}");
        } else {
            self.put(field, format!("{value:?}").into());
        }
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value)
        } else {
            self.put(field, value.into())
        }
    }

    fn record_bool(&mut self, field: &tracing::field::Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &tracing::field::Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
        self.put(field, value.into());
    }

    // Durations in whole units; a JSON number holds no more.
    fn record_u128(&mut self, field: &tracing::field::Field, value: u128) {
        self.put(field, u64::try_from(value).unwrap_or(u64::MAX).into());
    }

    fn record_f64(&mut self, field: &tracing::field::Field, value: f64) {
        self.put(field, value.into());
    }
}
