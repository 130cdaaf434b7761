//! Seals anew what was sealed under the other master key, while one is exchanged. What was changed meanwhile is left alone: it
//! is sealed under the current key, or looked at again in the next round.

use std::sync::Arc;

use chassis::worker::{Step, StepError, Worker};
use database::{Db, Tx};
use sea_orm::DbErr;

use crate::{
    secrets::Secrets,
    store::{slack, webhook},
};

/// Rows that one step looks at.
const BATCH: u64 = 500;

/// The worker; it has nothing to do when there is one master key.
pub struct Resealing {
    db: Db,
    secrets: Arc<Secrets>,
    /// Up to where webhooks and Slack's were looked at in this round.
    webhook: String,
    slack: String,
}

impl Resealing {
    /// Nothing runs yet.
    pub fn new(db: Db, secrets: Arc<Secrets>) -> Self {
        Self {
            db,
            secrets,
            webhook: String::new(),
            slack: String::new(),
        }
    }

    fn renewed(&self, place: &str, sealed: &str) -> Option<String> {
        self.secrets.renew(place, sealed).unwrap_or_else(|error| {
            tracing::error!(error = %error, "cannot be sealed anew; its owner has to give it again");
            None
        })
    }
}

#[async_trait::async_trait]
impl Worker for Resealing {
    fn name(&self) -> &'static str {
        "notification-resealing"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        if !self.secrets.are_changing() {
            return Ok(Step::Drained);
        }
        let webhooks = webhook::sealed_after(self.db.read(), &self.webhook, BATCH).await?;
        let hooks = slack::sealed_after(self.db.read(), &self.slack, BATCH).await?;
        let full = webhooks.len() as u64 == BATCH || hooks.len() as u64 == BATCH;
        self.webhook = webhooks.last().map(|one| one.id.to_string()).unwrap_or_default();
        self.slack = hooks.last().map(|one| one.owner.clone()).unwrap_or_default();

        let changed_webhooks: Vec<_> = webhooks
            .into_iter()
            .filter_map(|one| {
                let place = webhook::Model::place(one.id);
                let secret = self.renewed(&place, &one.secret);
                let old = one.old_secret.as_ref().and_then(|old| self.renewed(&place, old));
                (secret.is_some() || old.is_some()).then_some((one, secret, old))
            })
            .collect();
        let changed_hooks: Vec<_> = hooks
            .into_iter()
            .filter_map(|one| {
                let url = self.renewed(&slack::Model::place(&one.owner), &one.url)?;
                Some((one, url))
            })
            .collect();
        let count = changed_webhooks.len() + changed_hooks.len();
        if count > 0 {
            self.db
                .write(async move |tx: &Tx| {
                    for (before, secret, old) in &changed_webhooks {
                        webhook::reseal(tx, before, secret.as_deref(), old.as_deref()).await?;
                    }
                    for (before, url) in &changed_hooks {
                        slack::reseal(tx, before, url).await?;
                    }
                    Ok::<_, DbErr>(())
                })
                .await?;
            tracing::info!(count, "sealed secrets under the current master key");
        }
        Ok(if full { Step::Full } else { Step::Drained })
    }
}
