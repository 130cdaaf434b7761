//! Payments: begun with an invoice, carried out by a worker, recorded here. What was recorded is not recorded again, so a
//! worker that was overtaken by its twin, or a webhook that comes twice, changes nothing.

use contracts::{
    Timestamp,
    billing::{PaymentFailed, PaymentSucceeded},
    id::{OrderId, PaymentId},
};
use database::Tx;
use messaging::{Cause, cause};
use sea_orm::DbErr;

use super::{account, invoice, order, renewal, subscription};
use crate::{
    domain::{
        order::{Reason, Refusal, Step},
        payment::{Outcome, Policy, Report, State as Payment, Unknown},
        subscription::{Change, Status},
    },
    state::State,
    store::{
        self,
        payment::{Model, Progress},
    },
};

/// Begins a payment of what is due of an invoice, at `at`.
///
/// # Errors
/// The database's.
pub async fn open(
    state: &State,
    tx: &Tx,
    invoice: &store::invoice::Model,
    attempt: i64,
    at: Timestamp,
    now: Timestamp,
) -> Result<PaymentId, DbErr> {
    let payment = Model {
        id: PaymentId::new(),
        invoice_id: invoice.id,
        user_id: invoice.user_id,
        order_id: invoice.order_id,
        provider: state.settings.provider.name().to_owned(),
        method: None,
        currency: invoice.currency.clone(),
        amount_minor: invoice.due_minor,
        attempt,
        state: Payment::Pending.name().to_owned(),
        tries: 0,
        interrupted: 0,
        next_at: Some(at),
        deadline: None,
        cancel_requested: false,
        reference: None,
        action: None,
        reason: None,
        created_at: now,
        finished_at: None,
        cause: Cause::current(),
    };
    let id = payment.id;
    store::payment::insert(tx, payment).await?;
    Ok(id)
}

/// A payment is not wanted any more. One that no provider was asked for yet is over at once; the others by their worker.
///
/// # Errors
/// The database's.
pub async fn call_off(state: &State, tx: &Tx, payment: &Model, now: Timestamp) -> Result<(), DbErr> {
    if store::payment::call_off(tx, payment.id, now).await? {
        let mut payment = payment.clone();
        payment.cancel_requested = true;
        let because = payment.cause.as_ref();
        return cause::resume(because, given_up(state, tx, &payment, "", now)).await;
    }
    store::payment::request_cancel(tx, payment.id, now).await
}

/// Records what a provider says about a payment, and does what follows from it.
///
/// # Errors
/// The database's.
pub async fn record(
    state: &State,
    tx: &Tx,
    id: PaymentId,
    answer: Result<Report, Unknown>,
    now: Timestamp,
) -> Result<(), DbErr> {
    let Some(claimed) = store::payment::find(tx, id).await? else {
        return Ok(());
    };
    account::take(state, tx, claimed.user_id, now).await?;
    // Again, now that nobody else can change it.
    let Some(payment) = store::payment::find(tx, id).await? else {
        return Ok(());
    };
    if let Ok(Report {
        customer: Some(customer),
        ..
    }) = &answer
    {
        store::account::set_customer(tx, payment.user_id, customer).await?;
    }
    let because = payment.cause.as_ref();
    if !payment.read_state()?.is_open() {
        return cause::resume(because, came_late(state, tx, &payment, answer, now)).await;
    }
    cause::resume(because, settle(state, tx, &payment, answer, now)).await?;
    order::advance(state, tx, payment.user_id, now).await
}

/// What follows from a provider's answer about an open payment.
async fn settle(
    state: &State,
    tx: &Tx,
    payment: &Model,
    answer: Result<Report, Unknown>,
    now: Timestamp,
) -> Result<(), DbErr> {
    let id = payment.id;
    match answer.map(|report| report.outcome) {
        Ok(Outcome::Succeeded { reference }) => pay(state, tx, payment, &reference, now).await,
        Ok(Outcome::Declined { reason }) => {
            store::payment::finish(tx, id, Payment::Failed, None, Some(&reason), now).await?;
            given_up(state, tx, payment, &reason, now).await
        }
        Ok(Outcome::Cancelled) => {
            let reason = "it was not paid in time";
            store::payment::finish(tx, id, Payment::Cancelled, None, Some(reason), now).await?;
            given_up(state, tx, payment, reason, now).await
        }
        Ok(Outcome::ActionRequired { reference, action }) => {
            if let (Some(order), None) = (payment.order_id, &payment.reference) {
                let detail = "confirm the payment with your bank";
                store::order::step(tx, order, Step::ActionRequired, detail, now).await?;
            }
            let deadline = Some(now + state.settings.payment.action);
            wait(tx, payment, now + Policy::LOOK, deadline, reference, Some(action), now).await
        }
        Ok(Outcome::Processing { reference }) => {
            wait(tx, payment, now + Policy::LOOK, None, reference, None, now).await
        }
        Ok(Outcome::AwaitingTransfer) => {
            let due = due_at(tx, payment).await?;
            wait(tx, payment, due, Some(due), payment.id.to_string(), None, now).await
        }
        Err(Unknown(reason)) => {
            let progress = Progress {
                state: payment.read_state()?,
                next_at: now + Policy::ask_again(payment.tries),
                deadline: None,
                reference: None,
                action: payment.action.clone(),
                reason: Some(reason),
            };
            store::payment::go_on(tx, id, progress).await
        }
    }
}

async fn due_at(tx: &Tx, payment: &Model) -> Result<Timestamp, DbErr> {
    Ok(invoice_of(tx, payment).await?.due_at)
}

async fn order_of(tx: &Tx, order: OrderId) -> Result<store::order::Model, DbErr> {
    store::order::find(tx, order)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound(format!("order {order}")))
}

async fn invoice_of(tx: &Tx, payment: &Model) -> Result<store::invoice::Model, DbErr> {
    store::invoice::find(tx, payment.invoice_id)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound(format!("invoice {}", payment.invoice_id)))
}

async fn wait(
    tx: &Tx,
    payment: &Model,
    next_at: Timestamp,
    deadline: Option<Timestamp>,
    reference: String,
    action: Option<String>,
    now: Timestamp,
) -> Result<(), DbErr> {
    // One that shall be called off is, as soon as the provider has it. Was that what it just refused, it is asked again later.
    let call_off_now = payment.cancel_requested && payment.read_state()? != Payment::Waiting;
    let progress = Progress {
        state: Payment::Waiting,
        next_at: if call_off_now { now } else { next_at },
        deadline,
        reference: Some(reference),
        action,
        reason: None,
    };
    store::payment::go_on(tx, payment.id, progress).await
}

/// The money is there: the invoice is paid, and what it was for comes into force.
///
/// # Errors
/// The database's.
pub async fn succeeded(state: &State, tx: &Tx, payment: &Model, reference: &str, now: Timestamp) -> Result<(), DbErr> {
    cause::resume(payment.cause.as_ref(), pay(state, tx, payment, reference, now)).await
}

async fn pay(state: &State, tx: &Tx, payment: &Model, reference: &str, now: Timestamp) -> Result<(), DbErr> {
    store::payment::finish(tx, payment.id, Payment::Succeeded, Some(reference), None, now).await?;
    tell_success(tx, payment, now).await?;
    let invoice = invoice_of(tx, payment).await?;
    invoice::paid(tx, &invoice, now).await?;
    let (account, mut subscription) = account::take(state, tx, payment.user_id, now).await?;
    if account.closed_at.is_some() {
        // Nothing is left that it could pay for. An admin sees the paid invoice of a closed account and pays it back.
        tracing::warn!(payment = %payment.id, "a payment succeeded after its account was closed");
        let Some(order) = payment.order_id else {
            return Ok(());
        };
        let order = order_of(tx, order).await?;
        let detail = "the account was closed while this was being paid; the payment is given back";
        return order::fail(tx, &order, &Refusal::new(Reason::AccountClosed, detail), now).await;
    }
    let Some(order) = payment.order_id else {
        if subscription.status == Status::PastDue {
            subscription.status = Status::Active;
            subscription.past_due_since = None;
            subscription::publish(state, tx, &mut subscription, Change::Recovered, now).await?;
        }
        return Ok(());
    };
    let order = order_of(tx, order).await?;
    let terms = order
        .terms()?
        .ok_or_else(|| DbErr::RecordNotFound(format!("the terms of order {}", order.id)))?;
    order::carry_out(state, tx, &order, &mut subscription, &terms, Some(invoice.id), now).await
}

async fn tell_success(tx: &Tx, payment: &Model, now: Timestamp) -> Result<(), DbErr> {
    let event = PaymentSucceeded {
        payment_id: payment.id,
        invoice_id: payment.invoice_id,
        user_id: payment.user_id,
        provider: payment.provider.clone(),
        currency: payment.currency.clone(),
        amount_minor: payment.amount_minor,
        paid_at: now,
    };
    messaging::append(tx, &event)?;
    Ok(())
}

/// Money that comes for what was given up is not lost: it pays its invoice if that is still to be paid, as a renewal's is that is
/// to be tried again. Otherwise, or when that next attempt has begun already, it is to the account's credit.
async fn came_late(
    state: &State,
    tx: &Tx,
    payment: &Model,
    answer: Result<Report, Unknown>,
    now: Timestamp,
) -> Result<(), DbErr> {
    let given_up = matches!(payment.read_state()?, Payment::Failed | Payment::Cancelled);
    let Ok(Report {
        outcome: Outcome::Succeeded { reference },
        ..
    }) = answer
    else {
        return Ok(());
    };
    if given_up {
        if payment.order_id.is_none() && still_to_be_paid(tx, payment, now).await? {
            return pay(state, tx, payment, &reference, now).await;
        }
        tracing::warn!(payment = %payment.id, "a payment succeeded after it was given up; it is to the account's credit");
        store::payment::finish(tx, payment.id, Payment::Succeeded, Some(&reference), None, now).await?;
        tell_success(tx, payment, now).await?;
        let currency = payment.currency.parse().map_err(DbErr::Type)?;
        store::account::add_credit(tx, payment.user_id, currency, payment.amount_minor).await?;
    }
    Ok(())
}

/// Whether the invoice is open and nobody is paying it; an attempt that was only scheduled is called off.
async fn still_to_be_paid(tx: &Tx, payment: &Model, now: Timestamp) -> Result<bool, DbErr> {
    let standing = store::invoice::standing(tx, payment.invoice_id).await?;
    if standing.state != store::invoice::State::Open {
        return Ok(false);
    }
    for other in store::payment::of_invoice(tx, payment.invoice_id).await? {
        if other.read_state()?.is_open() && !store::payment::call_off(tx, other.id, now).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A payment is over without money: its order fails and its invoice is taken back; a renewal is tried again by its schedule.
async fn given_up(state: &State, tx: &Tx, payment: &Model, reason: &str, now: Timestamp) -> Result<(), DbErr> {
    let invoice = invoice_of(tx, payment).await?;
    let (account, _) = account::take(state, tx, payment.user_id, now).await?;
    let Some(order) = payment.order_id else {
        let next = renewal::failed(state, tx, &invoice, payment.attempt, account.closed_at.is_some(), now).await?;
        return tell_failure(tx, payment, reason, next, now).await;
    };
    let refusal = match (account.closed_at, payment.cancel_requested) {
        (Some(_), _) => Refusal::new(Reason::AccountClosed, "the account is closed"),
        (None, true) => Refusal::new(Reason::Superseded, "a later order took its place"),
        (None, false) => {
            let detail = format!("nothing was charged: {reason}; set another payment method and order again");
            Refusal::new(Reason::PaymentDeclined, detail)
        }
    };
    if refusal.reason == Reason::PaymentDeclined {
        tell_failure(tx, payment, reason, None, now).await?;
    }
    invoice::cancel(
        state,
        tx,
        &invoice,
        &format!("Order not carried out: {}", refusal.detail),
        now,
    )
    .await?;
    let order = order_of(tx, order).await?;
    order::fail(tx, &order, &refusal, now).await
}

async fn tell_failure(
    tx: &Tx,
    payment: &Model,
    reason: &str,
    next: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), DbErr> {
    let event = PaymentFailed {
        payment_id: payment.id,
        invoice_id: payment.invoice_id,
        user_id: payment.user_id,
        reason: reason.to_owned(),
        attempt: u32::try_from(payment.attempt).unwrap_or(u32::MAX),
        next_attempt_at: next,
        failed_at: now,
    };
    messaging::append(tx, &event)?;
    Ok(())
}
