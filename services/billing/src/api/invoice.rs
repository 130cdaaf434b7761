//! Invoices over HTTP. Everybody sees their own; support sees all; an admin records what came in by bank transfer.

use std::sync::Arc;

use chassis::{
    FieldError, Problem,
    http::{
        answer::Created,
        idempotency::{Key, once},
        json::Json,
        page::{self, Page},
    },
};
use contracts::{
    Timestamp,
    id::{InvoiceId, PaymentId, UserId},
};
use identity::{Bearer, Caller, Role};
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path, Query},
    types::Example,
};
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};

use super::{Tag, document, profile::BillingProfile};
use crate::{
    documents::{DocumentError, Sheet},
    domain::{
        invoice::{InvoiceError, Line},
        payment::State as Payment,
    },
    flow,
    state::State,
    store::{
        self,
        invoice::{Model, Standing, State as InvoiceState},
    },
};

/// A line of an invoice.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct InvoiceLine {
    /// What for.
    pub text: String,
    /// In minor units, without tax; negative for what is taken back.
    pub net_minor: i64,
    /// The tax on it.
    pub tax_minor: i64,
    /// With tax.
    pub total_minor: i64,
}

/// An invoice. It never changes, but for how it stands.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Invoice {
    /// Its id.
    pub id: String,
    /// Its number: gapless by seller and year.
    pub number: String,
    /// `open`, `paid`, `cancelled` or `uncollectible`.
    pub status: String,
    /// What it is for: `order` or `renewal`.
    pub purpose: String,
    /// Because of which order; null for a renewal.
    pub order_id: Option<String>,
    /// ISO 4217.
    pub currency: String,
    /// The lines; they add up to the totals.
    pub lines: Vec<InvoiceLine>,
    /// Without tax, in minor units.
    pub net_minor: i64,
    /// The tax.
    pub tax_minor: i64,
    /// The tax's rate, in hundredths of a percent: 1900 is 19 %.
    pub tax_rate: u32,
    /// With tax.
    pub total_minor: i64,
    /// What of it was paid from the account's credit.
    pub credit_minor: i64,
    /// What was left to pay.
    pub due_minor: i64,
    /// What credit notes took back of it.
    pub credited_minor: i64,
    /// To whom.
    pub buyer: BillingProfile,
    /// When it was issued.
    pub issued_at: String,
    /// When it is to be paid.
    pub due_at: String,
    /// When it was paid; null while it is not.
    pub paid_at: Option<String>,
}

impl Example for Invoice {
    fn example() -> Self {
        Self {
            id: "ivc_01k9xr2d1ke7h9v3x5z7b9d1fh".to_owned(),
            number: "CTH-2026-000042".to_owned(),
            status: "paid".to_owned(),
            purpose: "order".to_owned(),
            order_id: Some("ord_01k9xr2c4te6f8v0a2b4c6d8eg".to_owned()),
            currency: "EUR".to_owned(),
            lines: vec![InvoiceLine {
                text: "Team, 3 seats, 1 month".to_owned(),
                net_minor: 2700,
                tax_minor: 513,
                total_minor: 3213,
            }],
            net_minor: 2700,
            tax_minor: 513,
            tax_rate: 1900,
            total_minor: 3213,
            credit_minor: 0,
            due_minor: 3213,
            credited_minor: 0,
            buyer: BillingProfile::example(),
            issued_at: "2026-11-13T09:30:00Z".to_owned(),
            due_at: "2026-11-27T09:30:00Z".to_owned(),
            paid_at: Some("2026-11-13T09:30:01Z".to_owned()),
        }
    }
}

impl From<Line> for InvoiceLine {
    fn from(line: Line) -> Self {
        Self {
            text: line.text,
            net_minor: line.net_minor,
            tax_minor: line.tax_minor,
            total_minor: line.total_minor,
        }
    }
}

impl Invoice {
    fn new(invoice: &Model, standing: Standing) -> Result<Self, InvoiceError> {
        Ok(Self {
            id: invoice.id.to_string(),
            number: invoice.number.clone(),
            status: standing.state.name().to_owned(),
            purpose: invoice.purpose.clone(),
            order_id: invoice.order_id.map(|id| id.to_string()),
            currency: invoice.currency.clone(),
            lines: invoice.read_lines()?.into_iter().map(InvoiceLine::from).collect(),
            net_minor: invoice.net_minor,
            tax_minor: invoice.tax_minor,
            tax_rate: invoice.read_tax()?.rate,
            total_minor: invoice.total_minor,
            credit_minor: invoice.credit_minor,
            due_minor: invoice.due_minor,
            credited_minor: standing.credited,
            buyer: invoice.read_buyer()?.into(),
            issued_at: invoice.issued_at.to_string(),
            due_at: invoice.due_at.to_string(),
            paid_at: standing.paid_at.map(|time| time.to_string()),
        })
    }
}

/// A bank transfer that came in.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct RecordPayment {
    /// What came in, in minor units of the invoice's currency: all that is due.
    pub amount_minor: i64,
    /// The bank's name for it, 1 to 200 characters.
    #[oai(validator(min_length = 1, max_length = 200))]
    pub reference: String,
}

impl Example for RecordPayment {
    fn example() -> Self {
        Self {
            amount_minor: 3213,
            reference: "statement 48, line 3".to_owned(),
        }
    }
}

impl From<InvoiceError> for Problem {
    fn from(error: InvoiceError) -> Self {
        match error {
            InvoiceError::NotFound => Problem::not_found("invoice-not-found", error.to_string()),
            InvoiceError::NotOpen(_) => Problem::conflict("invoice-not-open", error.to_string()),
            InvoiceError::Charging => Problem::conflict("invoice-charging", error.to_string()),
            InvoiceError::NotPaid(_) => Problem::conflict("invoice-not-paid", error.to_string()),
            InvoiceError::Amount(_) | InvoiceError::TooMuch(_) => {
                Problem::invalid(vec![FieldError::new("/amount_minor", error.to_string())])
            }
            InvoiceError::Key(error) => error.into(),
            InvoiceError::Document(_) | InvoiceError::Store(_) => Problem::internal(error),
        }
    }
}

/// Operations on invoices.
pub struct InvoiceApi {
    /// What they need.
    pub state: Arc<State>,
}

#[OpenApi]
impl InvoiceApi {
    /// List the caller's invoices, newest first.
    #[oai(
        path = "/v1/invoices",
        method = "get",
        operation_id = "listInvoices",
        tag = "Tag::Invoices"
    )]
    async fn list_invoices(
        &self,
        Bearer(caller): Bearer,
        /// Items of the page at most, 1 to 200; 50 by default.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<Invoice>>, Problem> {
        let (limit, list) = (page::limit(limit.0)?, format!("invoices {}", caller.user));
        let before = page::position(&list, cursor.0.as_deref())?;
        let invoices = all(&self.state, caller.user, before, limit + 1).await?;
        let position = |invoice: &Invoice| invoice.id.clone();
        Ok(Json(page::page(invoices, limit, &list, position, |invoice| invoice)))
    }

    /// Show an invoice.
    #[oai(
        path = "/v1/invoices/:id",
        method = "get",
        operation_id = "getInvoice",
        tag = "Tag::Invoices"
    )]
    async fn get_invoice(
        &self,
        Bearer(caller): Bearer,
        /// Its id or its number.
        id: Path<String>,
    ) -> Result<Json<Invoice>, Problem> {
        let (invoice, standing) = self.visible(&caller, &id.0).await?;
        Ok(Json(Invoice::new(&invoice, standing)?))
    }

    /// Show an invoice as a page to print.
    #[oai(
        path = "/v1/invoices/:id/html",
        method = "get",
        operation_id = "getInvoiceHtml",
        tag = "Tag::Invoices"
    )]
    async fn get_invoice_html(
        &self,
        Bearer(caller): Bearer,
        /// Its id or its number.
        id: Path<String>,
    ) -> Result<document::Page, Problem> {
        let (invoice, standing) = self.visible(&caller, &id.0).await?;
        let sheet = Sheet::of(&invoice, &standing).map_err(InvoiceError::from)?;
        let page = self.state.documents.html(&sheet).map_err(InvoiceError::from)?;
        Ok(document::Page(page))
    }

    /// Download an invoice as a PDF.
    #[oai(
        path = "/v1/invoices/:id/pdf",
        method = "get",
        operation_id = "getInvoicePdf",
        tag = "Tag::Invoices"
    )]
    async fn get_invoice_pdf(
        &self,
        Bearer(caller): Bearer,
        /// Its id or its number.
        id: Path<String>,
    ) -> Result<document::Pdf, Problem> {
        let (invoice, standing) = self.visible(&caller, &id.0).await?;
        let sheet = Sheet::of(&invoice, &standing).map_err(InvoiceError::from)?;
        let state = Arc::clone(&self.state);
        // Drawing takes milliseconds of a processor, not of a disk or a network.
        let drawn = tokio::task::spawn_blocking(move || state.documents.pdf(&sheet)).await;
        let bytes = drawn
            .unwrap_or_else(|error| Err(DocumentError::Pdf(error.to_string())))
            .map_err(InvoiceError::from)?;
        Ok(document::Pdf {
            bytes,
            name: invoice.number,
        })
    }

    /// Record that an invoice was paid by bank transfer. For admins.
    #[oai(
        path = "/v1/invoices/:id/payments",
        method = "post",
        operation_id = "recordPayment",
        tag = "Tag::Invoices"
    )]
    async fn record_payment(
        &self,
        Bearer(caller): Bearer,
        /// Its id or its number.
        id: Path<String>,
        /// A repeated request with this key is carried out once.
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<String>>,
        body: Json<RecordPayment>,
    ) -> Result<Created<Invoice>, Problem> {
        let operation = format!("POST /v1/invoices/{}/payments", id.0);
        let key = Key::parse(key.0.as_deref(), caller.user, &operation, &body.0)?;
        let (state, now, given) = (&self.state, self.state.clock.now(), &body.0);
        let reference = given.reference.trim();
        if !(1..=200).contains(&reference.chars().count()) || reference.chars().any(char::is_control) {
            let detail = "must have 1 to 200 characters, without control characters";
            return Err(Problem::invalid(vec![FieldError::new("/reference", detail)]));
        }
        let answer = once(&state.db, key.as_ref(), async |tx| {
            let invoice = find(tx, &id.0).await?;
            self.pay(tx, &invoice, given.amount_minor, reference, now).await?;
            let standing = store::invoice::standing(tx, invoice.id).await?;
            Invoice::new(&invoice, standing)
        })
        .await?;
        Ok(Created {
            location: format!("/v1/invoices/{}", answer.id),
            version: None,
            body: answer,
        })
    }
}

impl InvoiceApi {
    async fn visible(&self, caller: &Caller, id: &str) -> Result<(Model, Standing), InvoiceError> {
        let db = self.state.db.read();
        let invoice = find(db, id).await?;
        if invoice.user_id != caller.user && caller.role < Role::Support {
            return Err(InvoiceError::NotFound);
        }
        let standing = store::invoice::standing(db, invoice.id).await?;
        Ok((invoice, standing))
    }

    async fn pay(
        &self,
        tx: &database::Tx,
        invoice: &Model,
        amount: i64,
        reference: &str,
        now: Timestamp,
    ) -> Result<(), InvoiceError> {
        let state = &self.state;
        flow::account::take(state, tx, invoice.user_id, now).await?;
        let standing = store::invoice::standing(tx, invoice.id).await?;
        if standing.state != InvoiceState::Open {
            return Err(InvoiceError::NotOpen(standing.state.name().to_owned()));
        }
        if amount != invoice.due_minor {
            return Err(InvoiceError::Amount(invoice.read_currency()?.show(invoice.due_minor)));
        }
        let mut open = store::payment::of_invoice(tx, invoice.id).await?;
        open.retain(|payment| payment.read_state().is_ok_and(Payment::is_open));
        // What a provider may be taking at this moment must not be paid a second time.
        let manual = |payment: &store::payment::Model| payment.provider == "manual";
        let begun = |payment: &store::payment::Model| payment.tries > 0;
        if open.iter().any(|payment| !manual(payment) && begun(payment)) {
            return Err(InvoiceError::Charging);
        }
        let payment = match open.pop() {
            Some(payment) => payment,
            None => {
                let id: PaymentId = flow::payment::open(state, tx, invoice, 1, now, now).await?;
                let missing = || sea_orm::DbErr::RecordNotFound(format!("payment {id}"));
                store::payment::find(tx, id).await?.ok_or_else(missing)?
            }
        };
        store::payment::by_hand(tx, payment.id).await?;
        let payment = store::payment::Model {
            provider: "manual".to_owned(),
            ..payment
        };
        flow::payment::succeeded(state, tx, &payment, reference, now).await?;
        Ok(flow::order::advance(state, tx, invoice.user_id, now).await?)
    }
}

/// The invoice of this id or number.
pub(super) async fn find(db: &impl ConnectionTrait, text: &str) -> Result<Model, InvoiceError> {
    let found = match text.parse::<InvoiceId>() {
        Ok(id) => store::invoice::find(db, id).await?,
        // A number is short and plain; what PostgreSQL cannot store is none.
        Err(_) if text.bytes().all(|byte| byte.is_ascii_graphic()) => store::invoice::numbered(db, text).await?,
        Err(_) => None,
    };
    found.ok_or(InvoiceError::NotFound)
}

/// The invoices of `user`.
pub(super) async fn all(
    state: &State,
    user: UserId,
    before: Option<InvoiceId>,
    limit: u64,
) -> Result<Vec<Invoice>, InvoiceError> {
    let db = state.db.read();
    let mut invoices = Vec::new();
    for invoice in store::invoice::list(db, user, before, limit).await? {
        let standing = store::invoice::standing(db, invoice.id).await?;
        invoices.push(Invoice::new(&invoice, standing)?);
    }
    Ok(invoices)
}
