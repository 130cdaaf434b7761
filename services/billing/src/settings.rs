//! What can be set; `defaults.toml` says what each key means.

use std::{sync::Arc, time::Duration};

use chassis::{Settings, Source};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::{
    catalogue::{Catalogue, EMBEDDED},
    invoice::Seller,
    payment::Policy,
};

/// Who charges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Nobody pays; for demonstrations and tests.
    Sandbox,
    /// Bank transfer.
    Manual,
    /// Stripe.
    Stripe,
}

impl Provider {
    /// The name in answers, events and the database.
    pub const fn name(self) -> &'static str {
        match self {
            Provider::Sandbox => "sandbox",
            Provider::Manual => "manual",
            Provider::Stripe => "stripe",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Provider::Sandbox, Provider::Manual, Provider::Stripe]
            .into_iter()
            .find(|provider| provider.name() == name)
    }
}

/// `billing.stripe`
#[derive(Debug, Clone)]
pub struct Stripe {
    /// Where it is.
    pub url: String,
    /// The API key.
    pub secret_key: SecretString,
    /// The webhook's signing secret.
    pub webhook_secret: Option<SecretString>,
    /// How long one request may take.
    pub timeout: Duration,
}

/// All of it.
#[derive(Debug, Clone)]
pub struct BillingSettings {
    /// The plans, prices and taxes.
    pub catalogue: Arc<Catalogue>,
    /// Who issues the invoices.
    pub seller: Seller,
    /// Who charges.
    pub provider: Provider,
    /// Stripe, when there is a key for it.
    pub stripe: Option<Stripe>,
    /// How long an invoice may stay unpaid.
    pub due: Duration,
    /// How payments are tried.
    pub payment: Policy,
    /// A font to draw PDFs with in place of the one that comes with the service.
    pub pdf_font: Option<Arc<Vec<u8>>>,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Settings for BillingSettings {
    const DEFAULTS: &'static str = include_str!("defaults.toml");

    fn parse(source: &mut Source<'_>) -> Option<Self> {
        let (catalogue, seller) = (catalogue(source), seller(source));
        let provider: Option<Provider> = source.take("billing.provider");
        let stripe = stripe(source);
        if let (Some(Provider::Stripe), Some(None)) = (provider, &stripe) {
            source.reject("billing.stripe.secret_key is needed when billing.provider is stripe");
        }
        let due = source.take::<u32>("billing.invoice_due_days").map(|days| DAY * days);
        let (payment, pdf_font) = (policy(source), font(source));
        Some(Self {
            catalogue: Arc::new(catalogue?),
            seller: seller?,
            provider: provider?,
            stripe: stripe?,
            due: due?,
            payment: payment?,
            pdf_font: pdf_font?,
        })
    }
}

fn catalogue(source: &mut Source<'_>) -> Option<Catalogue> {
    let text = match source.optional::<String>("billing.catalogue") {
        None => EMBEDDED.to_owned(),
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                source.reject(format!("billing.catalogue: {path}: {error}"));
                return None;
            }
        },
    };
    match Catalogue::parse(&text) {
        Ok(catalogue) => Some(catalogue),
        Err(mistakes) => {
            for mistake in mistakes {
                source.reject(format!("billing.catalogue: {mistake}"));
            }
            None
        }
    }
}

fn seller(source: &mut Source<'_>) -> Option<Seller> {
    let code: Option<String> = source.take("billing.seller.code");
    let plain = |code: &String| {
        (1..=10).contains(&code.len())
            && code
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    source.require(
        code.as_ref().is_none_or(plain),
        "billing.seller.code must have 1 to 10 capital letters and digits: invoice numbers begin with it",
    );
    let country: Option<String> = source.take("billing.seller.country");
    source.require(
        country.as_ref().is_none_or(|country| country.len() == 2),
        "billing.seller.country must be a country by ISO 3166-1, like DE",
    );
    let name = source.take("billing.seller.name");
    let address = source.take("billing.seller.address");
    let vat_id = source.take("billing.seller.vat_id");
    let bank_account = source.take("billing.seller.bank_account");
    Some(Seller {
        code: code?,
        name: name?,
        address: address?,
        country: country?,
        vat_id: vat_id?,
        bank_account: bank_account?,
    })
}

fn stripe(source: &mut Source<'_>) -> Option<Option<Stripe>> {
    let url: Option<String> = source.take("billing.stripe.url");
    let local = |url: &str| {
        ["http://127.0.0.1:", "http://localhost:"]
            .iter()
            .any(|start| url.starts_with(start))
    };
    source.require(
        url.as_deref()
            .is_none_or(|url| url.starts_with("https://") || local(url)),
        "billing.stripe.url must begin with https://, or the key could be read on the way",
    );
    let secret_key = source.secret("billing.stripe.secret_key");
    let webhook_secret = source.secret("billing.stripe.webhook_secret");
    let timeout = source.millis("billing.stripe.timeout_ms");
    let (url, secret_key, webhook_secret, timeout) = (url?, secret_key?, webhook_secret?, timeout?);
    Some((!secret_key.expose_secret().is_empty()).then(|| Stripe {
        url: url.trim_end_matches('/').to_owned(),
        secret_key,
        webhook_secret: Some(webhook_secret).filter(|secret| !secret.expose_secret().is_empty()),
        timeout,
    }))
}

fn policy(source: &mut Source<'_>) -> Option<Policy> {
    let days: Option<Vec<u32>> = source.take("billing.dunning_days");
    source.require(
        days.as_ref()
            .is_none_or(|days| days.windows(2).all(|pair| pair[0] < pair[1])),
        "billing.dunning_days must rise: they count from the first failed charge",
    );
    source.require(
        days.as_ref()
            .is_none_or(|days| days.iter().all(|day| (1..=27).contains(day))),
        "billing.dunning_days must be 1 to 27: an account is settled before the next month is due",
    );
    let hours: Option<u32> = source.take("billing.action_hours");
    let lease = source.seconds("billing.lease_s");
    source.require(
        lease.is_none_or(|lease| lease >= Duration::from_secs(30)),
        "billing.lease_s must be at least 30, or an attempt that is only slow is made twice",
    );
    Some(Policy {
        lease: lease?,
        dunning: days?.into_iter().map(|days| DAY * days).collect(),
        action: Duration::from_secs(3600) * hours?,
    })
}

fn font(source: &mut Source<'_>) -> Option<Option<Arc<Vec<u8>>>> {
    let Some(path) = source.optional::<String>("billing.pdf_font") else {
        return Some(None);
    };
    match std::fs::read(&path) {
        Ok(bytes) => Some(Some(Arc::new(bytes))),
        Err(error) => {
            source.reject(format!("billing.pdf_font: {path}: {error}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use figment::{
        Figment,
        providers::{Format, Toml},
    };

    use super::*;

    fn parse(toml: &str) -> (Option<BillingSettings>, Vec<String>) {
        let figment = Figment::from(Toml::string(BillingSettings::DEFAULTS)).merge(Toml::string(toml));
        let mut source = Source::new(&figment);
        let settings = BillingSettings::parse(&mut source);
        (settings, source.mistakes())
    }

    #[test]
    fn the_defaults_are_good() {
        let (settings, mistakes) = parse("");
        assert!(mistakes.is_empty(), "{mistakes:?}");
        assert!(settings.is_some_and(|settings| settings.stripe.is_none()));
    }

    #[test]
    fn every_mistake_is_told() {
        let (_, mistakes) = parse(
            "[billing]\ncatalogue = \"/nowhere\"\nprovider = \"stripe\"\ndunning_days = [3, 1, 90]\nlease_s = 1\n\
             [billing.seller]\ncode = \"cloud hub\"\ncountry = \"Germany\"\n[billing.stripe]\nurl = \"http://stripe.example\"",
        );
        assert_eq!(mistakes.len(), 8, "{mistakes:#?}");
    }
}
