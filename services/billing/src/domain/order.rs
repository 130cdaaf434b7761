//! An order on its way: accepted, priced, invoiced, charging, completed or failed.

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits for the account's order before it.
    Accepted,
    /// Its invoice is being paid.
    Charging,
    /// The subscription is as ordered.
    Completed,
    /// It will not be carried out.
    Failed,
}

impl State {
    /// The name in answers and the database.
    pub const fn name(self) -> &'static str {
        match self {
            State::Accepted => "accepted",
            State::Charging => "charging",
            State::Completed => "completed",
            State::Failed => "failed",
        }
    }
}

/// A step that an order has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Billing has it.
    Accepted,
    /// What it costs is known.
    Priced,
    /// Its invoice is issued.
    Invoiced,
    /// Its payment is on the way.
    Charging,
    /// The payer has to do something.
    ActionRequired,
    /// Done.
    Completed,
    /// Given up.
    Failed,
}

impl Step {
    /// The name in answers and the database.
    pub const fn name(self) -> &'static str {
        match self {
            Step::Accepted => "accepted",
            Step::Priced => "priced",
            Step::Invoiced => "invoiced",
            Step::Charging => "charging",
            Step::ActionRequired => "action_required",
            Step::Completed => "completed",
            Step::Failed => "failed",
        }
    }
}

/// Why an order failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There is no such plan.
    PlanUnknown,
    /// It is not sold any more.
    PlanWithdrawn,
    /// It is not sold in that currency.
    CurrencyUnknown,
    /// More than an invoice can be about.
    AmountTooLarge,
    /// No seats, or no such interval.
    OrderInvalid,
    /// An earlier invoice has to be paid first.
    InvoiceUnpaid,
    /// The payment was declined, or never confirmed.
    PaymentDeclined,
    /// A later order took its place.
    Superseded,
    /// The account is closed.
    AccountClosed,
}

impl Reason {
    /// The name in answers, events and the database.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::PlanUnknown => "plan_unknown",
            Reason::PlanWithdrawn => "plan_withdrawn",
            Reason::CurrencyUnknown => "currency_unknown",
            Reason::AmountTooLarge => "amount_too_large",
            Reason::OrderInvalid => "order_invalid",
            Reason::InvoiceUnpaid => "invoice_unpaid",
            Reason::PaymentDeclined => "payment_declined",
            Reason::Superseded => "superseded",
            Reason::AccountClosed => "account_closed",
        }
    }
}

/// Why an order is not carried out, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// What to do, in a sentence.
    pub detail: String,
}

impl Refusal {
    /// For this reason.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }
}

/// Why an order is not shown.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// There is none, it is somebody else's, or it has not arrived yet.
    #[error("there is no such order")]
    NotFound,
    /// The database failed.
    #[error("reading the order")]
    Store(#[from] sea_orm::DbErr),
}
