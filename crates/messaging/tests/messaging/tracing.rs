//! One trace from the change to its effects.

use std::time::Duration;

use opentelemetry::trace::{SpanId, SpanKind, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing::Instrument;
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

    // For the whole process: callsites remember whether anybody listens, and tests beside this one, which have no
    // subscriber of their own, would have them remember that nobody does.
    tracing::subscriber::set_global_default(subscriber).unwrap();

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

    // Other tests' spans are there as well: only those of this change's trace count.
    let spans = exporter.get_finished_spans().unwrap();
    let change = spans.iter().find(|span| span.name == "change").expect("the change");
    let process: &SpanData = spans
        .iter()
        .find(|span| {
            span.name == "process com.cloudtaskhub.client.throttled.v1"
                && span.span_context.trace_id() == change.span_context.trace_id()
        })
        .expect("the reaction, in the trace of the change");
    assert_ne!(process.parent_span_id, SpanId::INVALID);
    assert_eq!(process.span_kind, SpanKind::Consumer);
    let links: Vec<SpanId> = process.links.iter().map(|link| link.span_context.span_id()).collect();
    let batches = spans.iter().filter(|span| span.name == "process batch");
    let batches: Vec<SpanId> = batches.map(|span| span.span_context.span_id()).collect();
    assert_eq!(links.len(), 1);
    assert!(batches.contains(&links[0]), "linked to its batch");
    provider.shutdown_with_timeout(Duration::from_secs(5)).unwrap();
}
