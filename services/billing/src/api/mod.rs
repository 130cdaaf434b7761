//! HTTP in and out: handlers and what is on the wire. No SQL, no rule.

pub mod credit_note;
pub mod document;
pub mod invoice;
pub mod order;
pub mod payment;
pub mod personal;
pub mod plan;
pub mod profile;
pub mod subscription;
pub mod usage;

use std::sync::Arc;

use chassis::Api;
use poem_openapi::Tags;

use crate::state::State;

/// Groups of operations in the document.
#[derive(Tags)]
pub enum Tag {
    /// What can be ordered, and what became of it.
    Plans,
    /// What the caller has.
    Subscription,
    /// What was asked for, paid and taken back.
    Invoices,
    /// What the caller pays with.
    Payments,
    /// What the caller uses.
    Usage,
}

type Operations = (
    plan::PlanApi,
    order::OrderApi,
    subscription::SubscriptionApi,
    profile::ProfileApi,
    invoice::InvoiceApi,
    credit_note::CreditNoteApi,
    payment::PaymentApi,
    usage::UsageApi,
    personal::PersonalApi,
);

const TITLE: &str = "CloudTaskHub billing";

/// The OpenAPI document of all operations.
pub fn document() -> serde_json::Value {
    Api::document::<Operations>(TITLE)
}

/// All operations.
pub fn new(state: &Arc<State>) -> Api {
    let state = || Arc::clone(state);
    let operations: Operations = (
        plan::PlanApi { state: state() },
        order::OrderApi { state: state() },
        subscription::SubscriptionApi { state: state() },
        profile::ProfileApi { state: state() },
        invoice::InvoiceApi { state: state() },
        credit_note::CreditNoteApi { state: state() },
        payment::PaymentApi { state: state() },
        usage::UsageApi { state: state() },
        personal::PersonalApi { state: state() },
    );
    Api::new(TITLE, operations)
}
