//! What billing publishes: plans, orders, subscriptions, invoices, payments, usage.
//!
//! Money is an integer count of the currency's minor unit (cents) with its ISO 4217 code beside it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    event::events,
    id::{CreditNoteId, InvoiceId, OrderId, PaymentId, SubscriptionId, UserId},
};

/// What a plan allows its account; an absent figure is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PlanLimits {
    /// Projects that the account has made and not deleted.
    pub projects: Option<u64>,
    /// People in those projects, each counted once.
    pub members: Option<u64>,
    /// Tasks in those projects.
    pub tasks: Option<u64>,
    /// API requests a minute of one user at the gateway.
    pub requests_per_minute: Option<u64>,
}

/// What a seat of a plan costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeatPrice {
    /// `month` or `year`.
    pub interval: String,
    /// ISO 4217.
    pub currency: String,
    /// For one seat and one interval, in minor units, without tax.
    pub amount_minor: i64,
}

/// The catalogue says something new about a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanPublished {
    /// The plan's name: `free`, `team`, `business`.
    pub plan: String,
    /// Name to show.
    pub title: String,
    /// What it allows.
    pub limits: PlanLimits,
    /// What a seat costs; empty for a plan without price.
    pub prices: Vec<SeatPrice>,
    /// Whether it can be ordered.
    pub orderable: bool,
    /// Version of the catalogue that says so.
    pub catalogue_version: i64,
}

/// An order was carried out: the subscription is as ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderCompleted {
    /// Which order.
    pub order_id: OrderId,
    /// The account.
    pub user_id: UserId,
    /// What it is subscribed to now.
    pub subscription_id: SubscriptionId,
    /// The plan.
    pub plan: String,
    /// How many seats.
    pub seats: u32,
    /// The invoice; absent when nothing was due.
    pub invoice_id: Option<InvoiceId>,
    /// When.
    pub completed_at: Timestamp,
}

/// An order will not be carried out; nothing was charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderFailed {
    /// Which order.
    pub order_id: OrderId,
    /// The account.
    pub user_id: UserId,
    /// The plan that was ordered.
    pub plan: String,
    /// `plan_unknown`, `plan_withdrawn`, `currency_unknown`, `amount_too_large`, `order_invalid`, `invoice_unpaid`,
    /// `payment_declined`, `superseded` or `account_closed`.
    pub reason: String,
    /// What to do, in a sentence.
    pub detail: String,
    /// When.
    pub failed_at: Timestamp,
}

/// An account's subscription as others need it. `version` rises by one with each change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionSnapshot {
    /// Which subscription.
    pub subscription_id: SubscriptionId,
    /// The account.
    pub user_id: UserId,
    /// The plan that is in force: `free` after the end of a paid one.
    pub plan: String,
    /// `trialing`, `active`, `past_due` or `cancelled`.
    pub status: String,
    /// How many seats.
    pub seats: u32,
    /// `month` or `year`.
    pub interval: String,
    /// What it allows now.
    pub limits: PlanLimits,
    /// What it brings a month, without tax, in minor units; 0 while trialing or free.
    pub mrr_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// When the paid time ends; absent for a plan without price.
    pub period_end: Option<Timestamp>,
    /// Whether it ends then.
    pub cancel_at_period_end: bool,
    /// Version after this event.
    pub version: i64,
}

/// A subscription began, changed or ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionUpdated {
    /// The account.
    pub user_id: UserId,
    /// The subscription after the change.
    pub subscription: SubscriptionSnapshot,
    /// `started`, `trial_started`, `activated`, `plan_changed`, `seats_changed`, `limits_changed`, `renewed`, `cancel_scheduled`,
    /// `reactivated`, `past_due`, `recovered`, `downgraded` or `ended`.
    pub change: String,
    /// When.
    pub changed_at: Timestamp,
}

/// An invoice was issued; it never changes again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceIssued {
    /// Which invoice.
    pub invoice_id: InvoiceId,
    /// The account.
    pub user_id: UserId,
    /// Its number: gapless by seller and year.
    pub number: String,
    /// ISO 4217.
    pub currency: String,
    /// With tax, in minor units.
    pub total_minor: i64,
    /// The tax in it, in minor units.
    pub tax_minor: i64,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it is to be paid.
    pub due_at: Timestamp,
}

/// An invoice is paid in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvoicePaid {
    /// Which invoice.
    pub invoice_id: InvoiceId,
    /// The account.
    pub user_id: UserId,
    /// Its number.
    pub number: String,
    /// ISO 4217.
    pub currency: String,
    /// With tax, in minor units.
    pub total_minor: i64,
    /// When.
    pub paid_at: Timestamp,
}

/// A credit note takes back some or all of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceCredited {
    /// Which credit note.
    pub credit_note_id: CreditNoteId,
    /// Of which invoice.
    pub invoice_id: InvoiceId,
    /// The account.
    pub user_id: UserId,
    /// The credit note's own number.
    pub number: String,
    /// ISO 4217.
    pub currency: String,
    /// With tax, in minor units; positive.
    pub total_minor: i64,
    /// When.
    pub issued_at: Timestamp,
}

/// A payment came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentSucceeded {
    /// Which payment.
    pub payment_id: PaymentId,
    /// Of which invoice.
    pub invoice_id: InvoiceId,
    /// The account.
    pub user_id: UserId,
    /// `manual`, `stripe` or `sandbox`.
    pub provider: String,
    /// ISO 4217.
    pub currency: String,
    /// In minor units.
    pub amount_minor: i64,
    /// When.
    pub paid_at: Timestamp,
}

/// An attempt to charge failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentFailed {
    /// Which payment.
    pub payment_id: PaymentId,
    /// Of which invoice.
    pub invoice_id: InvoiceId,
    /// The account.
    pub user_id: UserId,
    /// Why, as the provider says it to the payer.
    pub reason: String,
    /// How many attempts there were.
    pub attempt: u32,
    /// When the next is made; absent when there is none.
    pub next_attempt_at: Option<Timestamp>,
    /// When.
    pub failed_at: Timestamp,
}

/// An account came to 80 % or 100 % of a limit of its plan; published once until it falls below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsageThresholdReached {
    /// The account.
    pub user_id: UserId,
    /// `projects`, `members` or `tasks`.
    pub meter: String,
    /// 80 or 100.
    pub percent: u32,
    /// What is used.
    pub used: u64,
    /// What the plan allows.
    pub limit: u64,
    /// The plan.
    pub plan: String,
    /// When.
    pub reached_at: Timestamp,
}

/// Billing holds nothing personal of a closed account any more but the invoices that the law keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BillingErased {
    /// Whose account.
    pub user_id: UserId,
    /// When.
    pub erased_at: Timestamp,
}

events! { Billing:
    PlanPublished = "plan.published.v1" by plan;
    OrderCompleted = "order.completed.v1" by user_id;
    OrderFailed = "order.failed.v1" by user_id;
    SubscriptionUpdated = "subscription.updated.v1" by user_id;
    InvoiceIssued = "invoice.issued.v1" by user_id;
    InvoicePaid = "invoice.paid.v1" by user_id;
    InvoiceCredited = "invoice.credited.v1" by user_id;
    PaymentSucceeded = "payment.succeeded.v1" by user_id;
    PaymentFailed = "payment.failed.v1" by user_id;
    UsageThresholdReached = "usage.threshold_reached.v1" by user_id;
    BillingErased = "erasure.billing_completed.v1" by user_id;
}
