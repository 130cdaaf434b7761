//! Reading a file that is in the database by code that reads synchronously.
//!
//! The readers of formats run on a thread of their own, which gets chunks and gives items through bounded channels: memory
//! stays bounded, and a thread whose session is dropped ends at its next chunk or item.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use contracts::id::ImportId;
use database::Db;
use futures_util::future::BoxFuture;
use sea_orm::DbErr;
use tokio::sync::mpsc;

use crate::store;

/// Chunks that wait for the reader.
const CHUNKS: usize = 2;

/// The bytes of a file as they come; `None` is its end.
pub(super) struct Incoming {
    chunks: mpsc::Receiver<Option<Bytes>>,
    current: Bytes,
    ended: bool,
}

impl Read for Incoming {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.chunks.blocking_recv() {
                Some(Some(chunk)) => self.current = chunk,
                Some(None) => self.ended = true,
                None => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
        let count = into.len().min(self.current.len());
        self.current.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}

/// Where the reader puts its items.
pub(super) struct Outgoing<T>(mpsc::Sender<T>);

impl<T> Outgoing<T> {
    /// Waits until there is room.
    ///
    /// # Errors
    /// When nobody takes items any more.
    pub(super) fn send(&self, item: T) -> io::Result<()> {
        self.0
            .blocking_send(item)
            .map_err(|_| io::ErrorKind::ConnectionAborted.into())
    }
}

/// A file that is being read, and the items that come of it.
pub(super) struct Pipe<T> {
    db: Db,
    import: ImportId,
    next: u64,
    count: u64,
    chunks: Option<mpsc::Sender<Option<Bytes>>>,
    items: mpsc::Receiver<T>,
}

impl<T: Send + 'static> Pipe<T> {
    /// Begins to read the `count` chunks of `import` with `read`.
    pub(super) fn open(
        db: Db,
        import: ImportId,
        count: u64,
        read: impl FnOnce(Incoming, Outgoing<T>) + Send + 'static,
    ) -> Self {
        let (chunks, incoming) = mpsc::channel(CHUNKS);
        let (outgoing, items) = mpsc::channel(1);
        let incoming = Incoming {
            chunks: incoming,
            current: Bytes::new(),
            ended: false,
        };
        tokio::task::spawn_blocking(move || read(incoming, Outgoing(outgoing)));
        Self {
            db,
            import,
            next: 0,
            count,
            chunks: Some(chunks),
            items,
        }
    }

    /// The next item; meanwhile the reader is given what it reads. `None`: it has ended.
    ///
    /// # Errors
    /// The database's; then it can be called again.
    pub(super) fn next(&mut self) -> BoxFuture<'_, Result<Option<T>, DbErr>> {
        Box::pin(async move {
            loop {
                let Some(chunks) = self.chunks.clone() else {
                    return Ok(self.items.recv().await);
                };
                tokio::select! {
                    biased;
                    item = self.items.recv() => return Ok(item),
                    place = chunks.reserve() => {
                        // The reader has ended before the file: what it had to say is among the items.
                        let Ok(place) = place else {
                            self.chunks = None;
                            continue;
                        };
                        if self.next == self.count {
                            place.send(None);
                            self.chunks = None;
                            continue;
                        }
                        let chunk = store::import::read_chunk(self.db.read(), self.import, self.next).await?;
                        let chunk = chunk.ok_or_else(|| DbErr::RecordNotFound(format!("chunk {} of {}", self.next, self.import)))?;
                        place.send(Some(chunk.into()));
                        self.next += 1;
                    }
                }
            }
        })
    }
}
