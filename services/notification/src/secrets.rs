//! What is kept sealed: secrets of webhooks, addresses of Slack's. Links to unsubscribe are sealed too: whoever has one knows
//! nothing by it, and nobody can make one.

use contracts::{
    Timestamp,
    id::{UserId, WebhookId},
};
use seal::{Seal, SealError};
use secrecy::{ExposeSecret, SecretString};

use crate::store::{slack, webhook::Model};

/// Where tokens are sealed.
const UNSUBSCRIBE: &str = "unsubscribe";

/// Seals and opens under `notification.master_key`.
pub struct Secrets {
    seal: Seal,
}

impl Secrets {
    /// With this seal.
    pub fn new(seal: Seal) -> Self {
        Self { seal }
    }

    /// Whether the master key is being exchanged, so that something may have to be sealed anew.
    pub fn are_changing(&self) -> bool {
        self.seal.is_changing()
    }

    /// What was sealed at `place` under the other master key, sealed under the current one; `None` when it is.
    ///
    /// # Errors
    /// It was sealed under a third key.
    pub fn renew(&self, place: &str, sealed: &str) -> Result<Option<String>, SealError> {
        self.seal.renew(place, sealed)
    }

    /// A secret of a webhook as the database keeps it.
    ///
    /// # Errors
    /// The cipher's.
    pub fn seal_webhook(&self, id: WebhookId, secret: &SecretString) -> Result<String, SealError> {
        self.seal.seal(&Model::place(id), secret.expose_secret().as_bytes())
    }

    /// What signs a webhook's messages now, the newest first.
    ///
    /// # Errors
    /// They were sealed under another key.
    pub fn of_webhook(&self, webhook: &Model, now: Timestamp) -> Result<Vec<SecretString>, SealError> {
        let old = webhook.old_secret.as_ref();
        let old = old.filter(|_| webhook.old_secret_until.is_some_and(|until| now < until));
        let sealed = std::iter::once(&webhook.secret).chain(old);
        sealed
            .map(|sealed| self.open(&Model::place(webhook.id), sealed))
            .collect()
    }

    /// An answer that holds a secret, to be given again to who repeats a request.
    ///
    /// # Errors
    /// The cipher's.
    pub fn seal_answer(&self, place: &str, answer: &[u8]) -> Result<String, SealError> {
        self.seal.seal(place, answer)
    }

    /// What [`Secrets::seal_answer`] sealed.
    ///
    /// # Errors
    /// It was sealed under another key.
    pub fn open_answer(&self, place: &str, sealed: &str) -> Result<Vec<u8>, SealError> {
        self.seal.open(place, sealed)
    }

    /// The address of a Slack webhook as the database keeps it.
    ///
    /// # Errors
    /// The cipher's.
    pub fn seal_slack(&self, owner: &str, url: &str) -> Result<String, SealError> {
        self.seal.seal(&slack::Model::place(owner), url.as_bytes())
    }

    /// The address of a Slack webhook.
    ///
    /// # Errors
    /// It was sealed under another key.
    pub fn open_slack(&self, hook: &slack::Model) -> Result<SecretString, SealError> {
        self.open(&slack::Model::place(&hook.owner), &hook.url)
    }

    /// What ends mails of a kind to a user, or without a kind all mails. It holds for ever, as mails do.
    ///
    /// # Errors
    /// The cipher's.
    pub fn unsubscribe_token(&self, user: UserId, kind: Option<&str>) -> Result<String, SealError> {
        let text = format!("{user} {}", kind.unwrap_or_default());
        let sealed = self.seal.seal(UNSUBSCRIBE, text.as_bytes())?;
        Ok(sealed.trim_end_matches('=').replace('+', "-").replace('/', "_"))
    }

    /// Whose mails, and of which kind, a token ends. `None`: it is not ours.
    pub fn unsubscribed(&self, token: &str) -> Option<(UserId, Option<String>)> {
        let mut sealed = token.replace('-', "+").replace('_', "/");
        sealed.extend(std::iter::repeat_n('=', (4 - sealed.len() % 4) % 4));
        let text = String::from_utf8(self.seal.open(UNSUBSCRIBE, &sealed).ok()?).ok()?;
        let (user, kind) = text.split_once(' ')?;
        Some((
            user.parse().ok()?,
            Some(kind.to_owned()).filter(|kind| !kind.is_empty()),
        ))
    }

    fn open(&self, place: &str, sealed: &str) -> Result<SecretString, SealError> {
        let bytes = self.seal.open(place, sealed)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned().into())
    }
}
