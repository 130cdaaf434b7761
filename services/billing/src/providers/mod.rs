//! Who charges. What leaves the process on the way to money is here, and nothing of the rest of it.

mod manual;
mod sandbox;
mod stripe;
pub mod webhook;

use async_trait::async_trait;

pub use self::{manual::Manual, sandbox::Sandbox, stripe::Stripe};
use crate::{
    domain::payment::{Charge, Report, Unknown},
    settings::{BillingSettings, Provider},
};

/// Takes money, or says how it can be paid.
#[async_trait]
pub trait PaymentProvider: Send + Sync {
    /// Takes the money. Asked again with the same payment, it does not take it again.
    ///
    /// # Errors
    /// When nobody knows whether it was taken.
    async fn charge(&self, charge: &Charge) -> Result<Report, Unknown>;

    /// What became of a payment.
    ///
    /// # Errors
    /// When the provider does not answer.
    async fn look(&self, reference: &str) -> Result<Report, Unknown>;

    /// Calls a payment off; one that has succeeded meanwhile has.
    ///
    /// # Errors
    /// When the provider does not answer.
    async fn cancel(&self, reference: &str) -> Result<Report, Unknown>;

    /// Checks what a client wants to pay with.
    ///
    /// # Errors
    /// What is expected instead.
    fn check_method(&self, token: &str) -> Result<(), String>;
}

/// All providers. A payment stays with the one that it began with, also when another is chosen for new ones.
pub struct Providers {
    current: Provider,
    sandbox: Sandbox,
    manual: Manual,
    stripe: Option<Stripe>,
}

impl Providers {
    /// As the settings say.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(settings: &BillingSettings) -> anyhow::Result<Self> {
        Ok(Self {
            current: settings.provider,
            sandbox: Sandbox,
            manual: Manual,
            stripe: settings.stripe.as_ref().map(Stripe::new).transpose()?,
        })
    }

    /// The one for new payments.
    pub fn current(&self) -> &dyn PaymentProvider {
        match (self.current, &self.stripe) {
            (Provider::Sandbox, _) => &self.sandbox,
            (Provider::Stripe, Some(stripe)) => stripe,
            // The settings refuse Stripe without a key.
            (Provider::Manual | Provider::Stripe, _) => &self.manual,
        }
    }

    /// The one of this name; `None` when it is not set up any more.
    pub fn named(&self, name: &str) -> Option<&dyn PaymentProvider> {
        match (Provider::named(name)?, &self.stripe) {
            (Provider::Sandbox, _) => Some(&self.sandbox),
            (Provider::Manual, _) => Some(&self.manual),
            (Provider::Stripe, Some(stripe)) => Some(stripe),
            (Provider::Stripe, None) => None,
        }
    }
}
