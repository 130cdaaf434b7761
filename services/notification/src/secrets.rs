//! What is kept sealed: secrets of webhooks. Also what is signed so that it can come back.

use contracts::{Timestamp, id::WebhookId};
use seal::{Seal, SealError};
use secrecy::{ExposeSecret, SecretString};

use crate::store::webhook::Model;

/// Seals and opens under `notification.master_key`.
pub struct Secrets {
    seal: Seal,
}

impl Secrets {
    /// With this seal.
    pub fn new(seal: Seal) -> Self {
        Self { seal }
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

    fn open(&self, place: &str, sealed: &str) -> Result<SecretString, SealError> {
        let bytes = self.seal.open(place, sealed)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned().into())
    }
}
