//! An account and its subscription, from the first that is heard of it to its end.

use contracts::{Timestamp, billing::BillingErased, id::UserId};
use database::Tx;
use sea_orm::DbErr;

use super::{payment, subscription};
use crate::{
    domain::{
        order::{Reason, Refusal},
        subscription::{Change, Status, Subscription},
    },
    flow::order,
    state::State,
    store::{self, account::Model},
};

/// Takes the account until the transaction ends, and its subscription. Whoever is heard of for the first time, by whatever
/// event, gets the free plan.
///
/// # Errors
/// The database's.
pub async fn take(state: &State, tx: &Tx, user: UserId, now: Timestamp) -> Result<(Model, Subscription), DbErr> {
    let account = store::account::take(tx, user, now).await?;
    if let Some(found) = store::subscription::find(tx, user).await? {
        return Ok((account, found));
    }
    let mut new = Subscription::start(user, &state.settings.catalogue, now);
    subscription::publish(state, tx, &mut new, Change::Started, now).await?;
    Ok((account, new))
}

/// The user closed their account: the subscription ends at once, orders on their way fail, and what is personal goes.
/// Invoices and credit notes stay as they were issued: the law wants them kept.
///
/// # Errors
/// The database's.
pub async fn close(state: &State, tx: &Tx, user: UserId, now: Timestamp) -> Result<(), DbErr> {
    let (account, mut subscription) = take(state, tx, user, now).await?;
    if account.closed_at.is_some() {
        return Ok(());
    }
    // First, so that a charge that cannot be called off any more finds a closed account.
    store::account::close(tx, user, now).await?;
    subscription.end(&state.settings.catalogue.free, now);
    subscription.status = Status::Cancelled;
    subscription::publish(state, tx, &mut subscription, Change::Ended, now).await?;
    for open in store::payment::open(tx, user).await? {
        payment::call_off(state, tx, &open, now).await?;
    }
    while let Some(waiting) = store::order::next_accepted(tx, user).await? {
        let refusal = Refusal::new(Reason::AccountClosed, "the account is closed");
        order::fail(tx, &waiting, &refusal, now).await?;
    }
    store::profile::erase(tx, user).await?;
    messaging::append(
        tx,
        &BillingErased {
            user_id: user,
            erased_at: now,
        },
    )?;
    Ok(())
}
