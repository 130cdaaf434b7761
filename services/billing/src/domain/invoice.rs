//! Invoices and credit notes: lines, taxes and totals that add up to the minor unit.

use contracts::id::InvoiceId;
use serde::{Deserialize, Serialize};

use super::{
    catalogue::{Catalogue, TaxRule},
    money::{self, Currency, LARGEST},
    profile::Profile,
};

/// A line before tax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What for.
    pub text: String,
    /// In minor units, without tax; negative for what is taken back.
    pub net: i64,
}

/// A line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What for.
    pub text: String,
    /// Without tax.
    pub net_minor: i64,
    /// The tax on it.
    pub tax_minor: i64,
    /// With tax.
    pub total_minor: i64,
}

/// Which tax an account pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tax {
    /// What it is called; empty for none.
    pub name: String,
    /// Hundredths of a percent.
    pub rate: u32,
    /// What the invoice has to say about it; empty for nothing.
    pub note: String,
}

impl Tax {
    /// The tax of a buyer. Without a profile it is that of the seller's country.
    pub fn of(buyer: &Profile, seller_country: &str, catalogue: &Catalogue) -> Self {
        let country = if buyer.country.is_empty() {
            seller_country
        } else {
            &buyer.country
        };
        match catalogue.taxes.get(country) {
            None => Self {
                name: String::new(),
                rate: 0,
                note: String::new(),
            },
            Some(TaxRule {
                reverse_charge: true, ..
            }) if !buyer.vat_id.is_empty() && country != seller_country => Self {
                name: String::new(),
                rate: 0,
                note: "Reverse charge: the recipient owes the tax.".to_owned(),
            },
            Some(rule) => Self {
                name: rule.name.clone(),
                rate: rule.rate,
                note: String::new(),
            },
        }
    }
}

/// Lines with their taxes and sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// The lines.
    pub lines: Vec<Line>,
    /// Sum without tax.
    pub net: i64,
    /// Sum of the taxes.
    pub tax: i64,
    /// Sum with tax.
    pub total: i64,
}

impl Totals {
    /// Adds up; `None` when a sum is larger than [`LARGEST`].
    pub fn of(items: &[Item], tax: &Tax) -> Option<Self> {
        let nets: Vec<i64> = items.iter().map(|item| item.net).collect();
        let net = nets.iter().try_fold(0_i64, |sum, net| sum.checked_add(*net))?;
        if net.abs() > LARGEST || nets.iter().any(|net| net.abs() > LARGEST) {
            return None;
        }
        let (taxes, tax) = money::tax(&nets, tax.rate);
        let total = net + tax;
        if total.abs() > LARGEST {
            return None;
        }
        let line = |(item, tax): (&Item, i64)| Line {
            text: item.text.clone(),
            net_minor: item.net,
            tax_minor: tax,
            total_minor: item.net + tax,
        };
        Some(Self {
            lines: items.iter().zip(taxes).map(line).collect(),
            net,
            tax,
            total,
        })
    }

    /// A part of an invoice that is taken back: net and tax in the invoice's proportion, `total` of its total.
    pub fn part(text: String, total: i64, of: (i64, i64)) -> Self {
        let weights = [of.0.unsigned_abs(), of.1.unsigned_abs()];
        let parts = money::allocate(total, &weights);
        let (net, tax) = (parts[0], parts[1]);
        let line = Line {
            text,
            net_minor: net,
            tax_minor: tax,
            total_minor: total,
        };
        Self {
            lines: vec![line],
            net,
            tax,
            total,
        }
    }
}

/// Who issues, as the invoice shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seller {
    /// Begins the numbers.
    pub code: String,
    /// Name.
    pub name: String,
    /// Address.
    pub address: String,
    /// ISO 3166-1.
    pub country: String,
    /// Empty for none.
    pub vat_id: String,
    /// Empty when nobody pays by transfer.
    pub bank_account: String,
}

/// What an invoice is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An order.
    Order,
    /// The next period.
    Renewal,
}

impl Purpose {
    /// The name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Purpose::Order => "order",
            Purpose::Renewal => "renewal",
        }
    }
}

/// What is to be issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What for.
    pub purpose: Purpose,
    /// In what.
    pub currency: Currency,
    /// How much.
    pub totals: Totals,
    /// Which tax is in it.
    pub tax: Tax,
}

/// The number of an invoice: `CTH-2027-000042`; of a credit note: `CTH-CN-2027-000042`.
pub fn number(seller: &str, kind: Kind, year: i32, sequence: i64) -> String {
    match kind {
        Kind::Invoice => format!("{seller}-{year}-{sequence:06}"),
        Kind::CreditNote => format!("{seller}-CN-{year}-{sequence:06}"),
    }
}

/// Documents that have a series of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Invoices.
    Invoice,
    /// Credit notes.
    CreditNote,
}

impl Kind {
    /// The name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Invoice => "invoice",
            Kind::CreditNote => "credit_note",
        }
    }
}

/// An invoice that may be taken back in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Creditable {
    /// Which.
    pub id: InvoiceId,
    /// Without tax, in minor units.
    pub net: i64,
    /// With tax.
    pub total: i64,
    /// What of its total is not taken back yet.
    pub left: i64,
}

impl Creditable {
    /// What of `net` this invoice can give back: without tax, and with the tax that was paid then, whatever it is today.
    pub fn part(&self, net: i64) -> (i64, i64) {
        let share = |amount: i64, of: i64, whole: i64| {
            let exact = i128::from(amount) * i128::from(of) / i128::from(whole.max(1));
            // Not more than `of`, as `amount` is at most `whole`.
            i64::try_from(exact).unwrap_or_default()
        };
        let most = share(self.left, self.net, self.total);
        if net >= most {
            (most, self.left)
        } else {
            (net, share(net, self.total, self.net).min(self.left))
        }
    }
}

/// Why an invoice is not shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum InvoiceError {
    /// There is none, or it is somebody else's.
    #[error("there is no such invoice")]
    NotFound,
    /// It is not open.
    #[error("the invoice is {0}; only an open one can be paid")]
    NotOpen(String),
    /// Its charge is being carried out.
    #[error("a charge for this invoice is being carried out; try again in a minute")]
    Charging,
    /// The amount is another.
    #[error("the invoice is to be paid in full: {0}")]
    Amount(String),
    /// It was never paid.
    #[error("the invoice is {0}; only a paid one can be credited")]
    NotPaid(String),
    /// More than is left.
    #[error("at most {0} of the invoice can still be credited")]
    TooMuch(String),
    /// The key of the request cannot be used.
    #[error(transparent)]
    Key(#[from] chassis::http::idempotency::KeyError),
    /// It cannot be drawn.
    #[error("drawing the invoice")]
    Document(#[from] crate::documents::DocumentError),
    /// The database failed.
    #[error("reading or storing the invoice")]
    Store(#[from] sea_orm::DbErr),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn profile(country: &str, vat_id: &str) -> Profile {
        Profile {
            country: country.to_owned(),
            vat_id: vat_id.to_owned(),
            ..Profile::default()
        }
    }

    #[test]
    fn the_tax_is_that_of_the_buyers_country_and_a_foreign_business_pays_it_itself() {
        let catalogue = Catalogue::parse(super::super::catalogue::EMBEDDED).unwrap();
        let rate = |country, vat_id| Tax::of(&profile(country, vat_id), "DE", &catalogue).rate;
        assert_eq!(rate("", ""), 1900, "nothing is known: the seller's");
        assert_eq!(rate("FI", ""), 2550);
        assert_eq!(rate("FI", "FI12345678"), 0);
        assert_eq!(rate("DE", "DE1"), 1900, "at home everybody pays");
        assert_eq!(rate("GB", "GB123456789"), 2000, "no reverse charge there");
        assert_eq!(rate("US", ""), 0);
        let reverse = Tax::of(&profile("FR", "FR12345678901"), "DE", &catalogue);
        assert!(reverse.note.contains("Reverse charge"));
    }

    proptest! {
        #[test]
        fn lines_add_up_to_the_totals_whatever_is_on_them(
            nets in prop::collection::vec(-1_000_000_i64..=1_000_000, 1..30),
            rate in 0_u32..=5_000,
        ) {
            let items: Vec<Item> = nets.iter().map(|net| Item { text: String::new(), net: *net }).collect();
            let tax = Tax { name: String::new(), rate, note: String::new() };
            let totals = Totals::of(&items, &tax).unwrap();
            prop_assert_eq!(totals.lines.iter().map(|line| line.net_minor).sum::<i64>(), totals.net);
            prop_assert_eq!(totals.lines.iter().map(|line| line.tax_minor).sum::<i64>(), totals.tax);
            prop_assert_eq!(totals.lines.iter().map(|line| line.total_minor).sum::<i64>(), totals.total);
            prop_assert_eq!(totals.net + totals.tax, totals.total);
        }

        #[test]
        fn what_an_invoice_gives_back_is_never_more_than_was_paid_and_not_taken_back_yet(
            net in 1_i64..=1_000_000, rate in 0_u32..=5_000, taken in 0_i64..=1_000_000, wanted in 0_i64..=2_000_000,
        ) {
            let total = net + money::tax(&[net], rate).1;
            let left = (total - taken).max(1);
            let creditable = Creditable { id: InvoiceId::new(), net, total, left };
            let (part, gross) = creditable.part(wanted);
            prop_assert!(part <= wanted && part <= net && gross <= left && gross >= part);
            prop_assert!(wanted < net || gross == left, "all that is wanted is all that is left");
        }

        #[test]
        fn what_is_taken_back_adds_up_and_never_exceeds_its_invoice(
            net in 1_i64..=1_000_000, rate in 0_u32..=5_000, share in 0.0_f64..=1.0,
        ) {
            let tax = money::tax(&[net], rate).1;
            #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any share will do")]
            let total = ((net + tax) as f64 * share) as i64;
            let part = Totals::part(String::new(), total, (net, tax));
            prop_assert_eq!(part.net + part.tax, total);
            prop_assert!(part.net <= net && part.tax <= tax && part.net >= 0 && part.tax >= 0);
        }
    }

    #[test]
    fn a_sum_that_is_too_large_is_none() {
        let tax = Tax {
            name: String::new(),
            rate: 0,
            note: String::new(),
        };
        let item = |net| Item {
            text: String::new(),
            net,
        };
        assert!(Totals::of(&[item(LARGEST)], &tax).is_some());
        assert!(Totals::of(&[item(LARGEST), item(1)], &tax).is_none());
        assert!(Totals::of(&[item(i64::MAX), item(i64::MAX)], &tax).is_none());
    }
}
