//! Erasures: the log is looked through for somebody who closed their account, a piece at a time, and what describes or
//! quotes them is blanked. When the end is reached, the hub hears that it is done.
//!
//! The figures of the person went in the reaction already. An event about them that comes later sends the erasure back.

use std::collections::BTreeSet;

use chassis::{
    Clock,
    worker::{Step, StepError, Worker},
};
use contracts::{
    Event,
    analytics::AnalyticsErased,
    auth::{UserRegistered, UserUpdated},
    id::UserId,
};
use database::Db;
use messaging::cause;
use sea_orm::DbErr;

use crate::{
    domain::personal,
    store::{self, erasure::Erasure, event::Filter},
};

/// Events that one step looks through.
const PIECE: i64 = 20_000;
/// Versions of a profile that are looked through for addresses: more than anybody has.
const PROFILES: u64 = 10_000;

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

    /// The addresses in somebody's own events, which others' may show, too.
    async fn addresses(&self, user: UserId) -> Result<Vec<String>, DbErr> {
        let mut addresses = BTreeSet::new();
        for event_type in [UserRegistered::TYPE, UserUpdated::TYPE] {
            let filter = Filter {
                event_type: Some(event_type),
                subject: Some(user.to_string()),
                ..Filter::default()
            };
            let own = store::event::page(self.db.read(), &filter, None, PROFILES).await?;
            addresses.extend(own.iter().filter_map(|event| personal::address(&event.data, user)));
        }
        Ok(addresses.into_iter().collect())
    }

    /// Looks through the next piece of the log.
    async fn piece(&self, mut erasure: Erasure) -> Result<(), StepError> {
        let user = erasure.user;
        let id = user.to_string();
        if erasure.position == 0 && erasure.addresses.is_empty() {
            erasure.addresses = self.addresses(user).await?;
        }
        let last = store::event::last(self.db.read()).await?;
        let until = (erasure.position + PIECE).min(last);
        let texts: Vec<String> = std::iter::once(id).chain(erasure.addresses.iter().cloned()).collect();
        let found = store::event::mentioning(self.db.read(), &texts, erasure.position, until).await?;
        let now = self.clock.now();
        self.db
            .write(async |tx| {
                for one in &found {
                    if let Some(data) = personal::blanked(&one.event, user, &erasure.addresses) {
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
                    cause::resume(erasure.cause.as_ref(), async { messaging::append(tx, &erased) }).await?;
                }
                Ok::<_, DbErr>(())
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
