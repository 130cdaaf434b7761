//! Invoices: issued with the next number, paid, or taken back by a credit note.

use contracts::{
    Timestamp,
    billing::{InvoiceCredited, InvoiceIssued, InvoicePaid},
    id::{CreditNoteId, InvoiceId, OrderId, UserId},
};
use database::Tx;
use sea_orm::DbErr;

use crate::{
    domain::{
        invoice::{Draft, Kind, Totals, number},
        money::Currency,
        period::year,
    },
    state::State,
    store::{
        self, credit_note,
        invoice::{Model, State as Standing},
    },
};

/// Issues an invoice. What the account has to its credit is used; an invoice that this pays is paid at once.
///
/// # Errors
/// The database's.
pub async fn issue(
    state: &State,
    tx: &Tx,
    user: UserId,
    order: Option<OrderId>,
    draft: Draft,
    now: Timestamp,
) -> Result<Model, DbErr> {
    let (seller, year) = (&state.settings.seller, year(now));
    let (buyer, _) = store::profile::find(tx, user).await?;
    let credit = store::account::credit(tx, user, draft.currency)
        .await?
        .min(draft.totals.total);
    store::account::add_credit(tx, user, draft.currency, -credit).await?;
    let sequence = store::series::next(tx, &seller.code, Kind::Invoice, year).await?;
    let invoice = Model {
        id: InvoiceId::new(),
        user_id: user,
        number: number(&seller.code, Kind::Invoice, year, sequence),
        seller_code: seller.code.clone(),
        year: i64::from(year),
        sequence,
        purpose: draft.purpose.name().to_owned(),
        order_id: order,
        currency: draft.currency.code().to_owned(),
        net_minor: draft.totals.net,
        tax_minor: draft.totals.tax,
        total_minor: draft.totals.total,
        credit_minor: credit,
        due_minor: draft.totals.total - credit,
        tax: store::json(&draft.tax)?,
        lines: store::json(&draft.totals.lines)?,
        seller: store::json(seller)?,
        buyer: store::json(&buyer)?,
        issued_at: now,
        due_at: now + state.settings.due,
    };
    store::invoice::insert(tx, invoice.clone()).await?;
    let event = InvoiceIssued {
        invoice_id: invoice.id,
        user_id: user,
        number: invoice.number.clone(),
        currency: invoice.currency.clone(),
        total_minor: invoice.total_minor,
        tax_minor: invoice.tax_minor,
        issued_at: now,
        due_at: invoice.due_at,
    };
    messaging::append(tx, &event)?;
    if invoice.due_minor == 0 {
        paid(tx, &invoice, now).await?;
    }
    Ok(invoice)
}

/// The invoice is paid in full.
///
/// # Errors
/// The database's.
pub async fn paid(tx: &Tx, invoice: &Model, now: Timestamp) -> Result<(), DbErr> {
    store::invoice::set_state(tx, invoice.id, Standing::Paid, now).await?;
    let event = InvoicePaid {
        invoice_id: invoice.id,
        user_id: invoice.user_id,
        number: invoice.number.clone(),
        currency: invoice.currency.clone(),
        total_minor: invoice.total_minor,
        paid_at: now,
    };
    messaging::append(tx, &event)?;
    Ok(())
}

/// Takes an invoice back that was never paid. What was used of the account's credit for it comes back.
///
/// # Errors
/// The database's.
pub async fn cancel(state: &State, tx: &Tx, invoice: &Model, reason: &str, now: Timestamp) -> Result<(), DbErr> {
    credit(state, tx, invoice, invoice.total_minor, reason, None, now).await?;
    store::invoice::set_state(tx, invoice.id, Standing::Cancelled, now).await?;
    store::account::add_credit(tx, invoice.user_id, invoice.read_currency()?, invoice.credit_minor).await
}

/// Issues a credit note over `total` of an invoice; what becomes of the money is the caller's to say.
///
/// # Errors
/// The database's.
pub async fn credit(
    state: &State,
    tx: &Tx,
    invoice: &Model,
    total: i64,
    reason: &str,
    issued_by: Option<UserId>,
    now: Timestamp,
) -> Result<credit_note::Model, DbErr> {
    let (seller, year) = (&state.settings.seller, year(now));
    let part = Totals::part(reason.to_owned(), total, (invoice.net_minor, invoice.tax_minor));
    let sequence = store::series::next(tx, &seller.code, Kind::CreditNote, year).await?;
    let note = credit_note::Model {
        id: CreditNoteId::new(),
        user_id: invoice.user_id,
        invoice_id: invoice.id,
        number: number(&seller.code, Kind::CreditNote, year, sequence),
        seller_code: seller.code.clone(),
        year: i64::from(year),
        sequence,
        currency: invoice.currency.clone(),
        net_minor: part.net,
        tax_minor: part.tax,
        total_minor: part.total,
        reason: reason.to_owned(),
        issued_by,
        issued_at: now,
    };
    credit_note::insert(tx, note.clone()).await?;
    store::invoice::add_credited(tx, invoice.id, total, now).await?;
    let event = InvoiceCredited {
        credit_note_id: note.id,
        invoice_id: invoice.id,
        user_id: invoice.user_id,
        number: note.number.clone(),
        currency: note.currency.clone(),
        total_minor: total,
        issued_at: now,
    };
    messaging::append(tx, &event)?;
    Ok(note)
}

/// Gives `net` of what an account paid back to its credit, from its newest invoices on, with the tax that was paid on it;
/// never more than it paid.
///
/// # Errors
/// The database's.
pub async fn give_back(
    state: &State,
    tx: &Tx,
    user: UserId,
    currency: Currency,
    net: i64,
    reason: &str,
    now: Timestamp,
) -> Result<(), DbErr> {
    let mut left = net;
    for creditable in store::invoice::creditable(tx, user, currency).await? {
        let (part, total) = creditable.part(left);
        if part == 0 {
            continue;
        }
        let invoice = store::invoice::find(tx, creditable.id).await?;
        let invoice = invoice.ok_or_else(|| DbErr::RecordNotFound(format!("invoice {}", creditable.id)))?;
        credit(state, tx, &invoice, total, reason, None, now).await?;
        store::account::add_credit(tx, user, currency, total).await?;
        left -= part;
        if left == 0 {
            break;
        }
    }
    Ok(())
}
