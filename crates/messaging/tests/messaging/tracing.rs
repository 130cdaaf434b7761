//! One trace from the change to its effects.

use std::time::Duration;

use opentelemetry::trace::{SpanId, SpanKind, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing::{Instrument, instrument::WithSubscriber};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::*;

#[tokio::test]
async fn a_consumed_event_is_a_child_of_the_change_that_published_it_and_linked_to_its_batch() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(layer);

    let story = async {
        let (broker, service) = (broker().await, Service::new().await);
        let span = tracing::info_span!("change");
        append(&service.db(), "ada", "hello").instrument(span).await;
        drain(&mut service.relay(&broker)).await;
        let stop = tokio_util::sync::CancellationToken::new();
        let consumer = service.consumer(&broker).run(stop.clone());
        let effect = async {
            eventually("the effect", async || service.effects().await.len() == 1).await;
            stop.cancel();
        };
        tokio::join!(consumer, effect);
    };
    story.with_subscriber(subscriber).await;

    let spans = exporter.get_finished_spans().unwrap();
    let named = |name: &str| -> SpanData { spans.iter().find(|span| span.name == name).cloned().expect(name) };
    let change = named("change");
    let process = named("process com.cloudtaskhub.client.throttled.v1");
    let batch = named("process batch");
    assert_eq!(process.span_context.trace_id(), change.span_context.trace_id());
    assert_ne!(process.parent_span_id, SpanId::INVALID);
    assert_eq!(process.span_kind, SpanKind::Consumer);
    assert_eq!(
        process
            .links
            .iter()
            .map(|link| link.span_context.span_id())
            .collect::<Vec<_>>(),
        [batch.span_context.span_id()]
    );
    provider.shutdown_with_timeout(Duration::from_secs(5)).unwrap();
}
