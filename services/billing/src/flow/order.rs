//! An order, from its arrival to its end. The orders of one account are worked through one after another: what the second
//! costs depends on what the first made of the subscription.

use contracts::{
    Timestamp,
    billing::{OrderCompleted, OrderFailed},
    gateway::OrderRequested,
    id::{InvoiceId, UserId},
};
use database::Tx;
use messaging::cause;
use sea_orm::DbErr;

use super::{account, invoice, payment, subscription};
use crate::{
    domain::{
        invoice::{Draft, Item, Purpose, Tax, Totals},
        order::{Reason, Refusal, Step},
        payment::State as PaymentState,
        quote::{Quote, Start, Terms, quote, too_large},
        subscription::{Change, Status, Subscription},
    },
    state::State,
    store::{self, order::Model},
};

/// An order arrived. One that is known already changes nothing, so it is carried out once however often it is published.
///
/// # Errors
/// The database's.
pub async fn receive(state: &State, tx: &Tx, order: &OrderRequested, now: Timestamp) -> Result<(), DbErr> {
    account::take(state, tx, order.user_id, now).await?;
    if store::order::insert(tx, order, now).await? {
        store::order::step(tx, order.order_id, Step::Accepted, "", now).await?;
        advance(state, tx, order.user_id, now).await?;
    }
    Ok(())
}

/// Works on an account's orders until one has to wait.
///
/// # Errors
/// The database's.
pub async fn advance(state: &State, tx: &Tx, user: UserId, now: Timestamp) -> Result<(), DbErr> {
    while let Some(order) = store::order::next_accepted(tx, user).await? {
        // It may be the end of another order that lets this one begin.
        let begun = cause::resume(order.cause.as_ref(), begin(state, tx, &order, now));
        if Progress::Waits == begun.await? {
            break;
        }
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Progress {
    Over,
    Waits,
}

async fn begin(state: &State, tx: &Tx, order: &Model, now: Timestamp) -> Result<Progress, DbErr> {
    let (account, mut subscription) = account::take(state, tx, order.user_id, now).await?;
    match obstacle(state, tx, &subscription, now).await? {
        Some(Obstacle::Wait) => return Ok(Progress::Waits),
        Some(Obstacle::Refuse(refusal)) => {
            fail(tx, order, &refusal, now).await?;
            return Ok(Progress::Over);
        }
        None => {}
    }
    let catalogue = &state.settings.catalogue;
    let trial_unused = account.trial_used_at.is_none();
    let quoted = quote(&subscription, &order.wanted(), catalogue, trial_unused, now);
    let sub = &mut subscription;
    match quoted {
        Err(refusal) => fail(tx, order, &refusal, now).await?,
        Ok(Quote::Same) => {
            if sub.cancel_at_period_end {
                sub.cancel_at_period_end = false;
                subscription::publish(state, tx, sub, Change::Reactivated, now).await?;
            }
            complete(tx, order, sub, None, now).await?;
        }
        Ok(Quote::EndLater) => {
            if !sub.cancel_at_period_end {
                sub.cancel_at_period_end = true;
                subscription::publish(state, tx, sub, Change::CancelScheduled, now).await?;
            }
            complete(tx, order, sub, None, now).await?;
        }
        Ok(Quote::EndNow) => {
            sub.end(&catalogue.free, now);
            subscription::publish(state, tx, sub, Change::Ended, now).await?;
            complete(tx, order, sub, None, now).await?;
        }
        Ok(Quote::Switch { terms, items }) => return switch(state, tx, order, sub, terms, &items, now).await,
    }
    Ok(Progress::Over)
}

enum Obstacle {
    Wait,
    Refuse(Refusal),
}

/// What of the account's is being paid stands in the way of its next order.
async fn obstacle(
    state: &State,
    tx: &Tx,
    subscription: &Subscription,
    now: Timestamp,
) -> Result<Option<Obstacle>, DbErr> {
    let mut obstacle = None;
    for payment in store::payment::open(tx, subscription.user).await? {
        match (payment.order_id, payment.read_state()?) {
            // Whoever orders again does not want to confirm the order before.
            (Some(_), PaymentState::Waiting) => {
                payment::call_off(state, tx, &payment, now).await?;
                obstacle = Some(Obstacle::Wait);
            }
            // The unpaid renewal is told by the quote.
            (None, PaymentState::Pending) if subscription.status == Status::PastDue => {}
            (None, PaymentState::Waiting) => {
                let detail = "the present period is not paid yet; pay its invoice and order again";
                return Ok(Some(Obstacle::Refuse(Refusal::new(Reason::InvoiceUnpaid, detail))));
            }
            _ => obstacle = Some(Obstacle::Wait),
        }
    }
    Ok(obstacle)
}

async fn switch(
    state: &State,
    tx: &Tx,
    order: &Model,
    subscription: &mut Subscription,
    terms: Terms,
    items: &[Item],
    now: Timestamp,
) -> Result<Progress, DbErr> {
    let (buyer, _) = store::profile::find(tx, order.user_id).await?;
    let tax = Tax::of(&buyer, &state.settings.seller.country, &state.settings.catalogue);
    let Some(totals) = Totals::of(items, &tax) else {
        fail(tx, order, &too_large(), now).await?;
        return Ok(Progress::Over);
    };
    let (net, currency) = (totals.net, terms.currency);
    store::order::step(tx, order.id, Step::Priced, &currency.show(totals.total), now).await?;
    let mut invoiced = None;
    if net > 0 {
        let draft = Draft {
            purpose: Purpose::Order,
            currency,
            totals,
            tax,
        };
        let invoice = invoice::issue(state, tx, order.user_id, Some(order.id), draft, now).await?;
        store::order::step(tx, order.id, Step::Invoiced, &invoice.number, now).await?;
        if invoice.due_minor > 0 {
            store::order::charging(tx, order.id, &terms, invoice.id, now).await?;
            let due = currency.show(invoice.due_minor);
            store::order::step(tx, order.id, Step::Charging, &due, now).await?;
            payment::open(state, tx, &invoice, 1, now, now).await?;
            return Ok(Progress::Waits);
        }
        invoiced = Some(invoice.id);
    } else if net < 0 {
        let reason = items.first().map_or("Unused time", |item| &item.text);
        invoice::give_back(state, tx, order.user_id, currency, -net, reason, now).await?;
    }
    carry_out(state, tx, order, subscription, &terms, invoiced, now).await?;
    Ok(Progress::Over)
}

/// What was ordered is paid: it comes into force.
///
/// # Errors
/// The database's.
pub async fn carry_out(
    state: &State,
    tx: &Tx,
    order: &Model,
    subscription: &mut Subscription,
    terms: &Terms,
    invoice: Option<InvoiceId>,
    now: Timestamp,
) -> Result<(), DbErr> {
    if let Start::Trial(_) = terms.start {
        store::account::use_trial(tx, order.user_id, now).await?;
    }
    let change = terms.apply(subscription, now);
    // The catalogue may have changed since the order was priced: limits are those of today, the price is the one agreed.
    if let Some(plan) = state.settings.catalogue.plan(&terms.plan) {
        subscription.limits = plan.limits;
    }
    subscription::publish(state, tx, subscription, change, now).await?;
    complete(tx, order, subscription, invoice, now).await
}

async fn complete(
    tx: &Tx,
    order: &Model,
    subscription: &Subscription,
    invoice: Option<InvoiceId>,
    now: Timestamp,
) -> Result<(), DbErr> {
    store::order::complete(tx, order.id, invoice, now).await?;
    store::order::step(tx, order.id, Step::Completed, "", now).await?;
    let event = OrderCompleted {
        order_id: order.id,
        user_id: order.user_id,
        subscription_id: subscription.id,
        plan: subscription.plan.clone(),
        seats: subscription.seats,
        invoice_id: invoice,
        completed_at: now,
    };
    messaging::append(tx, &event)?;
    Ok(())
}

/// The order will not be carried out.
///
/// # Errors
/// The database's.
pub async fn fail(tx: &Tx, order: &Model, refusal: &Refusal, now: Timestamp) -> Result<(), DbErr> {
    store::order::fail(tx, order.id, refusal, now).await?;
    store::order::step(tx, order.id, Step::Failed, &refusal.detail, now).await?;
    let event = OrderFailed {
        order_id: order.id,
        user_id: order.user_id,
        plan: order.plan.clone(),
        reason: refusal.reason.name().to_owned(),
        detail: refusal.detail.clone(),
        failed_at: now,
    };
    messaging::append(tx, &event)?;
    Ok(())
}
