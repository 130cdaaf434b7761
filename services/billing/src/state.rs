//! What everything here needs: the settings of the business and who charges.

use chassis::Clock;
use database::Db;

use crate::{documents::Documents, metrics::Metrics, providers::Providers, settings::BillingSettings};

/// What handlers, reactions and workers share.
pub struct State {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// What can be set.
    pub settings: BillingSettings,
    /// Who charges.
    pub providers: Providers,
    /// Draws invoices.
    pub documents: Documents,
    /// Counts what became of payments.
    pub metrics: Metrics,
}
