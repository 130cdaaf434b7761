//! All that billing holds about the caller, for their export of personal data.

use std::sync::Arc;

use chassis::{Problem, http::json::Json};
use identity::Bearer;
use poem_openapi::{Object, OpenApi, types::Example};
use serde::{Deserialize, Serialize};

use super::{
    Tag,
    credit_note::CreditNote,
    invoice::{self, Invoice},
    order::{self, Order},
    payment::PaymentMethod,
    profile::BillingProfile,
    subscription::Subscription,
    usage::{self, Usage},
};
use crate::{
    domain::{invoice::InvoiceError, profile::ProfileError, subscription::SubscriptionError},
    state::State,
    store,
};

/// A payment.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct PersonalPayment {
    /// Its id.
    pub id: String,
    /// Of which invoice.
    pub invoice_id: String,
    /// Who charged.
    pub provider: String,
    /// The provider's name for it.
    pub reference: Option<String>,
    /// How far it is.
    pub state: String,
    /// ISO 4217.
    pub currency: String,
    /// In minor units.
    pub amount_minor: i64,
    /// When it began.
    pub created_at: String,
    /// When it was over.
    pub finished_at: Option<String>,
}

/// All that billing holds about the caller.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct PersonalBillingData {
    /// The address for receipts; empty while it is not known.
    pub email: String,
    /// To whom invoices are addressed.
    pub profile: BillingProfile,
    /// What is paid with.
    pub payment_method: PaymentMethod,
    /// The provider's name for the payer.
    pub customer: Option<String>,
    /// The subscription; null before the account was heard of.
    pub subscription: Option<Subscription>,
    /// What is used.
    pub usage: Usage,
    /// Every order.
    pub orders: Vec<Order>,
    /// Every invoice.
    pub invoices: Vec<Invoice>,
    /// Every credit note.
    pub credit_notes: Vec<CreditNote>,
    /// Every payment.
    pub payments: Vec<PersonalPayment>,
}

impl Example for PersonalBillingData {
    fn example() -> Self {
        Self {
            email: "ada@example.com".to_owned(),
            profile: BillingProfile::example(),
            payment_method: PaymentMethod::example(),
            customer: None,
            subscription: Some(Subscription::example()),
            usage: Usage::example(),
            orders: vec![Order::example()],
            invoices: vec![Invoice::example()],
            credit_notes: Vec::new(),
            payments: Vec::new(),
        }
    }
}

impl From<store::payment::Model> for PersonalPayment {
    fn from(payment: store::payment::Model) -> Self {
        Self {
            id: payment.id.to_string(),
            invoice_id: payment.invoice_id.to_string(),
            provider: payment.provider,
            reference: payment.reference,
            state: payment.state,
            currency: payment.currency,
            amount_minor: payment.amount_minor,
            created_at: payment.created_at.to_string(),
            finished_at: payment.finished_at.map(|time| time.to_string()),
        }
    }
}

/// Operations on personal data.
pub struct PersonalApi {
    /// What they need.
    pub state: Arc<State>,
}

#[OpenApi]
impl PersonalApi {
    /// Show all that billing holds about the caller.
    #[oai(
        path = "/v1/personal-data/billing",
        method = "get",
        operation_id = "getPersonalBillingData",
        tag = "Tag::Subscription"
    )]
    async fn get_personal_billing_data(&self, Bearer(caller): Bearer) -> Result<Json<PersonalBillingData>, Problem> {
        let (state, db, user) = (&self.state, self.state.db.read(), caller.user);
        let account = store::account::find(db, user).await.map_err(SubscriptionError::from)?;
        let (profile, _) = store::profile::find(db, user).await.map_err(ProfileError::from)?;
        let found = store::subscription::find(db, user)
            .await
            .map_err(SubscriptionError::from)?;
        let credits = store::account::credits(db, user)
            .await
            .map_err(SubscriptionError::from)?;
        // As many as there are: one account's are few.
        let every = u64::from(u32::MAX);
        let notes = store::credit_note::list(db, user, None, every)
            .await
            .map_err(InvoiceError::from)?;
        let payments = store::payment::of_user(db, user).await.map_err(InvoiceError::from)?;
        let (email, method, customer) = account.map_or_else(Default::default, |account| {
            (account.email, account.method, account.customer)
        });
        Ok(Json(PersonalBillingData {
            email,
            profile: profile.into(),
            payment_method: PaymentMethod {
                provider: state.settings.provider.name().to_owned(),
                token: method,
            },
            customer,
            subscription: found.map(|subscription| Subscription::new(&subscription, credits)),
            usage: usage::of(state, user).await?,
            orders: order::all(state, user, None, every).await?,
            invoices: invoice::all(state, user, None, every).await?,
            credit_notes: notes.into_iter().map(CreditNote::from).collect(),
            payments: payments.into_iter().map(PersonalPayment::from).collect(),
        }))
    }
}
