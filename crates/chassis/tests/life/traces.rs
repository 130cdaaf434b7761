//! Traces on their way to a collector: OTLP over gRPC, as <https://opentelemetry.io/docs/specs/otlp/> has it.

use std::{
    convert::Infallible,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    HeaderMap, Request, Response, body::Incoming, header::HeaderValue, server::conn::http2, service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value as Given},
    trace::v1::{Span, span::SpanKind},
};
use prost::Message;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{PATIENCE, Running, get};

/// Takes spans; ends when it is dropped.
struct Collector {
    address: SocketAddr,
    received: Receiver<ExportTraceServiceRequest>,
    _runtime: tokio::runtime::Runtime,
}

impl Collector {
    fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn on(listener: TcpListener) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (tell, received) = channel();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let tell = tell.clone();
                let service = service_fn(move |request| take(request, tell.clone()));
                connections
                    .spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service));
            }
        });
        Self {
            address,
            received,
            _runtime: runtime,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next span of `trace`, with what it says of its process.
    fn span_of(&self, trace: &str) -> (Vec<KeyValue>, Span) {
        loop {
            let request = self.received.recv_timeout(PATIENCE).expect("the span arrives");
            for resource in request.resource_spans {
                let mut spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
                if let Some(span) = spans.find(|span| hex(&span.trace_id) == trace) {
                    return (resource.resource.unwrap_or_default().attributes, span);
                }
            }
        }
    }
}

type Answer = StreamBody<futures_util::stream::Iter<std::array::IntoIter<Result<Frame<Bytes>, Infallible>, 2>>>;

/// A unary call: a message with five bytes before it (whether it is compressed, and its length), and an empty answer.
async fn take(
    request: Request<Incoming>,
    tell: Sender<ExportTraceServiceRequest>,
) -> Result<Response<Answer>, hyper::Error> {
    let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    assert_eq!(request.uri().path(), path);
    let body = request.into_body().collect().await?.to_bytes();
    let _ = tell.send(ExportTraceServiceRequest::decode(&body[5..]).unwrap());
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
    let frames = [Frame::data(Bytes::from_static(&[0; 5])), Frame::trailers(trailers)];
    let mut answer = Response::new(StreamBody::new(futures_util::stream::iter(frames.map(Ok))));
    let kind = HeaderValue::from_static("application/grpc");
    answer.headers_mut().insert("content-type", kind);
    Ok(answer)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Given::StringValue(text) => Some(text),
        _ => None,
    }
}

/// Asks for what is not there; the trace that the answer names.
fn trace_of_a_request(running: &Running) -> String {
    let problem: Value = serde_json::from_str(&get(running.public, "/v1/nothing").1).unwrap();
    problem["trace_id"].as_str().unwrap().to_owned()
}

fn count(log: &[Value], text: &str) -> usize {
    let told = log
        .iter()
        .filter(|line| line["message"].as_str().is_some_and(|message| message.contains(text)));
    told.count()
}

/// Spans leave soon after they end.
const AT_ONCE: [(&str, &str); 1] = [("OTEL_BSP_SCHEDULE_DELAY", "10")];

#[test]
fn the_span_of_a_request_arrives_under_the_services_name_and_the_trace_that_the_client_was_told() {
    let collector = Collector::start();
    let running = Running::start(&[("TELEMETRY__OTLP_ENDPOINT", &collector.url())]);
    let trace = trace_of_a_request(&running);
    // What was not sent yet is sent before the end.
    running.signal(Signal::TERM);
    assert_eq!(running.end().0, Some(0));
    let (process, span) = collector.span_of(&trace);
    assert_eq!(text(&process, "service.name"), Some("sample"));
    assert_eq!(text(&process, "service.namespace"), Some("cloudtaskhub"));
    assert!(text(&process, "service.version").is_some());
    assert_eq!((span.name.as_str(), span.kind()), ("request", SpanKind::Server));
    assert_eq!(text(&span.attributes, "http.request.method"), Some("GET"));
    assert!(span.parent_span_id.is_empty());
}

#[test]
fn the_span_of_a_call_is_a_child_of_its_callers() {
    let collector = Collector::start();
    let running = Running::start_in(&[("TELEMETRY__OTLP_ENDPOINT", &collector.url())], &AT_ONCE);
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"); // typos: allow // pragma: allowlist secret
    let mut stream = TcpStream::connect(running.public).unwrap();
    let request = format!(
        "GET /health HTTP/1.1\r\nHost: sample\r\nConnection: close\r\ntraceparent: 00-{trace}-{parent}-01\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(hex(&collector.span_of(trace).1.parent_span_id), parent);
}

#[test]
fn a_collector_that_is_away_is_told_of_once_and_so_is_its_return() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = format!("http://{address}");
    let running = Running::start_in(&[("TELEMETRY__OTLP_ENDPOINT", &endpoint)], &AT_ONCE);
    // Hangs up on whoever calls.
    for _ in 0..3 {
        trace_of_a_request(&running);
        drop(listener.accept().unwrap());
    }
    drop(listener);
    trace_of_a_request(&running);
    let collector = Collector::on(TcpListener::bind(address).unwrap());
    let arrived = || {
        trace_of_a_request(&running);
        collector
            .received
            .recv_timeout(std::time::Duration::from_millis(100))
            .is_ok()
    };
    crate::support::until_true(arrived);
    running.signal(Signal::TERM);
    let (code, log) = running.end();
    assert_eq!(code, Some(0));
    assert_eq!(count(&log, "traces do not arrive"), 1, "{log:#?}");
    assert_eq!(count(&log, "traces arrive again"), 1, "{log:#?}");
    let of_libraries = log.iter().filter(|line| {
        let target = line["target"].as_str().unwrap_or_default();
        ["opentelemetry", "tonic", "h2", "hyper"]
            .iter()
            .any(|library| target.starts_with(library))
    });
    assert_eq!(of_libraries.count(), 0, "{log:#?}");
}

#[test]
fn a_collector_that_does_not_answer_delays_no_request_and_no_stop() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let running = Running::start_in(&[("TELEMETRY__OTLP_ENDPOINT", &endpoint)], &AT_ONCE);
    // More than wait in the queue.
    for _ in 0..3000 {
        assert_eq!(get(running.public, "/health").0, 200);
    }
    running.signal(Signal::TERM);
    assert_eq!(running.end().0, Some(0));
}
