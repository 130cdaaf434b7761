//! The schema, step by step. Migrations only expand: an older release must be able to run on a newer schema.

mod m1001_billing;
mod m1002_usage;
mod m1003_causes;

use database::MigrationTrait;

/// Every migration of this service, in order.
pub fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m1001_billing::CreateBilling),
        Box::new(m1002_usage::CreateUsage),
        Box::new(m1003_causes::AddCauses),
    ]
}
