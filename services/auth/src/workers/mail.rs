//! Sends the mails that were asked for, one a step: claim, write, send, record.
//!
//! Between sending and recording the process may die. The mail then stays in `sending` until its lease is over, and is sent
//! again with a code of its own; both codes are good until one is used.

use std::{sync::Arc, time::Duration};

use ::mail::{SendError, Transport};
use async_trait::async_trait;
use chassis::Clock;
use database::{Db, Tx};
use messaging::worker::{Step, StepError, Worker};
use sea_orm::DbErr;
use secrecy::ExposeSecret;
use tokio::sync::Notify;

use crate::{
    domain::{
        mail::{self, Delivery, Letter, Mail, Purpose},
        secret,
        user::User,
    },
    metrics::Metrics,
    store::{self, mail::Ending},
};

/// Sends mails.
pub struct Mailer {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// How often and how long to try.
    pub delivery: Delivery,
    /// Where links go.
    pub public_url: String,
    /// Where mails go.
    pub transport: Transport,
    /// Rung when a mail was asked for.
    pub bell: Arc<Notify>,
    /// Counts what came of them.
    pub metrics: Metrics,
}

/// What a claim yields.
enum Claimed {
    Nothing,
    Dropped,
    Due(Mail, Box<User>, Letter),
}

#[async_trait]
impl Worker for Mailer {
    fn name(&self) -> &'static str {
        "mail"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        match self.db.write(async |tx| self.claim(tx).await).await? {
            Claimed::Nothing => return Ok(Step::Drained),
            Claimed::Dropped => self.metrics.mail("dropped"),
            Claimed::Due(mail, user, letter) => {
                let sent = self.transport.send(&addressed(&mail, &user, letter)).await;
                self.db.write(async |tx| self.record(tx, &mail, &sent).await).await?;
                self.metrics.mail(if sent.is_ok() { "sent" } else { "failed" });
            }
        }
        Ok(Step::Full)
    }

    async fn woken(&self) {
        self.bell.notified().await;
    }
}

impl Mailer {
    async fn claim(&self, tx: &Tx) -> Result<Claimed, DbErr> {
        let now = self.clock.now();
        let Some(mail) = store::mail::claim(tx, &self.delivery, now).await? else {
            return Ok(Claimed::Nothing);
        };
        let user = match mail.user {
            Some(id) => store::user::find(tx, id).await?,
            None => store::user::by_email(tx, &mail.email_key).await?,
        };
        // A shut account gets no mail, and a verified address needs none.
        let user = user.filter(|user| !user.disabled && (mail.purpose != Purpose::Verify || !user.email_verified));
        let Some(user) = user else {
            store::mail::finish(tx, mail.id, Ending::Dropped, None, now).await?;
            return Ok(Claimed::Dropped);
        };
        let hour_ago = now - Duration::from_secs(3600);
        if mail.attempts == 1 && store::mail::recent(tx, &mail, user.id, hour_ago).await? >= self.delivery.hourly {
            let reason = "too many mails of this kind within an hour".to_owned();
            store::mail::finish(tx, mail.id, Ending::Dropped, Some(reason), now).await?;
            return Ok(Claimed::Dropped);
        }
        store::mail::address(tx, mail.id, user.id).await?;
        let code = secret::generate(mail.purpose.prefix()).map_err(|error| DbErr::Custom(error.to_string()))?;
        let life = self.delivery.life(mail.purpose);
        let digest = secret::digest(code.expose_secret());
        store::code::insert(tx, digest, user.id, mail.purpose, user.email.key(), now + life).await?;
        let letter = mail::letter(mail.purpose, &user.display_name, &code, &self.public_url, life);
        Ok(Claimed::Due(mail, Box::new(user), letter))
    }

    async fn record(&self, tx: &Tx, mail: &Mail, sent: &Result<(), SendError>) -> Result<(), DbErr> {
        let now = self.clock.now();
        let error = match sent {
            Ok(()) => return store::mail::finish(tx, mail.id, Ending::Sent, None, now).await,
            Err(error) => error,
        };
        tracing::warn!(mail = %mail.id, attempts = mail.attempts, error = %error, "a mail was not sent");
        let later = match error {
            SendError::Later(_) => self.delivery.retry_at(mail.attempts, now),
            SendError::Final(_) | SendError::Mailbox(_) => None,
        };
        match later {
            Some(at) => store::mail::retry(tx, mail.id, error.to_string(), at).await,
            None => store::mail::finish(tx, mail.id, Ending::Failed, Some(error.to_string()), now).await,
        }
    }
}

fn addressed(mail: &Mail, to: &User, letter: Letter) -> ::mail::Letter {
    ::mail::Letter {
        id: mail.id.to_string(),
        to: to.email.as_str().to_owned(),
        to_name: to.display_name.clone(),
        subject: letter.subject,
        text: letter.text,
        html: None,
        headers: Vec::new(),
    }
}
