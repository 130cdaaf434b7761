//! What an order costs, given what the account has: a trial, a new subscription, or a change in the middle of a period.
//!
//! A change within a period takes back the unused time of the old seats and charges the rest of the period for the new
//! ones. Both are cut from a whole period's price by the microsecond, the used part and the unused part always adding up to
//! the whole, so nobody gets back more than they paid. The dearer plan is paid at once; a cheaper one leaves a credit.

use contracts::{Timestamp, billing::PlanLimits};
use serde::{Deserialize, Serialize};

use super::{
    catalogue::{Catalogue, FREE, Plan},
    invoice::Item,
    money::{self, Currency, LARGEST},
    order::{Reason, Refusal},
    period::{Interval, day},
    subscription::{Change, Status, Subscription},
};

/// What is ordered, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The plan's name.
    pub plan: String,
    /// How many seats.
    pub seats: u32,
    /// `month` or `year`.
    pub interval: String,
    /// ISO 4217; absent for the subscription's, or the catalogue's.
    pub currency: Option<String>,
}

/// From when the new seats are paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// A new period, from when the order is carried out.
    NewPeriod,
    /// The rest of the present period.
    SamePeriod,
    /// A trial of so many days.
    Trial(u32),
}

/// What a subscription becomes when the order is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The plan.
    pub plan: String,
    /// How many seats.
    pub seats: u32,
    /// How long is paid for at a time.
    pub interval: Interval,
    /// In what.
    pub currency: Currency,
    /// What a seat costs an interval.
    pub seat_price: i64,
    /// What it allows.
    pub limits: PlanLimits,
    /// From when.
    pub start: Start,
}

/// What an order comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quote {
    /// The account has just that; an end that was scheduled is called off.
    Same,
    /// Back to free with the end of the period.
    EndLater,
    /// Back to free at once, as nothing was paid.
    EndNow,
    /// Other terms, at what the items say; without items nothing is due.
    Switch {
        /// The new terms.
        terms: Terms,
        /// What is due.
        items: Vec<Item>,
    },
}

/// Prices an order.
///
/// # Errors
/// Why it cannot be carried out.
pub fn quote(
    current: &Subscription,
    wanted: &Wanted,
    catalogue: &Catalogue,
    trial_unused: bool,
    now: Timestamp,
) -> Result<Quote, Refusal> {
    if current.status == Status::Cancelled {
        return Err(Refusal::new(Reason::AccountClosed, "the account is closed"));
    }
    if current.status == Status::PastDue {
        let detail = "an invoice is not paid yet; pay it, or set another payment method, and order again";
        return Err(Refusal::new(Reason::InvoiceUnpaid, detail));
    }
    if wanted.plan == FREE {
        return Ok(match (current.is_free(), current.status) {
            (true, _) => Quote::Same,
            (false, Status::Trialing) => Quote::EndNow,
            (false, _) => Quote::EndLater,
        });
    }
    let (plan, interval, currency) = choose(current, wanted, catalogue)?;
    let same_plan = !current.is_free() && current.plan == plan.name && current.interval == interval;
    // The price it was sold at holds for further seats too, until the renewal.
    let seat_price = match plan.price(interval, currency) {
        _ if same_plan => current.seat_price,
        Some(price) => price,
        None => {
            let detail = format!("{} is not sold in {currency} by {}", plan.title, interval.name());
            return Err(Refusal::new(Reason::CurrencyUnknown, detail));
        }
    };
    let price = seat_price
        .checked_mul(i64::from(wanted.seats))
        .filter(|price| *price <= LARGEST)
        .ok_or_else(too_large)?;
    if same_plan && current.seats == wanted.seats {
        return Ok(Quote::Same);
    }
    let terms = |start| Terms {
        plan: plan.name.clone(),
        seats: wanted.seats,
        interval,
        currency,
        seat_price,
        limits: plan.limits,
        start,
    };
    let what = |title: &str, seats: u32| format!("{title}, {seats} {}", if seats == 1 { "seat" } else { "seats" });
    let whole = Item {
        text: format!("{}, 1 {}", what(&plan.title, wanted.seats), interval.name()),
        net: price,
    };
    if current.is_free() && plan.trial_days > 0 && trial_unused {
        return Ok(Quote::Switch {
            terms: terms(Start::Trial(plan.trial_days)),
            items: Vec::new(),
        });
    }
    let Some(end) = current.period_end.filter(|_| !current.is_free()) else {
        return Ok(Quote::Switch {
            terms: terms(Start::NewPeriod),
            items: vec![whole],
        });
    };
    if current.status == Status::Trialing {
        return Ok(Quote::Switch {
            terms: terms(Start::SamePeriod),
            items: Vec::new(),
        });
    }
    let times = [micros(now, current.period_start), micros(end, now)];
    let unused = Item {
        text: format!(
            "Unused time of {} until {}",
            what(catalogue.title(&current.plan), current.seats),
            day(end)
        ),
        net: -rest(current.period_price(), times),
    };
    let (start, new) = if interval == current.interval {
        let text = format!("{}, {} to {}", what(&plan.title, wanted.seats), day(now), day(end));
        (
            Start::SamePeriod,
            Item {
                text,
                net: rest(price, times),
            },
        )
    } else {
        (Start::NewPeriod, whole)
    };
    Ok(Quote::Switch {
        terms: terms(start),
        items: vec![unused, new],
    })
}

fn choose<'a>(
    current: &Subscription,
    wanted: &Wanted,
    catalogue: &'a Catalogue,
) -> Result<(&'a Plan, Interval, Currency), Refusal> {
    if wanted.seats == 0 {
        return Err(Refusal::new(Reason::OrderInvalid, "order at least one seat"));
    }
    let interval = wanted
        .interval
        .parse()
        .map_err(|error| Refusal::new(Reason::OrderInvalid, format!("interval: {error}")))?;
    let plan = catalogue.plan(&wanted.plan).ok_or_else(|| {
        let detail = format!("there is no plan {:?}; GET /v1/plans lists them", short(&wanted.plan));
        Refusal::new(Reason::PlanUnknown, detail)
    })?;
    if !plan.orderable && current.plan != plan.name {
        let detail = format!("{} is not sold any more; GET /v1/plans lists what is", plan.title);
        return Err(Refusal::new(Reason::PlanWithdrawn, detail));
    }
    let usual = if current.is_free() {
        catalogue.currency
    } else {
        current.currency
    };
    let currency = match &wanted.currency {
        None => usual,
        Some(code) => code
            .parse()
            .ok()
            .filter(|currency| catalogue.sells_in(*currency))
            .ok_or_else(|| {
                let detail = format!(
                    "nothing is sold in {:?}; leave the currency out for {usual}",
                    short(code)
                );
                Refusal::new(Reason::CurrencyUnknown, detail)
            })?,
    };
    if !current.is_free() && currency != current.currency {
        let detail = format!(
            "the subscription is in {}; let it end before ordering in {currency}",
            current.currency
        );
        return Err(Refusal::new(Reason::CurrencyUnknown, detail));
    }
    Ok((plan, interval, currency))
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// More than an invoice can be about.
pub fn too_large() -> Refusal {
    let detail =
        format!("the total would be more than {LARGEST} minor units; order fewer seats, or ask us for an offer");
    Refusal::new(Reason::AmountTooLarge, detail)
}

/// The part of `price` for the time that is left, of times that are used and left.
fn rest(price: i64, times: [u64; 2]) -> i64 {
    if times == [0, 0] {
        return price;
    }
    money::allocate(price, &times)[1]
}

fn micros(later: Timestamp, earlier: Timestamp) -> u64 {
    u64::try_from(later.since(earlier).as_micros()).unwrap_or(u64::MAX)
}

impl Terms {
    /// Puts the terms in force; answers what that is called.
    pub fn apply(&self, subscription: &mut Subscription, now: Timestamp) -> Change {
        let (was_free, same_plan) = (subscription.is_free(), subscription.plan == self.plan);
        let same_interval = subscription.interval == self.interval;
        subscription.plan.clone_from(&self.plan);
        (subscription.seats, subscription.interval) = (self.seats, self.interval);
        (subscription.currency, subscription.seat_price) = (self.currency, self.seat_price);
        subscription.limits = self.limits;
        subscription.cancel_at_period_end = false;
        match self.start {
            Start::SamePeriod => {}
            Start::NewPeriod => {
                subscription.status = Status::Active;
                subscription.begin_period(now);
            }
            Start::Trial(days) => {
                subscription.status = Status::Trialing;
                subscription.begin_period(now);
                subscription.period_end = Some(now + std::time::Duration::from_secs(u64::from(days) * 24 * 3600));
            }
        }
        match self.start {
            Start::Trial(_) => Change::TrialStarted,
            _ if was_free => Change::Activated,
            _ if same_plan && same_interval => Change::SeatsChanged,
            _ => Change::PlanChanged,
        }
    }
}

#[cfg(test)]
mod tests {
    use contracts::id::UserId;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::domain::catalogue::EMBEDDED;

    const START: &str = "2027-03-01T00:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn catalogue() -> Catalogue {
        Catalogue::parse(EMBEDDED).unwrap()
    }

    fn wanted(plan: &str, seats: u32, interval: &str) -> Wanted {
        Wanted {
            plan: plan.to_owned(),
            seats,
            interval: interval.to_owned(),
            currency: None,
        }
    }

    fn free() -> Subscription {
        Subscription::start(UserId::new(), &catalogue(), at(START))
    }

    fn having(plan: &str, seats: u32, interval: &str) -> Subscription {
        let mut subscription = free();
        let Quote::Switch { terms, .. } = quote(
            &subscription,
            &wanted(plan, seats, interval),
            &catalogue(),
            false,
            at(START),
        )
        .unwrap() else {
            panic!("a subscription begins")
        };
        assert_eq!(terms.apply(&mut subscription, at(START)), Change::Activated);
        subscription
    }

    fn due(current: &Subscription, wanted: &Wanted, now: &str) -> (Terms, Vec<i64>) {
        match quote(current, wanted, &catalogue(), true, at(now)).unwrap() {
            Quote::Switch { terms, items } => (terms, items.iter().map(|item| item.net).collect()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_first_order_costs_a_whole_interval() {
        let (terms, items) = due(&free(), &wanted("team", 3, "year"), START);
        assert_eq!((terms.start, items), (Start::NewPeriod, vec![27_000]));
    }

    #[test]
    fn a_plan_with_a_trial_costs_nothing_the_first_time_and_its_price_the_second() {
        let (terms, items) = due(&free(), &wanted("business", 1, "month"), START);
        assert_eq!((terms.start, items), (Start::Trial(14), vec![]));
        let second = quote(&free(), &wanted("business", 1, "month"), &catalogue(), false, at(START)).unwrap();
        assert!(matches!(second, Quote::Switch { items, .. } if items[0].net == 1900));
    }

    #[test]
    fn more_seats_in_the_middle_of_a_month_cost_half_a_month() {
        // March has 31 days; its middle is noon of the 16th.
        let (terms, items) = due(
            &having("team", 2, "month"),
            &wanted("team", 5, "month"),
            "2027-03-16T12:00:00Z",
        );
        assert_eq!((terms.start, items), (Start::SamePeriod, vec![-900, 2250]));
    }

    #[test]
    fn another_interval_begins_a_new_period_and_takes_back_what_is_left_of_the_old() {
        let (terms, items) = due(
            &having("team", 2, "month"),
            &wanted("team", 2, "year"),
            "2027-03-16T12:00:00Z",
        );
        assert_eq!((terms.start, items), (Start::NewPeriod, vec![-900, 18_000]));
    }

    #[test]
    fn the_price_it_was_sold_at_holds_for_further_seats() {
        let mut old = having("team", 2, "month");
        old.seat_price = 500;
        let (terms, items) = due(&old, &wanted("team", 4, "month"), START);
        assert_eq!((terms.seat_price, items), (500, vec![-1000, 2000]));
    }

    #[test]
    fn going_back_to_free_waits_for_the_end_of_what_is_paid() {
        let of = |subscription: &Subscription| {
            quote(subscription, &wanted("free", 1, "month"), &catalogue(), true, at(START)).unwrap()
        };
        assert_eq!(of(&free()), Quote::Same);
        assert_eq!(of(&having("team", 1, "month")), Quote::EndLater);
        let mut trial = having("team", 1, "month");
        trial.status = Status::Trialing;
        assert_eq!(of(&trial), Quote::EndNow);
    }

    #[rstest]
    #[case("gold", 1, "month", None, Reason::PlanUnknown)]
    #[case("team", 0, "month", None, Reason::OrderInvalid)]
    #[case("team", 1, "week", None, Reason::OrderInvalid)]
    #[case("team", 1, "month", Some("XYZ"), Reason::CurrencyUnknown)]
    #[case("team", 1, "month", Some("🪙"), Reason::CurrencyUnknown)]
    #[case("team", 111_112, "month", None, Reason::AmountTooLarge)]
    #[case("team", u32::MAX, "year", None, Reason::AmountTooLarge)]
    fn what_cannot_be_sold_is_refused_with_its_reason(
        #[case] plan: &str,
        #[case] seats: u32,
        #[case] interval: &str,
        #[case] currency: Option<&str>,
        #[case] reason: Reason,
    ) {
        let mut wanted = wanted(plan, seats, interval);
        wanted.currency = currency.map(str::to_owned);
        let refusal = quote(&free(), &wanted, &catalogue(), true, at(START)).unwrap_err();
        assert_eq!(refusal.reason, reason);
    }

    #[test]
    fn a_withdrawn_plan_is_sold_to_nobody_but_those_who_have_it() {
        let mut withdrawn = catalogue();
        withdrawn.plans[1].orderable = false;
        let order = |current: &Subscription| quote(current, &wanted("team", 9, "month"), &withdrawn, true, at(START));
        assert_eq!(order(&free()).unwrap_err().reason, Reason::PlanWithdrawn);
        assert!(order(&having("team", 2, "month")).is_ok());
    }

    #[test]
    fn another_currency_has_to_wait_for_the_end_of_the_subscription() {
        let mut wanted = wanted("team", 1, "month");
        wanted.currency = Some("USD".to_owned());
        assert!(quote(&free(), &wanted, &catalogue(), true, at(START)).is_ok());
        let refusal = quote(&having("team", 1, "month"), &wanted, &catalogue(), true, at(START)).unwrap_err();
        assert_eq!(refusal.reason, Reason::CurrencyUnknown);
    }

    proptest! {
        #[test]
        fn a_change_never_takes_back_more_than_was_paid_nor_charges_more_than_a_period(
            old in 1_u32..2_000, new in 1_u32..2_000, plan in prop::sample::select(vec!["team", "business"]),
            second in 0_u64..31 * 24 * 3600,
        ) {
            let current = having("team", old, "month");
            let now = at(START) + std::time::Duration::from_secs(second);
            let order = wanted(plan, new, "month");
            if let Quote::Switch { terms, items } = quote(&current, &order, &catalogue(), false, now).unwrap() {
                let (back, charged) = (-items[0].net, items[1].net);
                prop_assert!((0..=current.period_price()).contains(&back));
                prop_assert!((0..=terms.seat_price * i64::from(new)).contains(&charged));
                if terms.seat_price * i64::from(new) >= current.period_price() {
                    prop_assert!(charged >= back, "more of it never leaves a credit");
                }
            }
        }
    }
}
