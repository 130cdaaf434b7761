//! What the channels have in common, and where they part: getting a delivery ready inside the transaction that claims it,
//! one attempt outside of any, and what the attempt says about its target.

use std::{sync::Arc, time::Duration};

use contracts::{Timestamp, id::WebhookId};
use database::Tx;
use mail::Transport;
use messaging::cause;
use sea_orm::{DbErr, EntityTrait};
use secrecy::SecretString;

use super::{
    email::{self, DIGEST, Reader},
    http::Http,
    slack,
    templates::Templates,
    webhook::{self, Endpoint},
};
use crate::{
    domain::{
        delivery::{Attempt, Channel, Outcome},
        notification::{Kind, News, one_line},
        webhook::{TEST, is_given_up},
    },
    reactions::{disable::disable, notify::notify},
    secrets::Secrets,
    store::{self, contact::MOST_BOUNCES, delivery::Model},
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
    /// Where mails go.
    pub transport: Arc<Transport>,
    /// Their words.
    pub templates: Arc<Templates>,
    /// Where people reach the hub; links in mails begin with it.
    pub public_url: String,
}

/// An attempt that is ready to be made.
pub(super) enum Job {
    /// To an endpoint; `true` when it was failing.
    Webhook(Endpoint, bool),
    /// To somebody's address.
    Email(Reader),
    /// To an incoming webhook of Slack.
    Slack(SecretString),
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
            Some(Channel::Email) => self.email(tx, delivery).await,
            Some(Channel::Slack) => self.slack(tx, delivery).await,
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
        if store::user::is_shut(tx, webhook.user_id).await? {
            return Ok(Err("the account is shut".to_owned()));
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

    async fn email(&self, tx: &Tx, delivery: &Model) -> Result<Result<Job, String>, DbErr> {
        let user = store::user::Entity::find_by_id(delivery.user_id).one(tx).await?;
        let reason = match &user {
            None => "the reader is not known",
            Some(user) if user.disabled => "the account is shut",
            Some(user) if user.email.is_empty() || !user.email_verified => "the address is not verified",
            Some(user) if user.bounces >= MOST_BOUNCES => "mails to the address came back, so no more are sent there",
            Some(_) => "",
        };
        let Some(user) = user.filter(|_| reason.is_empty()) else {
            return Ok(Err(reason.to_owned()));
        };
        let kind = (delivery.event_type != DIGEST).then_some(delivery.event_type.as_str());
        let token = match self.secrets.unsubscribe_token(user.id, kind) {
            Ok(token) => token,
            Err(error) => {
                tracing::error!(error = %error, "a link to unsubscribe cannot be made");
                return Ok(Err("the link to unsubscribe cannot be made".to_owned()));
            }
        };
        Ok(Ok(Job::Email(Reader {
            user: user.id,
            address: user.email,
            name: user.display_name,
            bounces: user.bounces,
            unsubscribe_url: format!("{}/v1/unsubscribe/{token}", self.public_url.trim_end_matches('/')),
        })))
    }

    async fn slack(&self, tx: &Tx, delivery: &Model) -> Result<Result<Job, String>, DbErr> {
        let Some(hook) = store::slack::find(tx, &delivery.target).await? else {
            return Ok(Err("the Slack webhook was removed".to_owned()));
        };
        let opened = self.secrets.open_slack(&hook);
        Ok(opened.map(Job::Slack).map_err(|error| {
            tracing::error!(owner = hook.owner, error = %error, "the address of a Slack webhook cannot be read");
            "its address cannot be read any more; set it again".to_owned()
        }))
    }

    /// Makes the attempt.
    pub(super) async fn send(&self, job: &Job, delivery: &Model, now: Timestamp) -> Attempt {
        let body = || delivery.payload.clone();
        match job {
            Job::Webhook(endpoint, _) => webhook::send(&self.http, endpoint, &delivery.message_id, body(), now).await,
            Job::Email(reader) => email::send(&self.transport, &self.templates, reader, delivery, now).await,
            Job::Slack(url) => slack::send(&self.http, url, body(), now).await,
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
            Job::Email(reader) => settle_email(tx, delivery, reader, outcome, now).await,
            Job::Slack(_) => Ok(()),
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
            true => cause::resume(delivery.cause.as_ref(), disable(tx, webhook, &why, now)).await,
            false => Ok(()),
        }
    }
}

/// An address that sends mails back several times in a row gets none any more, and its owner is told in the inbox.
async fn settle_email(
    tx: &Tx,
    delivery: &Model,
    reader: &Reader,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), DbErr> {
    match outcome {
        Outcome::Taken if reader.bounces > 0 => store::user::reached(tx, reader.user, &reader.address).await,
        Outcome::Gone { reason } => {
            if store::user::bounced(tx, reader.user, &reader.address).await? != Some(MOST_BOUNCES) {
                return Ok(());
            }
            let news = News {
                subject: reader.address.clone(),
                detail: one_line(reason),
                ..News::new(Kind::EmailSuppressed, format!("email_suppressed:{}", delivery.id), now)
            };
            cause::resume(delivery.cause.as_ref(), notify(tx, &news, [reader.user], now)).await
        }
        _ => Ok(()),
    }
}
