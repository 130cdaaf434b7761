//! What billing does by itself: the catalogue is published, payments are carried out, periods end, what is gone is tidied.

mod catalogue;
mod janitor;
mod payment;
mod renewal;

pub use catalogue::CataloguePublisher;
pub use janitor::Janitor;
pub use payment::Cashier;
pub use renewal::RenewalScheduler;
