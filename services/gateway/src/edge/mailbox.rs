//! What waits for one client: events in their order, so many at most, or the end of the stream and why it ended.
//!
//! Ending it drops what waited at once, and the end is told before anything else.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;

/// Events that a client is given at once, in bytes: about what one write takes.
const CHUNK: usize = 64 * 1024;

/// See the head of the file.
pub struct Mailbox {
    waiting: Mutex<Waiting>,
    changed: Notify,
    room: usize,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<(i64, Bytes)>,
    ended: Option<&'static str>,
}

/// What a client gets next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Events.
    Events(Bytes),
    /// The end, and why.
    End(&'static str),
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It waits.
    Taken,
    /// The client is too far behind.
    Full,
    /// The stream is over.
    Ended,
}

impl Mailbox {
    /// With room for so many events.
    pub(super) fn new(room: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            changed: Notify::new(),
            room,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the stream is ended, if it is.
    pub fn ended(&self) -> Option<&'static str> {
        self.lock().ended
    }

    /// Events after `seq`, as many as make one chunk; waits until there are some or the stream is ended.
    pub async fn next(&self, seq: i64) -> Next {
        loop {
            // Registered before the look, so that what comes meanwhile wakes us.
            let changed = self.changed.notified();
            if let Some(next) = self.take(seq) {
                return next;
            }
            changed.await;
        }
    }

    fn take(&self, seq: i64) -> Option<Next> {
        let mut waiting = self.lock();
        if let Some(reason) = waiting.ended {
            return Some(Next::End(reason));
        }
        while waiting.events.front().is_some_and(|(number, _)| *number <= seq) {
            waiting.events.pop_front();
        }
        let (_, first) = waiting.events.pop_front()?;
        if waiting.events.is_empty() {
            return Some(Next::Events(first));
        }
        let mut chunk = BytesMut::from(first.as_ref());
        while chunk.len() < CHUNK {
            let Some((_, event)) = waiting.events.pop_front() else {
                break;
            };
            chunk.extend_from_slice(&event);
        }
        Some(Next::Events(chunk.freeze()))
    }

    /// Adds event `seq`, which follows the last one.
    pub(super) fn put(&self, seq: i64, event: Bytes) -> Put {
        let mut waiting = self.lock();
        if waiting.ended.is_some() {
            return Put::Ended;
        }
        if waiting.events.len() >= self.room {
            return Put::Full;
        }
        waiting.events.push_back((seq, event));
        drop(waiting);
        self.changed.notify_one();
        Put::Taken
    }

    /// Ends the stream, unless it is.
    pub(super) fn end(&self, reason: &'static str) {
        let mut waiting = self.lock();
        if waiting.ended.is_none() {
            waiting.ended = Some(reason);
            waiting.events = VecDeque::new();
        }
        drop(waiting);
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn events_come_in_their_order_a_chunk_at_a_time_and_none_that_the_client_has() {
        let mailbox = Mailbox::new(10);
        for seq in 1..=3 {
            assert_eq!(mailbox.put(seq, Bytes::from(format!("{seq},"))), Put::Taken);
        }
        assert_eq!(mailbox.next(1).await, Next::Events("2,3,".into()));
        let large = Bytes::from(vec![b'x'; CHUNK]);
        mailbox.put(4, large.clone());
        mailbox.put(5, "5,".into());
        assert_eq!(mailbox.next(3).await, Next::Events(large));
        assert_eq!(mailbox.next(4).await, Next::Events("5,".into()));
    }

    #[tokio::test]
    async fn a_full_one_takes_no_more_and_an_ended_one_keeps_nothing() {
        let mailbox = Mailbox::new(1);
        mailbox.put(1, "1,".into());
        assert_eq!(mailbox.put(2, "2,".into()), Put::Full);
        mailbox.end("slow");
        mailbox.end("too late to say otherwise");
        assert_eq!(mailbox.put(3, "3,".into()), Put::Ended);
        assert_eq!(mailbox.lock().events.capacity(), 0);
        assert_eq!(
            (mailbox.next(0).await, mailbox.ended()),
            (Next::End("slow"), Some("slow"))
        );
    }
}
