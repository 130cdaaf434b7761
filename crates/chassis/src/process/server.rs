//! Clients' connections: HTTP/1.1 by hyper, one task each. TLS and HTTP/2 are for the proxy in front.
//!
//! - A request whose client has gone away is dropped where it waits, and with it its transaction and its calls to other
//!   services. (poem's own server polls such a connection again, and so goes on with the request.)
//! - Nobody keeps a connection for nothing. The time for a request's head, for taking an answer and between requests is
//!   bounded, and so is the number of connections: whoever comes when there is no room waits in the kernel's queue.
//! - When a connection cannot be accepted, because there are no file descriptors left, the listener neither ends nor spins.
//! - Asked to stop, it accepts nobody, closes connections that are idle, finishes what is being answered, and in the end
//!   cuts off what is left.
//!
//! The limit on taking an answer sees what the kernel sees: a client that has stopped reading is found when the buffers on
//! the way to it are full, and a machine that is gone when it does not acknowledge.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http_body::{Body, Frame, SizeHint};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::{
    Endpoint, Request, Response,
    http::{self, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use prometheus_client::{metrics::gauge::Gauge, registry::Registry};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::settings;

/// How long to wait before accepting again, when the machine has no room for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves connections of one listener.
#[derive(Debug, Clone)]
pub struct Server {
    limits: Limits,
    slots: Arc<Semaphore>,
    open: Gauge,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    connections: u32,
    idle: Duration,
    head: Duration,
    stall: Duration,
    finish: Duration,
}

impl Server {
    /// With the limits of `settings`; asked to stop, what is being answered has `finish` to end.
    pub fn new(settings: &settings::Http, finish: Duration) -> Self {
        Self {
            limits: Limits {
                connections: settings.max_connections,
                idle: settings.idle,
                head: settings.head,
                stall: settings.stall,
                finish,
            },
            slots: Arc::new(Semaphore::new(
                usize::try_from(settings.max_connections)
                    .map_or(Semaphore::MAX_PERMITS, |most| most.min(Semaphore::MAX_PERMITS)),
            )),
            open: Gauge::default(),
        }
    }

    /// Adds the number of connections to `registry`.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let help = "Connections of clients that are open";
        registry.register("http_server_open_connections", help, self.open.clone());
    }

    /// Answers with `endpoint` until `stop`, and then until all is finished or cut off. Dropped, it cuts all off at once.
    pub async fn serve(
        self,
        socket: TcpListener,
        endpoint: impl Endpoint<Output = Response> + 'static,
        stop: CancellationToken,
    ) {
        let endpoint = Arc::new(endpoint);
        let (connections, cut) = (TaskTracker::new(), CancellationToken::new());
        let _dropped = cut.clone().drop_guard();
        let mut crowded = false;
        loop {
            let (stream, remote, held) = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.accept(&socket, &mut crowded) => accepted,
            };
            let connection = connection(stream, remote, Arc::clone(&endpoint), self.limits, stop.clone());
            let cut = cut.clone();
            // Not `Tasks`: a body that panics ends its connection, not the process.
            connections.spawn(async move {
                let _held = held;
                tokio::select! {
                    () = cut.cancelled() => {}
                    () = connection => {}
                }
            });
        }
        drop(socket);
        connections.close();
        if tokio::time::timeout(self.limits.finish, connections.wait())
            .await
            .is_err()
        {
            tracing::warn!(connections = connections.len(), "cut off before they were answered");
            cut.cancel();
            connections.wait().await;
        }
    }

    async fn accept(&self, socket: &TcpListener, crowded: &mut bool) -> (TcpStream, SocketAddr, Held) {
        let slot = match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => {
                *crowded = false;
                Ok(slot)
            }
            Err(_) => {
                if !std::mem::replace(crowded, true) {
                    let limit = self.limits.connections;
                    tracing::warn!(
                        limit,
                        "no room for another connection (http.max_connections): clients wait"
                    );
                }
                Arc::clone(&self.slots).acquire_owned().await
            }
        };
        let mut told = false;
        loop {
            match socket.accept().await {
                Ok((stream, remote)) => return (stream, remote, Held::new(slot.ok(), self.open.clone())),
                // The client has gone again while it waited.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                    ) => {}
                Err(error) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(error = %error, "connections cannot be accepted");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// A connection's place among those that there may be.
struct Held {
    // `None` could only come of a closed semaphore, and nobody closes it.
    _slot: Option<OwnedSemaphorePermit>,
    open: Gauge,
}

impl Held {
    fn new(slot: Option<OwnedSemaphorePermit>, open: Gauge) -> Self {
        open.inc();
        Self { _slot: slot, open }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// Serves one connection to its end.
async fn connection(
    stream: TcpStream,
    remote: SocketAddr,
    endpoint: Arc<impl Endpoint<Output = Response> + 'static>,
    limits: Limits,
    stop: CancellationToken,
) {
    // A socket that refuses has been closed by its peer. Without the first, an answer in two writes would wait for the
    // client's delayed acknowledgement, 40 ms (Nagle's algorithm); the second is RFC 5482.
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(limits.stall));
    let local = LocalAddr(stream.local_addr().map(Into::into).unwrap_or_default());
    let remote = RemoteAddr(remote.into());
    let answering = Arc::new(AtomicBool::new(false));
    let watched = Watched::new(stream, limits, Arc::clone(&answering));
    let service = service_fn(|request| {
        let request = Request::from((request, local.clone(), remote.clone(), Scheme::HTTP));
        let (endpoint, answering) = (Arc::clone(&endpoint), Answering::begin(&answering));
        async move {
            let response = http::Response::<BoxBody>::from(endpoint.get_response(request).await);
            Ok::<_, Infallible>(response.map(|body| Answer {
                body,
                _answering: answering,
            }))
        }
    });
    // hyper's limit begins when it waits for a head, so it is the one between requests; `Watched` has the one for the head.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .serve_connection(TokioIo::new(watched), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(client = %remote, error = messaging::worker::chain(&error), "a connection broke off");
    }
}

/// A request is being answered, until the body of its answer has ended.
struct Answering(Arc<AtomicBool>);

impl Answering {
    fn begin(flag: &Arc<AtomicBool>) -> Self {
        flag.store(true, Ordering::Relaxed);
        Self(Arc::clone(flag))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// What poem's bodies are.
type BoxBody = http_body_util::combinators::BoxBody<bytes::Bytes, io::Error>;

/// The body of an answer.
struct Answer {
    body: BoxBody,
    _answering: Answering,
}

impl Body for Answer {
    type Data = bytes::Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that fails with [`io::ErrorKind::TimedOut`] when its client is too slow.
struct Watched {
    stream: TcpStream,
    answering: Arc<AtomicBool>,
    /// From the first byte of a request to the end of its head.
    head: Patience,
    /// While the client takes nothing of what is to be sent.
    stall: Patience,
}

impl Watched {
    fn new(stream: TcpStream, limits: Limits, answering: Arc<AtomicBool>) -> Self {
        Self {
            stream,
            answering,
            head: Patience::of(limits.head),
            stall: Patience::of(limits.stall),
        }
    }

    fn written<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall.end();
            return written;
        }
        self.stall.begin();
        if !self.stall.is_over(context) {
            return Poll::Pending;
        }
        // Or the kernel would keep what is unsent, and try on.
        let _ = self.stream.set_zero_linger();
        let told = "the client takes nothing of the answer";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, told)))
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let answering = this.answering.load(Ordering::Relaxed);
        if answering {
            this.head.end();
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                if !answering && buffer.filled().len() > before {
                    this.head.begin();
                }
                Poll::Ready(Ok(()))
            }
            Poll::Pending if this.head.is_over(context) => {
                let told = "the head of the request does not end";
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, told)))
            }
            other => other,
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, data);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, data);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// How long something may last that begins and ends again and again.
struct Patience {
    limit: Duration,
    end: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn of(limit: Duration) -> Self {
        Self { limit, end: None }
    }

    /// It begins, unless it already has.
    fn begin(&mut self) {
        let limit = self.limit;
        self.end.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
    }

    fn end(&mut self) {
        self.end = None;
    }

    /// Wakes the task when it will be.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        self.end
            .as_mut()
            .is_some_and(|end| end.as_mut().poll(context).is_ready())
    }
}
