//! How the schema came to be. Migrations only expand: an older release must be able to run on a newer schema.

mod m1001_accounts;

use database::MigrationTrait;

/// All, in order.
pub fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m1001_accounts::CreateAccounts)]
}
