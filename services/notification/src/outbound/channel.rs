//! What the channels have in common, and where they part: getting a delivery ready inside the transaction that claims it,
//! one attempt outside of any, and what the attempt says about its target.

use std::{sync::Arc, time::Duration};

use contracts::{Timestamp, id::WebhookId};
use database::Tx;
use sea_orm::{DbErr, EntityTrait};

use super::{
    http::Http,
    webhook::{self, Endpoint},
};
use crate::{
    domain::{
        delivery::{Attempt, Channel, Outcome},
        webhook::{TEST, is_given_up},
    },
    reactions::disable::disable,
    secrets::Secrets,
    store::{self, delivery::Model},
};

/// What attempts need.
#[derive(Clone)]
pub struct Channels {
    /// Requests to targets.
    pub http: Http,
    /// Opens what is sealed.
    pub secrets: Arc<Secrets>,
    /// How long an endpoint may do nothing but fail before it is disabled.
    pub patience: Duration,
}

/// An attempt that is ready to be made.
pub(super) enum Job {
    /// To an endpoint; `true` when it was failing.
    Webhook(Endpoint, bool),
}

impl Channels {
    /// What is needed to send `delivery` now.
    ///
    /// # Errors
    /// The database's; inside, why it is not to be sent at all.
    pub(super) async fn prepare(
        &self,
        tx: &Tx,
        delivery: &Model,
        now: Timestamp,
    ) -> Result<Result<Job, String>, DbErr> {
        match Channel::named(&delivery.channel) {
            Some(Channel::Webhook) => self.webhook(tx, delivery, now).await,
            None => Ok(Err("this release knows no such channel".to_owned())),
        }
    }

    async fn webhook(&self, tx: &Tx, delivery: &Model, now: Timestamp) -> Result<Result<Job, String>, DbErr> {
        let Ok(id) = delivery.target.parse::<WebhookId>() else {
            return Ok(Err("its target is no webhook".to_owned()));
        };
        let Some(webhook) = store::webhook::Entity::find_by_id(id).one(tx).await? else {
            return Ok(Err("the webhook was deleted".to_owned()));
        };
        if !webhook.enabled && delivery.event_type != TEST {
            return Ok(Err("the webhook is disabled".to_owned()));
        }
        let secrets = match self.secrets.of_webhook(&webhook, now) {
            Ok(secrets) => secrets,
            Err(error) => {
                tracing::error!(webhook = %id, error = %error, "a webhook's secret cannot be read");
                return Ok(Err("its secret cannot be read any more; rotate it".to_owned()));
            }
        };
        let endpoint = Endpoint {
            url: webhook.url,
            secrets,
        };
        Ok(Ok(Job::Webhook(endpoint, webhook.failing_since.is_some())))
    }

    /// Makes the attempt.
    pub(super) async fn send(&self, job: &Job, delivery: &Model, now: Timestamp) -> Attempt {
        match job {
            Job::Webhook(endpoint, _) => {
                webhook::send(
                    &self.http,
                    endpoint,
                    &delivery.message_id,
                    delivery.payload.clone(),
                    now,
                )
                .await
            }
        }
    }

    /// What the attempt says about its target.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn settle(
        &self,
        tx: &Tx,
        job: &Job,
        delivery: &Model,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<(), DbErr> {
        match job {
            Job::Webhook(_, was_failing) => self.settle_webhook(tx, delivery, *was_failing, outcome, now).await,
        }
    }

    async fn settle_webhook(
        &self,
        tx: &Tx,
        delivery: &Model,
        was_failing: bool,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<(), DbErr> {
        let Ok(id) = delivery.target.parse::<WebhookId>() else {
            return Ok(());
        };
        if *outcome == Outcome::Taken {
            return match was_failing {
                true => store::webhook::recovered(tx, id).await,
                false => Ok(()),
            };
        }
        let Some(webhook) = store::webhook::failed(tx, id, now).await? else {
            return Ok(());
        };
        let since = webhook.failing_since.unwrap_or(now);
        let why = match outcome {
            Outcome::Gone { reason } => reason.clone(),
            _ if is_given_up(since, now, self.patience) => format!("every attempt since {since} has failed"),
            _ => return Ok(()),
        };
        match webhook.enabled {
            true => disable(tx, webhook, &why, now).await,
            false => Ok(()),
        }
    }
}
