//! The schema, step by step. Migrations only expand: an older release must be able to run on a newer schema.

mod m1001_analytics;
mod m1002_erasure_cause;

use database::MigrationTrait;

/// Every migration of this service, in order.
pub fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m1001_analytics::CreateAnalytics),
        Box::new(m1002_erasure_cause::AddErasureCause),
    ]
}
