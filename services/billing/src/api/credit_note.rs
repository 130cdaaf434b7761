//! Credit notes over HTTP: everybody lists their own, an admin issues one.

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
use identity::Bearer;
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path, Query},
    types::Example,
};
use serde::{Deserialize, Serialize};

use super::{Tag, invoice};
use crate::{
    domain::invoice::InvoiceError,
    flow,
    state::State,
    store::{self, credit_note::Model, invoice::State as Standing},
};

/// A credit note: it takes back some or all of an invoice.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct CreditNote {
    /// Its id.
    pub id: String,
    /// Its number: gapless by seller and year.
    pub number: String,
    /// Of which invoice.
    pub invoice_id: String,
    /// ISO 4217.
    pub currency: String,
    /// Without tax, in minor units; positive.
    pub net_minor: i64,
    /// The tax.
    pub tax_minor: i64,
    /// With tax.
    pub total_minor: i64,
    /// Why.
    pub reason: String,
    /// When it was issued.
    pub issued_at: String,
}

impl Example for CreditNote {
    fn example() -> Self {
        Self {
            id: "crn_01k9xr2f7me9k1v5x7z9b1d3fj".to_owned(),
            number: "CTH-CN-2026-000007".to_owned(),
            invoice_id: "ivc_01k9xr2d1ke7h9v3x5z7b9d1fh".to_owned(),
            currency: "EUR".to_owned(),
            net_minor: 900,
            tax_minor: 171,
            total_minor: 1071,
            reason: "One seat was never used.".to_owned(),
            issued_at: "2026-11-13T09:30:00Z".to_owned(),
        }
    }
}

impl From<Model> for CreditNote {
    fn from(note: Model) -> Self {
        Self {
            id: note.id.to_string(),
            number: note.number,
            invoice_id: note.invoice_id.to_string(),
            currency: note.currency,
            net_minor: note.net_minor,
            tax_minor: note.tax_minor,
            total_minor: note.total_minor,
            reason: note.reason,
            issued_at: note.issued_at.to_string(),
        }
    }
}

/// What is to be taken back.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct IssueCreditNote {
    /// With tax, in minor units of the invoice's currency.
    pub amount_minor: i64,
    /// Why, 1 to 200 characters; the customer reads it.
    #[oai(validator(min_length = 1, max_length = 200))]
    pub reason: String,
}

impl Example for IssueCreditNote {
    fn example() -> Self {
        Self {
            amount_minor: 1071,
            reason: "One seat was never used.".to_owned(),
        }
    }
}

/// Operations on credit notes.
pub struct CreditNoteApi {
    /// What they need.
    pub state: Arc<State>,
}

#[OpenApi]
impl CreditNoteApi {
    /// List the caller's credit notes, newest first.
    #[oai(
        path = "/v1/credit-notes",
        method = "get",
        operation_id = "listCreditNotes",
        tag = "Tag::Invoices"
    )]
    async fn list_credit_notes(
        &self,
        Bearer(caller): Bearer,
        /// Items of the page at most, 1 to 200; 50 by default.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<CreditNote>>, Problem> {
        let (limit, list) = (page::limit(limit.0)?, format!("credit notes {}", caller.user));
        let before = page::position(&list, cursor.0.as_deref())?;
        let rows = store::credit_note::list(self.state.db.read(), caller.user, before, limit + 1)
            .await
            .map_err(InvoiceError::from)?;
        Ok(Json(page::page(rows, limit, &list, |row| row.id, CreditNote::from)))
    }

    /// Take back some or all of a paid invoice. For admins.
    ///
    /// The amount is to the account's credit: its next invoices use it.
    #[oai(
        path = "/v1/invoices/:id/credit-notes",
        method = "post",
        operation_id = "issueCreditNote",
        tag = "Tag::Invoices"
    )]
    async fn issue_credit_note(
        &self,
        Bearer(caller): Bearer,
        /// The invoice's id or number.
        id: Path<String>,
        /// A repeated request with this key is carried out once.
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<String>>,
        body: Json<IssueCreditNote>,
    ) -> Result<Created<CreditNote>, Problem> {
        let operation = format!("POST /v1/invoices/{}/credit-notes", id.0);
        let key = Key::parse(key.0.as_deref(), caller.user, &operation, &body.0)?;
        let (state, now, given) = (&self.state, self.state.clock.now(), &body.0);
        let reason = given.reason.trim();
        let mut wrong = Vec::new();
        if !(1..=200).contains(&reason.chars().count()) || reason.chars().any(char::is_control) {
            let detail = "must have 1 to 200 characters, without control characters";
            wrong.push(FieldError::new("/reason", detail));
        }
        if given.amount_minor < 1 {
            wrong.push(FieldError::new("/amount_minor", "must be at least 1"));
        }
        if !wrong.is_empty() {
            return Err(Problem::invalid(wrong));
        }
        let note = once(&state.db, key.as_ref(), async |tx| {
            let invoice = invoice::find(tx, &id.0).await?;
            flow::account::take(state, tx, invoice.user_id, now).await?;
            let standing = store::invoice::standing(tx, invoice.id).await?;
            if standing.state != Standing::Paid {
                return Err(InvoiceError::NotPaid(standing.state.name().to_owned()));
            }
            let (currency, left) = (invoice.read_currency()?, invoice.total_minor - standing.credited);
            if given.amount_minor > left {
                return Err(InvoiceError::TooMuch(currency.show(left)));
            }
            let issued_by = Some(caller.user);
            let note = flow::invoice::credit(state, tx, &invoice, given.amount_minor, reason, issued_by, now).await?;
            store::account::add_credit(tx, invoice.user_id, currency, given.amount_minor).await?;
            Ok::<_, InvoiceError>(CreditNote::from(note))
        })
        .await?;
        Ok(Created {
            location: "/v1/credit-notes".to_owned(),
            version: None,
            body: note,
        })
    }
}
