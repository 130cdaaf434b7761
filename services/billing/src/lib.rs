//! billing: plans, subscriptions, orders, invoices, payments and usage.
//!
//! An order arrives as an event and is kept, priced and invoiced in the transaction that marks the event as handled. Money
//! moves outside of it: a worker claims the payment, asks the provider with the payment's id as the key, and records the
//! answer. So an order is carried out once, wherever the process dies.

pub mod api;
pub mod documents;
pub mod domain;
pub mod flow;
pub mod metrics;
pub mod providers;
pub mod reactions;
pub mod settings;
pub mod state;
pub mod store;
pub mod workers;

use std::{sync::Arc, time::Duration};

use chassis::{
    Assembly, Boot, Service,
    worker::{Pace, Worker},
};
use database::MigrationTrait;

use crate::{
    documents::Documents,
    metrics::Metrics,
    providers::Providers,
    settings::BillingSettings,
    state::State,
    workers::{Cashier, CataloguePublisher, Janitor, RenewalScheduler},
};

/// How soon a changed catalogue of a new release is looked for; it changes with a start only.
const CATALOGUE: Pace = Pace::every(Duration::from_secs(60));
/// How soon a payment begins after its order.
const PAYMENTS: Pace = Pace::every(Duration::from_millis(250));
/// How exactly periods end.
const RENEWALS: Pace = Pace::every(Duration::from_secs(5));
/// How often it is tidied.
const TIDY: Pace = Pace::every(Duration::from_secs(3600));

/// The service.
pub struct Billing;

#[async_trait::async_trait]
impl Service for Billing {
    const NAME: &'static str = "billing";
    type Settings = BillingSettings;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        store::migrations::all()
    }

    fn document() -> serde_json::Value {
        api::document()
    }

    async fn assemble(boot: &mut Boot<BillingSettings>) -> anyhow::Result<Assembly> {
        let settings = boot.settings.clone();
        let catalogue = &settings.catalogue;
        if let Some((version, digest)) = store::catalogue::published(boot.db.read()).await?
            && version == catalogue.version
            && digest != catalogue.digest
        {
            anyhow::bail!(
                "the catalogue has changed since its version {version} was published: raise its version, so that others hear of it"
            );
        }
        let state = Arc::new(State {
            db: boot.db.clone(),
            clock: boot.clock.clone(),
            providers: Providers::new(&settings)?,
            documents: Documents::new(settings.pdf_font.clone())?,
            metrics: Metrics::new(&mut boot.metrics),
            settings,
        });
        let workers: Vec<(Box<dyn Worker>, Pace)> = vec![
            (
                Box::new(CataloguePublisher {
                    state: Arc::clone(&state),
                }),
                CATALOGUE,
            ),
            (
                Box::new(RenewalScheduler {
                    state: Arc::clone(&state),
                }),
                RENEWALS,
            ),
            (
                Box::new(Cashier {
                    state: Arc::clone(&state),
                }),
                PAYMENTS,
            ),
            (
                Box::new(Janitor {
                    state: Arc::clone(&state),
                }),
                TIDY,
            ),
        ];
        Ok(Assembly {
            api: api::new(&state),
            reactions: reactions::all(&state),
            workers,
        })
    }
}
