//! Orders of plans: what the gateway can tell about one before billing has seen it, and what it keeps of it.
//!
//! Billing decides about an order when it carries it out. What cannot succeed as far as the published catalogue goes is
//! refused here already, with what could be ordered instead; as long as no catalogue was published, billing alone decides.

use chassis::{FieldError, http::idempotency::KeyError};
use contracts::{
    Timestamp,
    billing::SeatPrice,
    gateway::OrderRequested,
    id::{OrderId, UserId},
};
use sea_orm::DbErr;

/// Seats of an order at most.
pub const SEATS_MAX: u32 = 10_000;
/// Characters of a plan's name at most.
const PLAN_MAX: usize = 40;

/// What somebody orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderDraft {
    /// The plan's name.
    pub plan: String,
    /// How many seats.
    pub seats: u32,
    /// `month` or `year`.
    pub interval: String,
    /// ISO 4217; absent: the catalogue's own.
    pub currency: Option<String>,
}

/// How far an order is, as far as the gateway knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It will be carried out.
    Accepted,
    /// It was.
    Completed,
    /// It will not be; nothing was charged.
    Failed,
}

impl State {
    /// The name in answers and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// The state of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Accepted, Self::Completed, Self::Failed]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// Why an order was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// One of billing's reasons.
    pub reason: String,
    /// What to do, in a sentence.
    pub detail: String,
}

/// An order that the gateway accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Which order.
    pub id: OrderId,
    /// Whose.
    pub user: UserId,
    /// What was ordered.
    pub draft: OrderDraft,
    /// When.
    pub accepted_at: Timestamp,
    /// How far it is.
    pub state: State,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// When it was completed or failed.
    pub settled_at: Option<Timestamp>,
}

/// Why nothing was ordered.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Values that cannot be ordered.
    #[error("{} values cannot be ordered", .0.len())]
    Invalid(Vec<FieldError>),
    /// The key was used for something else.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database failed.
    #[error("storing the order")]
    Store(#[from] DbErr),
}

impl OrderDraft {
    /// Checks what somebody typed.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(plan: &str, seats: i64, interval: &str, currency: Option<&str>) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let first = plan.bytes().next();
        let letters = plan
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'));
        if plan.len() > PLAN_MAX || !letters || !first.is_some_and(|first| first.is_ascii_lowercase()) {
            let expected = "must be the name of a plan, such as team; GET /v1/plans lists them";
            wrong.push(FieldError::new("/plan", expected));
        }
        let fitting = u32::try_from(seats)
            .ok()
            .filter(|seats| (1..=SEATS_MAX).contains(seats));
        if fitting.is_none() {
            wrong.push(FieldError::new(
                "/seats",
                format!("must be 1 to {SEATS_MAX}, not {seats}"),
            ));
        }
        if !matches!(interval, "month" | "year") {
            wrong.push(FieldError::new("/interval", "must be month or year"));
        }
        let code = |code: &str| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        if currency.is_some_and(|currency| !code(currency)) {
            let expected = "must be a currency code of ISO 4217 in capital letters, such as EUR";
            wrong.push(FieldError::new("/currency", expected));
        }
        match fitting {
            Some(seats) if wrong.is_empty() => Ok(Self {
                plan: plan.to_owned(),
                seats,
                interval: interval.to_owned(),
                currency: currency.map(str::to_owned),
            }),
            _ => Err(wrong),
        }
    }

    /// Accepts it for `user`.
    pub fn accept(self, user: UserId, now: Timestamp) -> (Order, OrderRequested) {
        let order = Order {
            id: OrderId::new(),
            user,
            draft: self,
            accepted_at: now,
            state: State::Accepted,
            failure: None,
            settled_at: None,
        };
        let event = OrderRequested {
            order_id: order.id,
            user_id: user,
            plan: order.draft.plan.clone(),
            seats: order.draft.seats,
            interval: order.draft.interval.clone(),
            currency: order.draft.currency.clone(),
            requested_at: now,
        };
        (order, event)
    }
}

/// A plan as billing published it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// Whether it can be ordered.
    pub orderable: bool,
    /// What a seat costs; empty for a plan without price, which costs nothing in any interval and currency.
    pub prices: Vec<SeatPrice>,
}

impl Plan {
    fn prices(&self) -> String {
        let prices: Vec<String> = self
            .prices
            .iter()
            .map(|price| format!("{} in {}", price.interval, price.currency))
            .collect();
        prices.join(", ")
    }
}

/// Whether `draft` can be ordered of `plans`; with none known, everything can as far as the gateway knows.
///
/// # Errors
/// What cannot, and what can be ordered.
pub fn on_sale(draft: &OrderDraft, plans: &[Plan]) -> Result<(), FieldError> {
    if plans.is_empty() {
        return Ok(());
    }
    let found = plans.iter().find(|plan| plan.name == draft.plan && plan.orderable);
    let Some(plan) = found else {
        let names: Vec<&str> = plans
            .iter()
            .filter(|plan| plan.orderable)
            .map(|plan| plan.name.as_str())
            .collect();
        let detail = match names.as_slice() {
            [] => "no plan can be ordered at the moment".to_owned(),
            names => format!("there is no such plan to order; order one of {}", names.join(", ")),
        };
        return Err(FieldError::new("/plan", detail));
    };
    let of_interval = || plan.prices.iter().filter(|price| price.interval == draft.interval);
    if plan.prices.is_empty() {
        return Ok(());
    }
    if of_interval().next().is_none() {
        let detail = format!(
            "{} has no price by the {}; order by the {}",
            plan.name,
            draft.interval,
            plan.prices()
        );
        return Err(FieldError::new("/interval", detail));
    }
    let wanted = |currency: &String| of_interval().any(|price| price.currency == *currency);
    match &draft.currency {
        Some(currency) if !wanted(currency) => {
            let detail = format!(
                "{} has no price by the {} in {currency}; order by the {}",
                plan.name,
                draft.interval,
                plan.prices()
            );
            Err(FieldError::new("/currency", detail))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(plan: &str, interval: &str, currency: Option<&str>) -> OrderDraft {
        OrderDraft::parse(plan, 3, interval, currency).unwrap()
    }

    fn plans() -> Vec<Plan> {
        let plan = |name: &str, orderable, prices: &[(&str, &str)]| Plan {
            name: name.to_owned(),
            orderable,
            prices: prices
                .iter()
                .map(|(interval, currency)| SeatPrice {
                    interval: (*interval).to_owned(),
                    currency: (*currency).to_owned(),
                    amount_minor: 900,
                })
                .collect(),
        };
        vec![
            plan("free", true, &[]),
            plan("team", true, &[("month", "EUR"), ("year", "EUR"), ("month", "USD")]),
            plan("classic", false, &[("month", "EUR")]),
            plan("weekly", true, &[("month", "EUR")]),
        ]
    }

    #[test]
    fn everything_wrong_with_an_order_is_told_at_once() {
        let wrong = OrderDraft::parse("Team!", -3, "week", Some("eur")).unwrap_err();
        let pointers: Vec<&str> = wrong.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["#/plan", "#/seats", "#/interval", "#/currency"]);
    }

    #[test]
    fn the_bounds_are_what_they_are_said_to_be() {
        let pointer = |plan: &str, seats, currency| {
            OrderDraft::parse(plan, seats, "month", currency)
                .err()
                .map(|wrong| wrong[0].pointer.clone())
        };
        for seats in [0, -1, 10_001, i64::MAX, i64::MIN] {
            assert_eq!(pointer("team", seats, None).as_deref(), Some("#/seats"), "{seats}");
        }
        for plan in ["", "1st", "-team", "té", "a b", "TEAM", &"x".repeat(41)] {
            assert_eq!(pointer(plan, 1, None).as_deref(), Some("#/plan"), "{plan:?}");
        }
        for currency in ["", "EU", "EURO", "E1R", "\u{20ac}"] {
            assert_eq!(
                pointer("team", 1, Some(currency)).as_deref(),
                Some("#/currency"),
                "{currency:?}"
            );
        }
        assert_eq!(pointer("team-2_x", 1, Some("EUR")), None);
        assert_eq!(pointer(&"x".repeat(40), 10_000, None), None);
    }

    #[test]
    fn what_is_not_on_sale_is_refused_with_what_is() {
        let told = |plan, interval, currency| on_sale(&draft(plan, interval, currency), &plans()).unwrap_err();
        for plan in ["gold", "classic"] {
            let wrong = told(plan, "month", None);
            assert_eq!(wrong.pointer, "#/plan");
            assert!(
                wrong.detail.ends_with("order one of free, team, weekly"),
                "{}",
                wrong.detail
            );
        }
        let wrong = told("weekly", "year", None);
        assert_eq!(
            (
                wrong.pointer.as_str(),
                wrong.detail.ends_with("order by the month in EUR")
            ),
            ("#/interval", true)
        );
        let wrong = told("team", "year", Some("USD"));
        assert_eq!(wrong.pointer, "#/currency");
        assert!(
            wrong.detail.contains("month in EUR, year in EUR, month in USD"),
            "{}",
            wrong.detail
        );
    }

    #[test]
    fn what_is_on_sale_is_accepted_and_before_anything_was_published_everything_is() {
        for (plan, interval, currency) in [
            ("team", "month", None),
            ("team", "month", Some("USD")),
            ("free", "year", Some("JPY")),
        ] {
            assert_eq!(on_sale(&draft(plan, interval, currency), &plans()), Ok(()));
        }
        assert_eq!(on_sale(&draft("gold", "month", Some("XAU")), &[]), Ok(()));
    }
}
