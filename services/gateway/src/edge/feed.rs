//! One live stream: what a client missed, then what happens, with a comment now and then, until it ends.
//!
//! A client that resumes after event N gets every event after N that concerns it, once and in order: first out of the table
//! up to the hub's position, then out of its mailbox, which begins exactly there. It reads its past page by page at its own
//! pace before it takes its seat, so a long past does not fill its mailbox. When its past is not there any more, it is told
//! to begin anew (`reset`).

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use chassis::Clock;
use contracts::Timestamp;
use database::Db;
use futures_util::Stream;
use rand::Rng;
use sea_orm::DbErr;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    hub::{Hub, Listener, Seat, render},
    mailbox::Next,
    meters::Meters,
};
use crate::store::{membership, stream_event};

/// Events read from the table at once.
const PAGE: u64 = 200;

/// What a stream is made of.
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The hub.
    pub hub: Arc<Hub>,
    /// The time.
    pub clock: Clock,
    /// Cancelled when the process begins to stop.
    pub stop: CancellationToken,
    /// Silence before a comment.
    pub heartbeat: Duration,
    /// Measures.
    pub meters: Arc<Meters>,
}

enum Phase {
    /// The head: who begins anew gets the number to resume after.
    Begin,
    /// The past, up to where the hub was.
    Past { until: i64, seated: bool },
    /// The present.
    Live,
    /// Nothing more.
    Over,
}

/// See the head of the file.
pub struct Feed {
    parts: Arc<Parts>,
    seat: Seat,
    listener: Listener,
    expires: Timestamp,
    phase: Phase,
    resumed: Option<i64>,
    cursor: i64,
    silent_since: Instant,
}

impl Feed {
    /// The stream of `listener`, whose credential ends at `expires`, after event `resumed`.
    pub fn new(parts: Arc<Parts>, seat: Seat, listener: Listener, expires: Timestamp, resumed: Option<i64>) -> Self {
        let silent_since = Instant::now();
        Self {
            parts,
            seat,
            listener,
            expires,
            phase: Phase::Begin,
            resumed,
            cursor: 0,
            silent_since,
        }
    }

    /// The stream as bytes.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send {
        futures_util::stream::unfold(self, |mut feed| async move {
            let chunk = feed.next().await?;
            feed.silent_since = Instant::now();
            Some((Ok(chunk), feed))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            // A long past is no way around an end.
            if let (Some(reason), false) = (self.seat.mailbox.ended(), matches!(self.phase, Phase::Over)) {
                return Some(self.close(reason));
            }
            let step = match self.phase {
                Phase::Over => return None,
                Phase::Begin => self.begin().await,
                Phase::Past { until, seated } => self.past(until, seated).await,
                Phase::Live => return Some(self.live().await),
            };
            match step {
                Ok(Some(chunk)) => return Some(chunk),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(error = %error, "a stream cannot read its past");
                    return Some(self.end("unavailable"));
                }
            }
        }
    }

    async fn begin(&mut self) -> Result<Option<Bytes>, DbErr> {
        let hub = &self.parts.hub;
        let hello = |seq: i64| Bytes::from(format!("retry: {}\nid: {seq}\n\n", retry_hint()));
        let (first, last) = stream_event::bounds(self.parts.db.read()).await?;
        let Some(resumed) = self.resumed else {
            // What has committed is the past, also what the tail has not handed over yet.
            self.cursor = self.take_seat().await?.max(last);
            self.phase = Phase::Live;
            return Ok(Some(hello(self.cursor)));
        };
        // Another replica may have given out numbers that this one has not handed over yet, but not more than there are.
        if resumed > last || resumed < first.saturating_sub(1) {
            self.cursor = self.take_seat().await?.max(last);
            self.phase = Phase::Live;
            let reset = format!(
                "retry: {}\nid: {}\nevent: reset\ndata: {{\"reason\":\"too_old\"}}\n\n",
                retry_hint(),
                self.cursor
            );
            return Ok(Some(Bytes::from(reset)));
        }
        self.cursor = resumed;
        self.phase = Phase::Past {
            until: hub.position(),
            seated: false,
        };
        Ok(Some(hello(resumed)))
    }

    async fn take_seat(&self) -> Result<i64, DbErr> {
        let projects = membership::projects(self.parts.db.read(), self.listener.user).await?;
        Ok(self.parts.hub.seat(&self.seat, projects))
    }

    async fn past(&mut self, until: i64, seated: bool) -> Result<Option<Bytes>, DbErr> {
        let page = stream_event::replay(self.parts.db.read(), self.listener.user, self.cursor, until, PAGE).await?;
        let more = page.len() as u64 == PAGE;
        let chunk = page.iter().fold(BytesMut::new(), |mut chunk, event| {
            chunk.extend_from_slice(&render(event));
            chunk
        });
        self.cursor = match page.last() {
            Some(event) if more => event.seq,
            _ => self.cursor.max(until),
        };
        if !more {
            self.phase = if seated {
                Phase::Live
            } else {
                Phase::Past {
                    until: self.take_seat().await?,
                    seated: true,
                }
            };
        }
        Ok((!chunk.is_empty()).then(|| chunk.freeze()))
    }

    async fn live(&mut self) -> Bytes {
        let parts = Arc::clone(&self.parts);
        let left = self.expires.since(parts.clock.now());
        let silence = self.silent_since + parts.heartbeat;
        tokio::select! {
            // An end comes before everything else.
            biased;
            () = parts.stop.cancelled() => self.end("shutdown"),
            next = self.seat.mailbox.next(self.cursor) => match next {
                Next::Events(bytes) => bytes,
                Next::End(reason) => self.close(reason),
            },
            () = tokio::time::sleep(left) => self.end("expired"),
            () = sleep_until(silence) => Bytes::from_static(b": still here\n\n"),
        }
    }

    /// Ends for a reason that the hub does not know.
    fn end(&mut self, reason: &'static str) -> Bytes {
        self.parts.meters.ended(reason);
        self.close(reason)
    }

    fn close(&mut self, reason: &'static str) -> Bytes {
        self.phase = Phase::Over;
        Bytes::from(format!(
            "retry: {}\nevent: closed\ndata: {{\"reason\":\"{reason}\"}}\n\n",
            retry_hint()
        ))
    }
}

/// When to come back, in milliseconds: clients that lost a replica together do not come back together.
fn retry_hint() -> u64 {
    rand::rng().random_range(500..3000)
}
