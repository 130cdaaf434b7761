//! Invoices as their readers see them: HTML and PDF, drawn from the same [`Sheet`] whenever they are asked for. An invoice
//! never changes, so neither do they, but for the line that says how it stands.

mod html;
mod pdf;

use std::sync::Arc;

use krilla::text::Font;
use sea_orm::DbErr;
use serde::Serialize;

use crate::{
    domain::{
        invoice::{Line, Seller},
        money::Currency,
        period::day,
        profile::Profile,
    },
    store::invoice::{Model, Standing, State},
};

/// DejaVu Sans (public domain and Bitstream Vera's free licence), cut to the scripts of Europe and the Near East.
const FONT: &[u8] = include_bytes!("../../assets/DejaVuSans.ttf");

/// Why a document cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The template is wrong.
    #[error("the template of the invoice")]
    Template(#[from] minijinja::Error),
    /// The PDF cannot be written.
    #[error("the PDF: {0}")]
    Pdf(String),
}

/// Draws invoices.
pub struct Documents {
    templates: minijinja::Environment<'static>,
    font: Font,
}

/// A line as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What for.
    pub text: String,
    /// Without tax.
    pub net: String,
    /// The tax.
    pub tax: String,
    /// With tax.
    pub total: String,
}

/// What an invoice shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sheet {
    /// Its number.
    pub number: String,
    /// The day it was issued.
    pub issued: String,
    /// The day it is to be paid.
    pub due_day: String,
    /// Who issued it.
    pub seller: Seller,
    /// To whom.
    pub buyer: Profile,
    /// ISO 4217.
    pub currency: String,
    /// The lines.
    pub rows: Vec<Row>,
    /// Sum without tax.
    pub net: String,
    /// The tax: `USt 19 %`
    pub tax_label: String,
    /// Sum of the taxes.
    pub tax: String,
    /// Sum with tax.
    pub total: String,
    /// What was paid from the account's credit; empty for nothing.
    pub credit: String,
    /// What is left to pay.
    pub due: String,
    /// What the law wants said; may be empty.
    pub note: String,
    /// How it stands, in a sentence.
    pub standing: String,
}

impl Sheet {
    /// What an invoice shows.
    ///
    /// # Errors
    /// When this release cannot read what is stored.
    pub fn of(invoice: &Model, standing: &Standing) -> Result<Self, DbErr> {
        let (currency, tax) = (invoice.read_currency()?, invoice.read_tax()?);
        let amount = |minor| number(currency, minor);
        let row = |line: Line| Row {
            text: line.text,
            net: amount(line.net_minor),
            tax: amount(line.tax_minor),
            total: amount(line.total_minor),
        };
        Ok(Self {
            number: invoice.number.clone(),
            issued: day(invoice.issued_at),
            due_day: day(invoice.due_at),
            seller: invoice.read_seller()?,
            buyer: invoice.read_buyer()?,
            currency: currency.code().to_owned(),
            rows: invoice.read_lines()?.into_iter().map(row).collect(),
            net: amount(invoice.net_minor),
            tax_label: match tax.rate {
                0 => "Tax".to_owned(),
                rate => format!("{} {} %", tax.name, percent(rate)),
            },
            tax: amount(invoice.tax_minor),
            total: amount(invoice.total_minor),
            credit: if invoice.credit_minor > 0 {
                amount(-invoice.credit_minor)
            } else {
                String::new()
            },
            due: amount(invoice.due_minor),
            note: tax.note,
            standing: match (standing.state, standing.paid_at) {
                (State::Open, _) => format!("To be paid by {}.", day(invoice.due_at)),
                (State::Paid, Some(at)) => format!("Paid on {}.", day(at)),
                (State::Paid, None) => "Paid.".to_owned(),
                (State::Cancelled, _) => "Taken back by a credit note; nothing is to be paid.".to_owned(),
                (State::Uncollectible, _) => "Not paid.".to_owned(),
            },
        })
    }
}

/// An amount without its currency, which stands in the head of the column.
fn number(currency: Currency, minor: i64) -> String {
    let shown = currency.show(minor);
    shown.split(' ').next().unwrap_or_default().to_owned()
}

/// Hundredths of a percent as percent: `19`, `25.5`
fn percent(rate: u32) -> String {
    let text = format!("{}.{:02}", rate / 100, rate % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Documents {
    /// With a font of the operator's, or the one that comes with the service.
    ///
    /// # Errors
    /// When the font cannot be read.
    pub fn new(font: Option<Arc<Vec<u8>>>) -> anyhow::Result<Self> {
        let data = font.map_or_else(|| FONT.to_vec(), |font| font.to_vec());
        let font = Font::new(data.into(), 0)
            .ok_or_else(|| anyhow::anyhow!("billing.pdf_font is not a TrueType or OpenType font"))?;
        Ok(Self {
            templates: html::templates()?,
            font,
        })
    }

    /// The invoice as a page.
    ///
    /// # Errors
    /// See [`DocumentError`].
    pub fn html(&self, sheet: &Sheet) -> Result<String, DocumentError> {
        html::draw(&self.templates, sheet)
    }

    /// The invoice as a PDF.
    ///
    /// # Errors
    /// See [`DocumentError`].
    pub fn pdf(&self, sheet: &Sheet) -> Result<Vec<u8>, DocumentError> {
        pdf::draw(&self.font, sheet, krilla::SerializeSettings::default())
    }
}

#[cfg(test)]
fn example() -> Sheet {
    let row = |text: &str| Row {
        text: text.to_owned(),
        net: "27.00".to_owned(),
        tax: "5.13".to_owned(),
        total: "32.13".to_owned(),
    };
    Sheet {
        number: "CTH-2027-000042".to_owned(),
        issued: "2027-03-01".to_owned(),
        due_day: "2027-03-15".to_owned(),
        seller: Seller {
            code: "CTH".to_owned(),
            name: "CloudTaskHub".to_owned(),
            address: "1 Example Street".to_owned(),
            country: "DE".to_owned(),
            vat_id: String::new(),
            bank_account: String::new(),
        },
        buyer: Profile {
            name: "Жанна & Łukasz <b>Ünal</b> Παπαδοπούλου".to_owned(),
            address: "Straße 1\n10115 Berlin".to_owned(),
            country: "DE".to_owned(),
            vat_id: String::new(),
        },
        currency: "EUR".to_owned(),
        rows: vec![row("Team, 3 seats, 1 month")],
        net: "27.00".to_owned(),
        tax_label: "USt 19 %".to_owned(),
        tax: "5.13".to_owned(),
        total: "32.13".to_owned(),
        credit: String::new(),
        due: "32.13".to_owned(),
        note: String::new(),
        standing: "Paid on 2027-03-01.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_shown_without_needless_digits() {
        let shown: Vec<String> = [1900, 2550, 810, 7, 0].into_iter().map(percent).collect();
        assert_eq!(shown, ["19", "25.5", "8.1", "0.07", "0"]);
    }
}
