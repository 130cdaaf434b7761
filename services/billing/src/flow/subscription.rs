//! A change of a subscription: stored, its limits put in force, and told.

use contracts::{Timestamp, billing::SubscriptionUpdated};
use database::Tx;
use sea_orm::DbErr;

use super::usage;
use crate::{
    domain::{
        subscription::{Change, Status, Subscription},
        usage::Meter,
    },
    state::State,
    store,
};

/// Stores a subscription after a change and publishes it.
///
/// # Errors
/// The database's.
pub async fn publish(
    state: &State,
    tx: &Tx,
    subscription: &mut Subscription,
    change: Change,
    now: Timestamp,
) -> Result<(), DbErr> {
    subscription.version += 1;
    store::subscription::save(tx, subscription, &state.settings.catalogue.digest).await?;
    let event = SubscriptionUpdated {
        user_id: subscription.user,
        subscription: subscription.snapshot(),
        change: change.name().to_owned(),
        changed_at: now,
    };
    messaging::append(tx, &event)?;
    if subscription.status == Status::Cancelled {
        // Nobody is left to be told of a threshold.
        return store::usage::erase(tx, subscription.user).await;
    }
    for meter in Meter::ALL {
        let reading = store::usage::allow(tx, subscription.user, meter, &subscription.limits).await?;
        usage::read(tx, subscription.user, meter, reading, now).await?;
    }
    Ok(())
}
