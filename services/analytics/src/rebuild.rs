//! Rebuilding: the projections are made once more, from the log, beside the live ones, and then take their place.
//!
//! 1. Shadow tables are made in one transaction: empty, or with what is from before `since`.
//! 2. The log is replayed into them in the order in which events came, a chunk in each transaction, while the live tables
//!    serve and go on changing. The next chunk is read while the last one is written.
//! 3. What came meanwhile is replayed too, until little is left; the rest, the comparison and the swap are one transaction
//!    during which no event is folded.
//!
//! Whatever ends it before that transaction commits leaves the live tables as they were. Nothing is published on the way.

use std::time::Instant;

use chassis::Clock;
use contracts::{EventId, Timestamp};
use database::{Db, Tx};
use sea_orm::DbErr;

use crate::{
    domain::{
        activity::slot,
        news::{News, Unreadable},
    },
    store::{
        self,
        event::Numbered,
        projection::{self, PROJECTIONS, Tables},
        rebuild::Parity,
    },
};

/// Events in one transaction.
const CHUNK: i64 = 4000;
/// With so few events left the last transaction begins.
const LITTLE: u64 = 2000;

/// What is to be rebuilt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Order {
    /// Only what happened from then on; rounded down to a quarter of an hour. Without it: as far back as the log goes.
    pub since: Option<Timestamp>,
    /// Compare, and leave the live tables as they are.
    pub compare_only: bool,
}

/// What was rebuilt.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// From when on; absent for everything.
    pub since: Option<Timestamp>,
    /// Events that were replayed.
    pub events: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Each table beside the one it replaces.
    pub parity: Vec<Parity>,
    /// Whether the new tables serve now.
    pub swapped: bool,
}

/// Why nothing was rebuilt; the live tables are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Another rebuild is at it.
    #[error("another rebuild is running; if it was killed, another can begin at {0}")]
    Busy(Timestamp),
    /// The right to rebuild went to another.
    #[error("this rebuild was silent for so long that another one took over")]
    Overtaken,
    /// The log does not reach back so far.
    #[error("the log begins at {0}; leave --since out, or name that time or a later one")]
    TooEarly(Timestamp),
    /// An event in the log cannot be read.
    #[error("event {id} in the log cannot be read")]
    Unreadable {
        /// Which.
        id: EventId,
        /// Why.
        source: Unreadable,
    },
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] DbErr),
}

/// Rebuilds all projections; `progress` hears of events done and events to do.
///
/// # Errors
/// Then the live tables are as they were.
pub async fn rebuild(
    db: &Db,
    clock: &Clock,
    order: Order,
    progress: impl FnMut(u64, u64) + Send,
) -> Result<Report, RebuildError> {
    let begun = Instant::now();
    let mut rebuild = Rebuild {
        db,
        clock,
        owner: EventId::new().to_string(),
        done: 0,
        total: 0,
        progress,
    };
    rebuild.claim().await?;
    let made = rebuild.make(order).await;
    let owner = rebuild.owner.clone();
    let released: Result<(), DbErr> = db
        .write(async move |tx| {
            // Another may have taken over: the shadows are its, then.
            if store::rebuild::hold(tx, &owner, Timestamp::from_micros(0)).await? {
                projection::remove(tx, Tables::SHADOW).await?;
                store::rebuild::release(tx, &owner).await?;
            }
            Ok(())
        })
        .await;
    let (since, parity) = made?;
    released?;
    Ok(Report {
        since,
        events: rebuild.done,
        seconds: begun.elapsed().as_secs_f64(),
        parity,
        swapped: !order.compare_only,
    })
}

struct Rebuild<'a, P> {
    db: &'a Db,
    clock: &'a Clock,
    owner: String,
    done: u64,
    total: u64,
    progress: P,
}

impl<P: FnMut(u64, u64) + Send> Rebuild<'_, P> {
    async fn claim(&self) -> Result<(), RebuildError> {
        let now = self.clock.now();
        let held = self
            .db
            .write(async |tx| store::rebuild::claim(tx, &self.owner, now).await)
            .await?;
        held.map_or(Ok(()), |until| Err(RebuildError::Busy(until)))
    }

    /// From when on: as asked for, or from where the log is whole. From now on the log is not cut.
    async fn since(&self, order: Order) -> Result<Option<Timestamp>, RebuildError> {
        let whole_since = store::event::whole_since(self.db.read()).await?;
        let asked = order.since.map(slot);
        if asked.is_some_and(|since| since < whole_since) {
            return Err(RebuildError::TooEarly(whole_since));
        }
        Ok(asked.or_else(|| (whole_since.as_micros() > 0).then_some(whole_since)))
    }

    async fn make(&mut self, order: Order) -> Result<(Option<Timestamp>, Vec<Parity>), RebuildError> {
        let since = self.since(order).await?;
        let now = self.clock.now();
        let first = self
            .db
            .write(async |tx| {
                store::lock(tx).await?;
                self.hold(tx, now).await?;
                store::rebuild::prepare(tx, since).await?;
                Ok::<_, RebuildError>(store::event::last(tx).await?)
            })
            .await?;
        let beginning = Timestamp::from_micros(i64::MIN);
        // What the copies of the live tables hold has to be left out: what is from before `since` and was there already.
        self.replay(0, first, since.unwrap_or(beginning)).await?;
        let generation = self.clock.now().as_micros().to_string();
        self.db
            .write(async |tx| projection::index(tx, Tables::SHADOW, &generation).await)
            .await?;
        let mut last = first;
        loop {
            let newest = self.boundary().await?;
            if store::event::count(self.db.read(), last, newest, beginning).await? < LITTLE {
                break;
            }
            self.replay(last, newest, beginning).await?;
            last = newest;
        }
        Ok((since, self.finish(last, order.compare_only).await?))
    }

    /// The number of the newest event: no event with a lower number can commit any more.
    async fn boundary(&self) -> Result<i64, DbErr> {
        self.db
            .write(async |tx| {
                store::lock(tx).await?;
                store::event::last(tx).await
            })
            .await
    }

    async fn replay(&mut self, after: i64, last: i64, since: Timestamp) -> Result<(), RebuildError> {
        self.total += store::event::count(self.db.read(), after, last, since).await?;
        (self.progress)(self.done, self.total);
        let mut chunk = store::event::replay(self.db.read(), after, last, since, CHUNK).await?;
        while let Some(newest) = chunk.last().map(|numbered| numbered.seq) {
            let news = read(&chunk)?;
            let done = chunk.len() as u64;
            let next = store::event::replay(self.db.read(), newest, last, since, CHUNK);
            let next = async { next.await.map_err(RebuildError::from) };
            (chunk, ()) = tokio::try_join!(next, self.write(news))?;
            self.done += done;
            (self.progress)(self.done, self.total);
        }
        Ok(())
    }

    async fn write(&self, news: News) -> Result<(), RebuildError> {
        let now = self.clock.now();
        self.db
            .write(async move |tx| {
                self.hold(tx, now).await?;
                store::fold::apply(tx, Tables::SHADOW, news).await?;
                Ok(())
            })
            .await
    }

    async fn hold(&self, tx: &Tx, now: Timestamp) -> Result<(), RebuildError> {
        if store::rebuild::hold(tx, &self.owner, now).await? {
            Ok(())
        } else {
            Err(RebuildError::Overtaken)
        }
    }

    /// The rest of the events, the comparison, the swap.
    async fn finish(&mut self, after: i64, compare_only: bool) -> Result<Vec<Parity>, RebuildError> {
        let now = self.clock.now();
        let beginning = Timestamp::from_micros(i64::MIN);
        let (parity, rest) = self
            .db
            .write(async |tx| {
                store::lock(tx).await?;
                self.hold(tx, now).await?;
                let last = store::event::last(tx).await?;
                let rest = store::event::replay(tx, after, last, beginning, i64::MAX).await?;
                store::fold::apply(tx, Tables::SHADOW, read(&rest)?).await?;
                let mut parity = Vec::with_capacity(PROJECTIONS.len());
                for projection in &PROJECTIONS {
                    parity.push(store::rebuild::compare(tx, projection).await?);
                }
                if !compare_only {
                    store::rebuild::swap(tx).await?;
                }
                Ok::<_, RebuildError>((parity, rest.len() as u64))
            })
            .await?;
        self.done += rest;
        self.total += rest;
        (self.progress)(self.done, self.total);
        Ok(parity)
    }
}

fn read(chunk: &[Numbered]) -> Result<News, RebuildError> {
    let mut news = News::default();
    for Numbered { event, .. } in chunk {
        news.add(event)
            .map_err(|source| RebuildError::Unreadable { id: event.id, source })?;
    }
    Ok(news)
}
