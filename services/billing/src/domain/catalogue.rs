//! The catalogue: plans, what they allow and cost, and the taxes on them. A versioned TOML file, read once at the start.

use std::collections::{BTreeMap, HashSet};

use contracts::billing::{PlanLimits, PlanPublished, SeatPrice};
use figment::{
    Figment,
    providers::{Format, Toml},
};
use serde::Deserialize;

use super::{
    money::{Currency, LARGEST},
    period::Interval,
};

/// The plan everybody has without ordering one.
pub const FREE: &str = "free";

/// The catalogue that comes with the service.
pub const EMBEDDED: &str = include_str!("../catalogue.toml");

/// What a seat costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// For how long.
    pub interval: Interval,
    /// In what.
    pub currency: Currency,
    /// How much, in minor units, without tax.
    pub amount_minor: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    projects: Option<u64>,
    members: Option<u64>,
    tasks: Option<u64>,
    requests_per_minute: Option<u64>,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its name in orders and events.
    pub name: String,
    /// Its name to show.
    pub title: String,
    /// Whether it can be ordered by who does not have it yet.
    pub orderable: bool,
    /// Days that the first subscription of an account is free of charge.
    pub trial_days: u32,
    /// What it allows.
    pub limits: PlanLimits,
    /// What a seat costs; empty for the free plan.
    pub prices: Vec<Price>,
}

impl Plan {
    /// What a seat costs; `None` when it is not sold like that.
    pub fn price(&self, interval: Interval, currency: Currency) -> Option<i64> {
        self.prices
            .iter()
            .find(|price| price.interval == interval && price.currency == currency)
            .map(|price| price.amount_minor)
    }

    /// The plan as others hear of it.
    pub fn published(&self, version: i64) -> PlanPublished {
        let price = |price: &Price| SeatPrice {
            interval: price.interval.name().to_owned(),
            currency: price.currency.code().to_owned(),
            amount_minor: price.amount_minor,
        };
        PlanPublished {
            plan: self.name.clone(),
            title: self.title.clone(),
            limits: self.limits,
            prices: self.prices.iter().map(price).collect(),
            orderable: self.orderable,
            catalogue_version: version,
        }
    }
}

/// The tax of a country.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxRule {
    /// What it is called there.
    pub name: String,
    /// Hundredths of a percent.
    pub rate: u32,
    /// Whether a business in another country than the seller's pays it itself.
    #[serde(default)]
    pub reverse_charge: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: i64,
    currency: Currency,
    plan: Vec<PlanEntry>,
    #[serde(default)]
    tax: BTreeMap<String, TaxRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanEntry {
    name: String,
    title: String,
    orderable: bool,
    #[serde(default)]
    trial_days: u32,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    price: Vec<Price>,
}

/// All plans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    /// Rises with every change.
    pub version: i64,
    /// The currency of an order that names none.
    pub currency: Currency,
    /// The plans, cheapest first as the file has them.
    pub plans: Vec<Plan>,
    /// Taxes by country.
    pub taxes: BTreeMap<String, TaxRule>,
    /// Hash of the file: tells a change that forgot to raise the version.
    pub digest: String,
    /// The free plan.
    pub free: Plan,
}

impl Catalogue {
    /// Reads a catalogue.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        use sha2::Digest;
        let file: File = Figment::from(Toml::string(text))
            .extract()
            .map_err(|errors| errors.into_iter().map(|error| error.to_string()).collect::<Vec<_>>())?;
        let mistakes = mistakes(&file);
        let plans: Vec<Plan> = file.plan.into_iter().map(Plan::from).collect();
        let free = plans.iter().find(|plan| plan.name == FREE).cloned();
        let digest = sha2::Sha256::digest(text.as_bytes());
        match free {
            Some(free) if mistakes.is_empty() => Ok(Self {
                version: file.version,
                currency: file.currency,
                plans,
                taxes: file.tax,
                digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
                free,
            }),
            _ => Err(mistakes),
        }
    }

    /// The plan of this name.
    pub fn plan(&self, name: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.name == name)
    }

    /// The title of a plan; its name when it is not in the catalogue any more.
    pub fn title<'a>(&'a self, name: &'a str) -> &'a str {
        self.plan(name).map_or(name, |plan| &plan.title)
    }

    /// Whether anything is sold in this currency.
    pub fn sells_in(&self, currency: Currency) -> bool {
        self.plans
            .iter()
            .any(|plan| plan.prices.iter().any(|price| price.currency == currency))
    }
}

impl From<PlanEntry> for Plan {
    fn from(entry: PlanEntry) -> Self {
        Self {
            name: entry.name,
            title: entry.title,
            orderable: entry.orderable,
            trial_days: entry.trial_days,
            limits: PlanLimits {
                projects: entry.limits.projects,
                members: entry.limits.members,
                tasks: entry.limits.tasks,
                requests_per_minute: entry.limits.requests_per_minute,
            },
            prices: entry.price,
        }
    }
}

fn mistakes(file: &File) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut require = |holds: bool, mistake: String| {
        if !holds {
            wrong.push(mistake);
        }
    };
    require(file.version >= 1, "version must be at least 1".to_owned());
    let free = file.plan.iter().filter(|plan| plan.name == FREE);
    require(
        free.clone().count() == 1,
        "there must be one plan named free: it is what everybody has".to_owned(),
    );
    for plan in free {
        require(
            plan.price.is_empty() && plan.orderable && plan.trial_days == 0,
            "plan free must be orderable, without price and trial: it is where cancelled subscriptions go".to_owned(),
        );
    }
    let mut names = HashSet::new();
    for plan in &file.plan {
        let name = &plan.name;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        require(
            !name.is_empty() && name.len() <= 40 && name.bytes().all(plain),
            format!("plan {name}: a name has 1 to 40 of a-z, 0-9 and _"),
        );
        require(names.insert(name), format!("plan {name} is there twice"));
        require(
            (1..=100).contains(&plan.title.chars().count()),
            format!("plan {name}: title must have 1 to 100 characters"),
        );
        require(
            plan.trial_days <= 365,
            format!("plan {name}: trial_days must be at most 365"),
        );
        let sold = plan.price.iter().any(|price| price.currency == file.currency);
        require(
            name == FREE || sold,
            format!(
                "plan {name}: has no price in {}, the catalogue's currency",
                file.currency
            ),
        );
        let mut sorts = HashSet::new();
        for price in &plan.price {
            let sort = format!("{} by {}", price.currency, price.interval.name());
            require(
                (1..=LARGEST).contains(&price.amount_minor),
                format!("plan {name}: the price in {sort} must be 1 to {LARGEST}"),
            );
            require(
                sorts.insert((price.interval, price.currency)),
                format!("plan {name}: the price in {sort} is there twice"),
            );
        }
    }
    for (country, rule) in &file.tax {
        require(
            country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()),
            format!("tax {country}: expected a country by ISO 3166-1, like DE"),
        );
        require(
            rule.rate <= 5_000,
            format!("tax {country}: rate must be at most 5000, which is 50 %"),
        );
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_that_comes_with_the_service_is_good() {
        let catalogue = Catalogue::parse(EMBEDDED).unwrap();
        let names: Vec<&str> = catalogue.plans.iter().map(|plan| plan.name.as_str()).collect();
        assert_eq!(names, ["free", "team", "business"]);
        let euro = "EUR".parse().unwrap();
        assert_eq!(catalogue.plan("team").unwrap().price(Interval::Month, euro), Some(900));
        assert_eq!(catalogue.taxes["FI"].rate, 2550);
    }

    #[test]
    fn every_mistake_is_told() {
        let text = r#"
            version = 0
            currency = "EUR"
            plan = [
                { name = "Team", title = "", orderable = true, trial_days = 900, price = [
                    { interval = "month", currency = "USD", amount_minor = -5 },
                    { interval = "month", currency = "USD", amount_minor = 7 },
                ] },
            ]
            tax = { germany = { name = "USt", rate = 190000 } }
        "#;
        let mistakes = Catalogue::parse(text).unwrap_err();
        assert_eq!(mistakes.len(), 10, "{mistakes:#?}");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, word) in [
            ("version = 1", "currency"),
            ("version = 1\ncurrency = \"euro\"\nplan = []", "ISO 4217"),
            ("version = 1\ncurrency = \"EUR\"\nplan = []\nplans = []", "plans"),
            ("version = ", "TOML"),
        ] {
            let mistakes = Catalogue::parse(text).unwrap_err().join("; ");
            assert!(mistakes.contains(word), "{mistakes}");
        }
    }
}
