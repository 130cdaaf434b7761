//! Sets traces and logs up for the process, once.

use std::{sync::Once, time::Duration};

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use opentelemetry_semantic_conventions::resource::{SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_VERSION};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use super::{
    export::Telling,
    log::{Json, Services},
};
use crate::settings::{self, LogFormat};

/// Telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The exporter does not take its endpoint.
    #[error("telemetry.otlp_endpoint cannot be used")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// A process has one subscriber.
    #[error("telemetry is set up already")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Telemetry of the process; [`Telemetry::flush`] it before exit.
#[must_use = "spans that are not flushed are lost"]
pub struct Telemetry {
    provider: SdkTracerProvider,
}

/// Sets it up for the process named `process`. Call it inside a runtime.
///
/// # Errors
/// See [`TelemetryError`].
pub fn start(settings: &settings::Telemetry, process: &str) -> Result<Telemetry, TelemetryError> {
    let provider = provider(settings, process)?;
    let traces = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("cloudtaskhub"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(exported());
    let filter = || EnvFilter::builder().parse_lossy(&settings.log_filter);
    let registry = tracing_subscriber::registry().with(traces);
    match settings.log_format {
        LogFormat::Json => {
            let lines = tracing_subscriber::fmt::layer().event_format(Json {
                process: process.to_owned(),
            });
            // Filtered like the rest: a layer that wants everything would enable every debug event of every library.
            registry
                .with(Services.with_filter(LevelFilter::INFO))
                .with(lines.with_filter(filter()))
                .try_init()?;
        }
        LogFormat::Human => {
            let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).compact();
            registry.with(lines.with_filter(filter())).try_init()?;
        }
    }
    log_panics();
    Ok(Telemetry { provider })
}

/// Spans that become spans of a trace. A task's span lasts as long as the process: everything would be its child.
fn exported() -> Targets {
    Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("chassis::task", LevelFilter::OFF)
}

fn provider(settings: &settings::Telemetry, process: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let resource = Resource::builder()
        .with_attributes([
            KeyValue::new(SERVICE_NAMESPACE, "cloudtaskhub"),
            KeyValue::new(SERVICE_NAME, process.to_owned()),
            KeyValue::new(SERVICE_VERSION, env!("CARGO_PKG_VERSION")),
        ])
        .build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    let Some(endpoint) = &settings.otlp_endpoint else {
        // Spans have ids but nothing is recorded in them.
        return Ok(builder.with_sampler(Sampler::AlwaysOff).build());
    };
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(Duration::from_secs(5))
        .build()?;
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sampling_ratio)));
    Ok(builder
        .with_sampler(sampler)
        .with_batch_exporter(Telling::of(exporter))
        .build())
}

/// A panic is one line of the log like everything else, with the trace it happened in.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic = text.unwrap_or("not a text"), place, "panicked");
    }));
}

impl Telemetry {
    /// Sends what is still held back, `within` at most.
    pub fn flush(self, within: Duration) {
        if let Err(error) = self.provider.shutdown_with_timeout(within) {
            tracing::warn!(error = %error, "the last spans were not sent");
        }
    }
}

/// Spans with ids, and logs as `RUST_LOG` says, for all tests of a process.
pub fn for_tests() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let provider = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
        let traces = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("tests"))
            .with_filter(exported());
        let lines = tracing_subscriber::fmt::layer()
            .with_test_writer()
            .with_filter(EnvFilter::from_default_env());
        // A test binary that has set up its own keeps it.
        let _ = tracing_subscriber::registry().with(traces).with(lines).try_init();
        // The tracer holds only a part of its provider: keep the rest for as long as the process lives.
        std::mem::forget(provider);
    });
}
