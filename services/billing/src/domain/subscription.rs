//! A subscription: one for each account, from its registration on, free until something is ordered.

use chassis::Problem;
use contracts::{
    Timestamp,
    billing::{PlanLimits, SubscriptionSnapshot},
    id::{SubscriptionId, UserId},
};

use super::{
    catalogue::{Catalogue, FREE, Plan},
    money::Currency,
    period::{Interval, boundary},
};

/// How a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// In its free time.
    Trialing,
    /// Paid, or without price.
    Active,
    /// A renewal was not paid; it is tried again.
    PastDue,
    /// The account is closed.
    Cancelled,
}

impl Status {
    /// The name in answers, events and the database.
    pub const fn name(self) -> &'static str {
        match self {
            Status::Trialing => "trialing",
            Status::Active => "active",
            Status::PastDue => "past_due",
            Status::Cancelled => "cancelled",
        }
    }
}

impl std::str::FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Status::Trialing, Status::Active, Status::PastDue, Status::Cancelled]
            .into_iter()
            .find(|status| status.name() == text)
            .ok_or_else(|| format!("unknown status of a subscription: {text}"))
    }
}

/// What happened to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The account began.
    Started,
    /// A trial began.
    TrialStarted,
    /// A paid plan began, or a trial turned into one.
    Activated,
    /// Another plan or interval.
    PlanChanged,
    /// More or fewer seats.
    SeatsChanged,
    /// The catalogue changed what the plan allows.
    LimitsChanged,
    /// A new period began.
    Renewed,
    /// It ends with the period.
    CancelScheduled,
    /// It does not end after all.
    Reactivated,
    /// A renewal was not paid.
    PastDue,
    /// The renewal is paid after all.
    Recovered,
    /// Back to free, because a renewal was never paid.
    Downgraded,
    /// Back to free, or closed, because its owner wants it.
    Ended,
}

impl Change {
    /// The name in events.
    pub const fn name(self) -> &'static str {
        match self {
            Change::Started => "started",
            Change::TrialStarted => "trial_started",
            Change::Activated => "activated",
            Change::PlanChanged => "plan_changed",
            Change::SeatsChanged => "seats_changed",
            Change::LimitsChanged => "limits_changed",
            Change::Renewed => "renewed",
            Change::CancelScheduled => "cancel_scheduled",
            Change::Reactivated => "reactivated",
            Change::PastDue => "past_due",
            Change::Recovered => "recovered",
            Change::Downgraded => "downgraded",
            Change::Ended => "ended",
        }
    }
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Which.
    pub id: SubscriptionId,
    /// The account.
    pub user: UserId,
    /// The plan in force.
    pub plan: String,
    /// How it stands.
    pub status: Status,
    /// How many seats.
    pub seats: u32,
    /// How long is paid for at a time.
    pub interval: Interval,
    /// In what.
    pub currency: Currency,
    /// What a seat costs an interval, as ordered or last renewed: a new price holds from the next renewal on.
    pub seat_price: i64,
    /// What it allows.
    pub limits: PlanLimits,
    /// From when periods are counted.
    pub anchor: Timestamp,
    /// The number of the present period.
    pub period: i64,
    /// When the present period began.
    pub period_start: Timestamp,
    /// When it ends; never without a price.
    pub period_end: Option<Timestamp>,
    /// Whether the subscription ends with it.
    pub cancel_at_period_end: bool,
    /// Since when a renewal is not paid.
    pub past_due_since: Option<Timestamp>,
    /// Rises with each change.
    pub version: i64,
}

impl Subscription {
    /// What an account has from its beginning.
    pub fn start(user: UserId, catalogue: &Catalogue, now: Timestamp) -> Self {
        Self {
            id: SubscriptionId::new(),
            user,
            plan: FREE.to_owned(),
            status: Status::Active,
            seats: 1,
            interval: Interval::Month,
            currency: catalogue.currency,
            seat_price: 0,
            limits: catalogue.free.limits,
            anchor: now,
            period: 0,
            period_start: now,
            period_end: None,
            cancel_at_period_end: false,
            past_due_since: None,
            version: 0,
        }
    }

    /// Whether it costs nothing.
    pub fn is_free(&self) -> bool {
        self.plan == FREE
    }

    /// What a period costs, without tax. An amount too large for an invoice is never subscribed to.
    pub fn period_price(&self) -> i64 {
        self.seat_price.saturating_mul(i64::from(self.seats))
    }

    /// What it brings a month, rounded down.
    pub fn monthly_revenue(&self) -> i64 {
        match self.status {
            Status::Active | Status::PastDue => self.period_price() / self.interval.months(),
            Status::Trialing | Status::Cancelled => 0,
        }
    }

    /// It costs nothing from now on.
    pub fn end(&mut self, free: &Plan, now: Timestamp) {
        self.plan = FREE.to_owned();
        self.status = Status::Active;
        self.seats = 1;
        self.seat_price = 0;
        self.limits = free.limits;
        (self.anchor, self.period, self.period_start, self.period_end) = (now, 0, now, None);
        self.cancel_at_period_end = false;
        self.past_due_since = None;
    }

    /// Begins a first period at `now`.
    pub fn begin_period(&mut self, now: Timestamp) {
        (self.anchor, self.period, self.period_start) = (now, 0, now);
        self.period_end = Some(boundary(now, self.interval, 1));
    }

    /// Goes on to the next period, at the prices and limits of `catalogue`. A plan that it does not have any more goes on
    /// as it was sold. Answers whether this ends a trial.
    pub fn renew(&mut self, catalogue: &Catalogue) -> bool {
        let was_trial = self.status == Status::Trialing;
        let start = self.period_end.unwrap_or(self.period_start);
        if was_trial {
            self.begin_period(start);
        } else {
            self.period += 1;
            self.period_start = start;
            self.period_end = Some(boundary(self.anchor, self.interval, self.period + 1));
        }
        self.status = Status::Active;
        if let Some(plan) = catalogue.plan(&self.plan) {
            self.limits = plan.limits;
            if let Some(price) = plan.price(self.interval, self.currency) {
                self.seat_price = price;
            }
        }
        was_trial
    }

    /// As others hear of it.
    pub fn snapshot(&self) -> SubscriptionSnapshot {
        SubscriptionSnapshot {
            subscription_id: self.id,
            user_id: self.user,
            plan: self.plan.clone(),
            status: self.status.name().to_owned(),
            seats: self.seats,
            interval: self.interval.name().to_owned(),
            limits: self.limits,
            mrr_minor: self.monthly_revenue(),
            currency: self.currency.code().to_owned(),
            period_end: self.period_end,
            cancel_at_period_end: self.cancel_at_period_end,
            version: self.version,
        }
    }
}

/// Why a subscription is not shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum SubscriptionError {
    /// The account has not been heard of yet.
    #[error("this account has no subscription yet; it gets one within moments of its registration")]
    NotFound,
    /// There is nothing to cancel.
    #[error("the plan is free: there is nothing to cancel")]
    NothingToCancel,
    /// There is nothing to reactivate.
    #[error("the subscription is not about to end; order a plan to begin one")]
    NothingToReactivate,
    /// The client changed an older version.
    #[error("somebody changed it in the meantime")]
    Stale(Problem),
    /// The database failed.
    #[error("reading or storing the subscription")]
    Store(#[from] sea_orm::DbErr),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(plan: &str, interval: Interval) -> (Catalogue, Subscription) {
        let catalogue = Catalogue::parse(super::super::catalogue::EMBEDDED).unwrap();
        let now = "2027-01-31T10:00:00Z".parse().unwrap();
        let mut subscription = Subscription::start(UserId::new(), &catalogue, now);
        subscription.plan = plan.to_owned();
        (subscription.seats, subscription.interval, subscription.seat_price) = (3, interval, 700);
        subscription.begin_period(now);
        (catalogue, subscription)
    }

    #[test]
    fn a_renewal_takes_the_price_of_today_and_keeps_the_day_of_the_month() {
        let (catalogue, mut subscription) = subscription("team", Interval::Month);
        assert_eq!(subscription.period_price(), 2100, "the price it was sold at");
        assert!(!subscription.renew(&catalogue));
        assert_eq!(subscription.period_price(), 2700);
        subscription.renew(&catalogue);
        assert_eq!(subscription.period_start.to_string(), "2027-03-31T10:00:00Z");
    }

    #[test]
    fn a_plan_that_is_gone_goes_on_as_it_was_sold() {
        let (catalogue, mut subscription) = subscription("pioneer", Interval::Month);
        subscription.renew(&catalogue);
        assert_eq!(
            (subscription.period_price(), subscription.plan.as_str()),
            (2100, "pioneer")
        );
    }

    #[test]
    fn a_year_brings_a_twelfth_of_itself_a_month_and_a_trial_nothing() {
        let (_, mut subscription) = subscription("team", Interval::Year);
        assert_eq!(subscription.monthly_revenue(), 175);
        subscription.status = Status::Trialing;
        assert_eq!(subscription.monthly_revenue(), 0);
    }
}
