//! Erasures: the log is looked through for somebody who closed their account, a piece at a time, and what describes or
//! quotes them is blanked. When the end is reached, the hub hears that it is done.
//!
//! The figures of the person went in the reaction already. An event about them that comes later sends the erasure back.

use chassis::{
    Clock,
    worker::{Step, StepError, Worker},
};
use contracts::analytics::AnalyticsErased;
use database::Db;

use crate::{
    domain::personal,
    store::{self, erasure::Erasure},
};

/// Events that one step looks through.
const PIECE: i64 = 20_000;

/// Blanks people who closed their accounts.
pub struct Erase {
    db: Db,
    clock: Clock,
}

impl Erase {
    /// Nothing runs yet.
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// Looks through the next piece of the log.
    async fn piece(&self, mut erasure: Erasure) -> Result<(), StepError> {
        let user = erasure.user;
        let id = user.to_string();
        if erasure.addresses.is_empty() {
            // Of their own events first: they name the addresses that others' may show.
            let own = store::event::about(self.db.read(), &id, u64::MAX >> 1).await?;
            erasure.addresses = own
                .iter()
                .filter_map(|event| personal::address(&event.data, user))
                .collect();
            erasure.addresses.sort();
            erasure.addresses.dedup();
        }
        let last = store::event::last(self.db.read()).await?;
        let until = (erasure.position + PIECE).min(last);
        let texts: Vec<String> = std::iter::once(id).chain(erasure.addresses.iter().cloned()).collect();
        let found = store::event::mentioning(self.db.read(), &texts, erasure.position, until).await?;
        let now = self.clock.now();
        self.db
            .write(async |tx| {
                for one in &found {
                    if let Some(data) = personal::blanked(&one.event.data, user, &erasure.addresses) {
                        store::event::rewrite(tx, one.seq, &data).await?;
                    }
                }
                store::erasure::advance(tx, &erasure, until).await?;
                if until < last {
                    return Ok(());
                }
                store::report::forget(tx, user).await?;
                let done = Erasure {
                    position: until,
                    ..erasure.clone()
                };
                if store::erasure::finish(tx, &done, now).await? && !erasure.announced {
                    let erased = AnalyticsErased {
                        user_id: user,
                        erased_at: now,
                    };
                    messaging::append(tx, &erased).await?;
                }
                Ok::<_, sea_orm::DbErr>(())
            })
            .await?;
        Ok(())
    }
}

#[async_trait::async_trait]
impl Worker for Erase {
    fn name(&self) -> &'static str {
        "analytics-erasure"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        match store::erasure::next(self.db.read()).await? {
            Some(erasure) => {
                self.piece(erasure).await?;
                Ok(Step::Full)
            }
            None => Ok(Step::Drained),
        }
    }
}
