//! What every handler has at hand.

use std::sync::Arc;

use chassis::Clock;
use database::Db;
use identity::Verifier;
use tokio::sync::Notify;

use seal::Seal;

use crate::{domain::password::Hasher, keyring::Keyring, metrics::Metrics, settings::AuthSettings};

/// What every handler has at hand.
pub struct State {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// The settings.
    pub settings: AuthSettings,
    /// Hashes passwords.
    pub hasher: Hasher,
    /// Signs access tokens.
    pub keyring: Arc<Keyring>,
    /// Seals what is kept.
    pub seal: Arc<Seal>,
    /// Verifies access tokens.
    pub verifier: Arc<Verifier>,
    /// Wakes the worker that sends mails.
    pub mail_bell: Arc<Notify>,
    /// Counts.
    pub metrics: Metrics,
}
