//! Publishes the catalogue when its version is newer than the last published, and puts changed limits in force.
//!
//! A changed limit holds at once, for everybody who has the plan; a changed price from the next renewal on. A replica with an
//! older catalogue (an older release that is being replaced) leaves both alone, so the two do not undo each other's work.

use std::{cmp::Ordering, sync::Arc};

use async_trait::async_trait;
use contracts::id::UserId;
use database::Tx;
use messaging::worker::{Step, StepError, Worker};
use sea_orm::DbErr;

use crate::{domain::subscription::Change, flow, state::State, store};

/// Accounts that one step looks at.
const BATCH: u64 = 200;

/// Publishes the catalogue.
pub struct CataloguePublisher {
    /// What it needs.
    pub state: Arc<State>,
}

#[async_trait]
impl Worker for CataloguePublisher {
    fn name(&self) -> &'static str {
        "catalogue"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        let state = &self.state;
        let (catalogue, now) = (&state.settings.catalogue, state.clock.now());
        let ours = async || {
            let published = store::catalogue::published(state.db.read()).await?;
            Ok::<_, DbErr>(published.map(|(version, _)| version.cmp(&catalogue.version)))
        };
        if ours().await?.is_none_or(Ordering::is_lt) {
            state
                .db
                .write(async |tx| {
                    if store::catalogue::publish(tx, catalogue, now).await? {
                        for plan in &catalogue.plans {
                            messaging::append(tx, &plan.published(catalogue.version))?;
                        }
                    }
                    Ok::<_, DbErr>(())
                })
                .await?;
        }
        if ours().await? != Some(Ordering::Equal) {
            return Ok(Step::Drained);
        }
        let older = store::subscription::of_older_catalogue(state.db.read(), &catalogue.digest, BATCH).await?;
        for user in &older {
            state.db.write(async |tx| self.renew_limits(tx, *user).await).await?;
        }
        Ok(if older.len() as u64 == BATCH {
            Step::Full
        } else {
            Step::Drained
        })
    }
}

impl CataloguePublisher {
    async fn renew_limits(&self, tx: &Tx, user: UserId) -> Result<(), DbErr> {
        let (state, now) = (&self.state, self.state.clock.now());
        let (_, mut subscription) = flow::account::take(state, tx, user, now).await?;
        let catalogue = &state.settings.catalogue;
        match catalogue.plan(&subscription.plan) {
            Some(plan) if plan.limits != subscription.limits => {
                subscription.limits = plan.limits;
                flow::subscription::publish(state, tx, &mut subscription, Change::LimitsChanged, now).await
            }
            _ => store::subscription::checked(tx, user, &catalogue.digest).await,
        }
    }
}
