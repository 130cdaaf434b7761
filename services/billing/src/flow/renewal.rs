//! Renewals: at the end of a period the next begins with its invoice. One that is not paid is tried again by a schedule; the
//! account is past due meanwhile, and free afterwards. Nothing of the account's is deleted.

use std::time::Duration;

use contracts::{Timestamp, id::UserId};
use database::Tx;
use sea_orm::DbErr;

use super::{account, invoice, order, payment, subscription};
use crate::{
    domain::{
        invoice::{Draft, Item, Purpose, Tax, Totals},
        payment::State as PaymentState,
        period::day,
        subscription::{Change, Status},
    },
    state::State,
    store::{self, invoice::State as Standing},
};

/// When an account is looked at again whose last payment is not over yet.
const LATER: Duration = Duration::from_secs(60);

/// The end of a period has come.
///
/// # Errors
/// The database's.
pub async fn renew(state: &State, tx: &Tx, user: UserId, now: Timestamp) -> Result<(), DbErr> {
    let (_, mut sub) = account::take(state, tx, user, now).await?;
    let Some(end) = sub.period_end.filter(|end| *end <= now) else {
        // A twin was faster, and the row says when to look again.
        return Ok(());
    };
    let open = store::payment::open(tx, user).await?;
    if !open.is_empty() {
        for waiting in open {
            if waiting.order_id.is_some() && waiting.read_state()? == PaymentState::Waiting {
                payment::call_off(state, tx, &waiting, now).await?;
            }
        }
        return store::subscription::postpone(tx, user, now + LATER).await;
    }
    if sub.cancel_at_period_end {
        sub.end(&state.settings.catalogue.free, now);
        subscription::publish(state, tx, &mut sub, Change::Ended, now).await?;
        return order::advance(state, tx, user, now).await;
    }
    let trial_ended = sub.renew(&state.settings.catalogue);
    let (buyer, _) = store::profile::find(tx, user).await?;
    let tax = Tax::of(&buyer, &state.settings.seller.country, &state.settings.catalogue);
    let item = Item {
        text: format!(
            "{}, {} {}, {} to {}",
            state.settings.catalogue.title(&sub.plan),
            sub.seats,
            if sub.seats == 1 { "seat" } else { "seats" },
            day(end),
            sub.period_end.map(day).unwrap_or_default(),
        ),
        net: sub.period_price(),
    };
    let Some(totals) = Totals::of(&[item], &tax) else {
        // Only a price that was raised beyond any invoice leads here: somebody has to talk to that customer.
        tracing::error!(%user, "a renewal is larger than an invoice may be; it is looked at again tomorrow");
        return store::subscription::postpone(tx, user, now + LATER * 60 * 24).await;
    };
    let draft = Draft {
        purpose: Purpose::Renewal,
        currency: sub.currency,
        totals,
        tax,
    };
    let change = if trial_ended {
        Change::Activated
    } else {
        Change::Renewed
    };
    subscription::publish(state, tx, &mut sub, change, now).await?;
    let issued = invoice::issue(state, tx, user, None, draft, now).await?;
    if issued.due_minor > 0 {
        payment::open(state, tx, &issued, 1, now, now).await?;
    }
    Ok(())
}

/// Attempt number `attempt` of a renewal failed; answers when the next is made.
///
/// # Errors
/// The database's.
pub(super) async fn failed(
    state: &State,
    tx: &Tx,
    invoice: &store::invoice::Model,
    attempt: i64,
    closed: bool,
    now: Timestamp,
) -> Result<Option<Timestamp>, DbErr> {
    if closed {
        store::invoice::set_state(tx, invoice.id, Standing::Uncollectible, now).await?;
        return Ok(None);
    }
    let (_, mut sub) = account::take(state, tx, invoice.user_id, now).await?;
    let since = sub.past_due_since.unwrap_or(now);
    let next = state
        .settings
        .payment
        .next_attempt(attempt, since)
        .map(|next| next.max(now));
    let Some(next) = next else {
        store::invoice::set_state(tx, invoice.id, Standing::Uncollectible, now).await?;
        sub.end(&state.settings.catalogue.free, now);
        subscription::publish(state, tx, &mut sub, Change::Downgraded, now).await?;
        return Ok(None);
    };
    payment::open(state, tx, invoice, attempt + 1, next, now).await?;
    if sub.status != Status::PastDue {
        sub.status = Status::PastDue;
        sub.past_due_since = Some(now);
        subscription::publish(state, tx, &mut sub, Change::PastDue, now).await?;
    }
    Ok(Some(next))
}
