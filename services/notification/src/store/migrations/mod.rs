//! The schema, step by step. Migrations only expand: an older release must be able to run on a newer schema.

mod m1001_notifications;
mod m1002_deliveries;
mod m1003_channels;
mod m1004_delivery_cause;

use database::MigrationTrait;

/// Every migration of this service, in order.
pub fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m1001_notifications::CreateNotifications),
        Box::new(m1002_deliveries::CreateDeliveries),
        Box::new(m1003_channels::AddChannels),
        Box::new(m1004_delivery_cause::AddDeliveryCause),
    ]
}
