//! The importer: reads the files of accepted imports and makes tasks of their rows, a batch in each step.
//!
//! One replica at a time imports (a lease); it has up to [`AT_ONCE`] imports open and gives each a batch in turn, so that a
//! small file does not wait for a large one. What is lost with the process is only the place in the file: the next one
//! reads it again from its beginning and passes over the rows that are done. When there is nothing to import it cleans up.
//!
//! What writes is a boxed future here: the compiler cannot see through nested ones that closures over a transaction are `Send`.

mod pipe;
mod session;

use std::{collections::VecDeque, time::Duration};

use async_trait::async_trait;
use chassis::Clock;
use contracts::{Timestamp, id::ImportId};
use database::{Db, Leases};
use futures_util::future::BoxFuture;
use messaging::{
    cause,
    worker::{Step, StepError, Worker},
};

use self::session::{Session, Turn};
use crate::store;

/// Imports that are open at the same time.
const AT_ONCE: usize = 4;
/// Rows that one step of cleaning up removes of each kind.
const SWEPT: u64 = 100;
/// How often is looked for something to clean up, beside after an import.
const SWEEPING: Duration = Duration::from_secs(60);
/// For how long the report of a finished import is kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// See the head of the file.
pub(crate) struct Importer {
    db: Db,
    clock: Clock,
    leases: Leases,
    /// An upload of which nothing was heard for so long is given up.
    stalled: Duration,
    open: VecDeque<Session>,
    /// When it was cleaned up to the end; absent when there may be something.
    clean: Option<Timestamp>,
}

impl Importer {
    pub(crate) fn new(db: Db, clock: Clock, stalled: Duration) -> Self {
        Self {
            leases: Leases::new(db.clone(), "imports", 1),
            db,
            clock,
            stalled,
            open: VecDeque::new(),
            clean: None,
        }
    }

    fn open_next(&mut self) -> BoxFuture<'_, Result<(), StepError>> {
        Box::pin(async move {
            let held: Vec<ImportId> = self.open.iter().map(Session::id).collect();
            if let Some(import) = store::import::next(self.db.read(), &held).await? {
                self.open
                    .push_back(Session::new(self.db.clone(), self.clock.clone(), import));
            }
            Ok(())
        })
    }

    fn sweep(&mut self) -> BoxFuture<'_, Result<Step, StepError>> {
        Box::pin(async move {
            let now = self.clock.now();
            if self.clean.is_some_and(|at| now.since(at) < SWEEPING) {
                return Ok(Step::Drained);
            }
            let (stalled, old) = (now - self.stalled, now - KEPT);
            let gone = self
                .db
                .write(async |tx| store::import::sweep(tx, stalled, old, SWEPT).await)
                .await?;
            if gone > 0 {
                return Ok(Step::Full);
            }
            self.clean = Some(now);
            Ok(Step::Drained)
        })
    }
}

#[async_trait]
impl Worker for Importer {
    fn name(&self) -> &'static str {
        "importer"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        if self.leases.hold().await?.is_empty() {
            self.open.clear();
            return Ok(Step::Drained);
        }
        if self.open.len() < AT_ONCE {
            self.open_next().await?;
        }
        let Some(mut session) = self.open.pop_front() else {
            return self.sweep().await;
        };
        let because = session.cause();
        match cause::resume(because.as_ref(), session.turn()).await {
            Ok(Turn::More) => self.open.push_back(session),
            Ok(Turn::Over) => self.clean = None,
            Err(error) => {
                // One without a batch in its hands has lost its place: it is opened anew.
                if session.has_batch() {
                    self.open.push_back(session);
                }
                return Err(error);
            }
        }
        Ok(Step::Full)
    }
}
