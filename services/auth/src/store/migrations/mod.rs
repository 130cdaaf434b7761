//! How the schema came to be. Migrations only expand: an older release must be able to run on a newer schema.

mod m1001_accounts;
mod m2001_erasures;
mod m4001_plan_version;

use database::MigrationTrait;

/// All, in order.
pub fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m1001_accounts::CreateAccounts),
        Box::new(m2001_erasures::CreateErasures),
        Box::new(m4001_plan_version::AddPlanVersion),
    ]
}
