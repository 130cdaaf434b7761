//! The whole hub's figures, for admins.

use std::collections::BTreeMap;

use chassis::{Clock, Problem};
use contracts::Timestamp;
use database::Db;
use identity::Bearer;
use poem::web::Accept;
use poem_openapi::{Object, OpenApi, param::Query};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};

use super::{
    Tag,
    rendered::Rendered,
    series::{Cell, Point, Series, columns},
};
use crate::{
    domain::{
        activity::{self, ActiveUsers},
        business::{self, Money, Revenue, Subscribed},
        calendar::{Asked, Range, Span, bucket_of},
        figures::FiguresError,
        statistics::bounded,
    },
    store,
};

/// Operations on the hub's figures.
pub struct BusinessApi {
    /// The service's database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
}

/// An amount of money.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct Amount {
    /// ISO 4217.
    pub currency: String,
    /// In minor units.
    pub amount_minor: i64,
}

/// The hub in a bucket. In a table, amounts have a column for each currency.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct Business {
    /// First day of the bucket.
    pub date: String,
    /// Its first moment.
    pub from: String,
    /// The first moment after it.
    pub to: String,
    /// Accounts that were opened.
    pub sign_ups: u64,
    /// People who did something in the last day of it.
    pub active_day: u64,
    /// People who did something in its last 7 days.
    pub active_week: u64,
    /// People who did something in its last 30 days.
    pub active_month: u64,
    /// Monthly recurring revenue at its end, without tax.
    pub mrr: Vec<Amount>,
    /// Subscriptions that paid at its end.
    pub paying_subscriptions: u64,
    /// Subscriptions that began to pay.
    pub won_subscriptions: u64,
    /// Subscriptions that paid at its beginning and did not at its end.
    pub churned_subscriptions: u64,
    /// What those had brought a month.
    pub churned_mrr: Vec<Amount>,
    /// Events that happened.
    pub events: u64,
    /// From an event to its place in the figures, in milliseconds: half of them took no longer. Rounded up to one of a few
    /// bounds.
    pub delay_p50_ms: Option<u64>,
    /// What 95 % did not exceed.
    pub delay_p95_ms: Option<u64>,
    /// What 99 % did not exceed.
    pub delay_p99_ms: Option<u64>,
}

impl Point for Business {
    fn columns(&self) -> Vec<String> {
        let mut names = columns(&["sign_ups", "active_day", "active_week", "active_month"]);
        names.extend(self.mrr.iter().map(|amount| format!("mrr_minor_{}", amount.currency)));
        names.extend(["paying_subscriptions", "won_subscriptions", "churned_subscriptions"].map(str::to_owned));
        names.extend(
            self.churned_mrr
                .iter()
                .map(|amount| format!("churned_mrr_minor_{}", amount.currency)),
        );
        names.extend(["events", "delay_p50_ms", "delay_p95_ms", "delay_p99_ms"].map(str::to_owned));
        names
    }

    fn cells(&self) -> Vec<String> {
        let number = |value: u64| value.to_string();
        let money = |amounts: &[Amount]| {
            amounts
                .iter()
                .map(|one| one.amount_minor.to_string())
                .collect::<Vec<_>>()
        };
        let mut cells = vec![self.date.clone(), self.from.clone(), self.to.clone()];
        cells.extend([self.sign_ups, self.active_day, self.active_week, self.active_month].map(number));
        cells.extend(money(&self.mrr));
        cells.extend(
            [
                self.paying_subscriptions,
                self.won_subscriptions,
                self.churned_subscriptions,
            ]
            .map(number),
        );
        cells.extend(money(&self.churned_mrr));
        cells.push(number(self.events));
        cells.extend([self.delay_p50_ms, self.delay_p95_ms, self.delay_p99_ms].map(|delay| delay.cell()));
        cells
    }
}

fn amounts(money: &Money) -> Vec<Amount> {
    let one = |(currency, amount_minor): (&String, &i64)| Amount {
        currency: currency.clone(),
        amount_minor: *amount_minor,
    };
    money.iter().map(one).collect()
}

/// What a range's figures are made of.
struct Looked {
    sign_ups: Vec<Timestamp>,
    subscriptions: Vec<Subscribed>,
    volume: Vec<(Timestamp, u64)>,
    delays: Vec<(Timestamp, u64, u64)>,
}

/// The figures of one bucket.
struct Figures {
    sign_ups: u64,
    active: ActiveUsers,
    revenue: Revenue,
    events: u64,
    /// Events by the upper bound of their delay.
    delays: BTreeMap<u64, u64>,
}

impl BusinessApi {
    async fn look(&self, range: &Range) -> Result<Looked, DbErr> {
        let (db, from, to) = (self.db.read(), range.whole.from, range.whole.to);
        Ok(Looked {
            sign_ups: store::business::sign_ups(db, from, to).await?,
            subscriptions: store::business::subscriptions(db, to).await?,
            volume: store::business::volume(db, from, to).await?,
            delays: store::business::delays(db, from, to).await?,
        })
    }
}

impl Looked {
    fn figures(&self, spans: &[Span], active: &[ActiveUsers], now: Timestamp) -> Vec<Figures> {
        let mut figures: Vec<Figures> = business::revenue(&self.subscriptions, spans, now)
            .into_iter()
            .zip(active)
            .map(|(revenue, active)| Figures {
                sign_ups: 0,
                active: *active,
                revenue,
                events: 0,
                delays: BTreeMap::new(),
            })
            .collect();
        let bucket = |moment: &Timestamp| bucket_of(spans, *moment);
        for index in self.sign_ups.iter().filter_map(bucket) {
            figures[index].sign_ups += 1;
        }
        for (slot, count) in &self.volume {
            bucket(slot)
                .into_iter()
                .for_each(|index| figures[index].events += count);
        }
        for (slot, bound, count) in &self.delays {
            if let Some(index) = bucket(slot) {
                *figures[index].delays.entry(*bound).or_default() += count;
            }
        }
        figures
    }
}

#[OpenApi]
impl BusinessApi {
    /// Tell how the hub is doing: sign-ups, active people, revenue, churn, events.
    #[oai(
        path = "/v1/analytics/business",
        method = "get",
        operation_id = "getBusiness",
        tag = "Tag::Analytics"
    )]
    async fn business(
        &self,
        _caller: Bearer,
        accept: Accept,
        /// First day (`2026-03-01`, in the time zone) or a time; 30 buckets before the end without it.
        from: Query<Option<String>>,
        /// Last day, or the first time after the range; now without it. The range is widened to whole buckets, 400 at most.
        to: Query<Option<String>>,
        /// `day` or `week` (from Monday); a day without it.
        bucket: Query<Option<String>>,
        /// Time zone of days and weeks, by its IANA name; UTC without it.
        tz: Query<Option<String>>,
    ) -> Result<Rendered<Series<Business>>, Problem> {
        let now = self.clock.now();
        let asked = Asked {
            from: from.0.as_deref(),
            to: to.0.as_deref(),
            bucket: bucket.0.as_deref(),
            tz: tz.0.as_deref(),
        };
        let range = Range::parse(asked, now).map_err(FiguresError::Range)?;
        let looked = self.look(&range).await.map_err(FiguresError::from)?;
        let earliest = activity::earliest(&range, now);
        let seen = store::activity::seen(self.db.read(), earliest, range.whole.to)
            .await
            .map_err(FiguresError::from)?;
        let figures = |spans: &[Span]| {
            let part = Range {
                spans: spans.to_vec(),
                ..range.clone()
            };
            looked.figures(spans, &activity::active_users(&seen, &part, now), now)
        };
        let point = |span: &Span, figures: Figures| {
            let delays: Vec<(u64, u64)> = figures.delays.into_iter().collect();
            let [delay_p50_ms, delay_p95_ms, delay_p99_ms] = bounded(&delays, [50, 95, 99]);
            Business {
                date: span.date.to_string(),
                from: span.from.to_string(),
                to: span.to.to_string(),
                sign_ups: figures.sign_ups,
                active_day: figures.active.day,
                active_week: figures.active.week,
                active_month: figures.active.month,
                mrr: amounts(&figures.revenue.mrr),
                paying_subscriptions: figures.revenue.paying,
                won_subscriptions: figures.revenue.won,
                churned_subscriptions: figures.revenue.churned,
                churned_mrr: amounts(&figures.revenue.churned_mrr),
                events: figures.events,
                delay_p50_ms,
                delay_p95_ms,
                delay_p99_ms,
            }
        };
        let series = Series::of(&range, now, |window| figures(window.spans), point);
        let series = series.ok_or(FiguresError::Range(Vec::new()))?;
        Ok(Rendered::new(series, &accept))
    }
}
