//! Bodies on their way through: streamed, never gathered.
//!
//! A body that comes to a stop is given up, so that neither a client nor an upstream can hold the other's connection for
//! ever. What goes wrong with a request's body is remembered for the answer: hyper only tells that sending failed.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use tokio::time::{Instant, Sleep};

/// A body of either direction.
pub type Streamed = BoxBody<Bytes, io::Error>;

/// A body without anything in it.
pub fn empty() -> Streamed {
    full(Bytes::new())
}

/// A body that is there as a whole.
pub fn full(bytes: Bytes) -> Streamed {
    use http_body_util::BodyExt;
    BoxBody::new(http_body_util::Full::new(bytes).map_err(|never| match never {}))
}

/// What went wrong with a request's body.
pub type Trouble = Arc<Mutex<Option<io::Error>>>;

/// Takes what went wrong.
pub fn take_trouble(trouble: &Trouble) -> Option<io::Error> {
    trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Called when a body breaks off.
type OnBreak = Box<dyn FnOnce() + Send + Sync>;

/// A body under watch.
pub struct Watched<B> {
    inner: B,
    stall: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    trouble: Option<Trouble>,
    on_break: Option<OnBreak>,
}

impl<B> Watched<B> {
    /// Gives `inner` up when there is nothing of it for `stall`.
    pub fn new(inner: B, stall: Duration) -> Self {
        Self {
            inner,
            stall,
            timer: None,
            trouble: None,
            on_break: None,
        }
    }

    /// Remembers in `trouble` what goes wrong.
    pub fn remember(self, trouble: Trouble) -> Self {
        Self {
            trouble: Some(trouble),
            ..self
        }
    }

    /// Calls `on_break` when it breaks off.
    pub fn on_break(self, on_break: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self {
            on_break: Some(Box::new(on_break)),
            ..self
        }
    }

    fn broke(&mut self, error: io::Error) -> io::Error {
        if let Some(on_break) = self.on_break.take() {
            on_break();
        }
        match &self.trouble {
            Some(trouble) => {
                let told = io::Error::new(error.kind(), "the request's body broke off");
                *trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                told
            }
            None => error,
        }
    }
}

/// An I/O error as it is, another one inside of one.
fn as_io(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    error
        .into()
        .downcast::<io::Error>()
        .map_or_else(io::Error::other, |error| *error)
}

impl<B, E> Body for Watched<B>
where
    B: Body<Data = Bytes, Error = E> + Unpin,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Ready(frame) => {
                this.timer = None;
                Poll::Ready(frame.map(|frame| frame.map_err(|error| this.broke(as_io(error)))))
            }
            Poll::Pending => {
                let timer = this
                    .timer
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + this.stall)));
                ready!(timer.as_mut().poll(context));
                let stalled = io::Error::new(io::ErrorKind::TimedOut, "the body came to a stop");
                Poll::Ready(Some(Err(this.broke(stalled))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
