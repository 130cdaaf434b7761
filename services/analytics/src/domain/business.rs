//! What the hub earns: recurring revenue and churn, made of the subscriptions' histories.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{Timestamp, id::SubscriptionId};

use super::calendar::Span;

/// A subscription in one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribed {
    /// Which.
    pub subscription: SubscriptionId,
    /// Version of it.
    pub version: i64,
    /// Since when.
    pub at: Timestamp,
    /// What it brings a month, in minor units of `currency`.
    pub mrr_minor: i64,
    /// ISO 4217.
    pub currency: String,
}

/// Money by currency, in minor units.
pub type Money = BTreeMap<String, i64>;

/// Revenue of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Revenue {
    /// Monthly recurring revenue at its end.
    pub mrr: Money,
    /// Paying subscriptions at its end.
    pub paying: u64,
    /// Subscriptions that began to pay in it.
    pub won: u64,
    /// Subscriptions that paid and no longer do.
    pub churned: u64,
    /// What those had brought a month.
    pub churned_mrr: Money,
}

/// Revenue bucket by bucket; `history` is in order of subscription and version.
pub fn revenue(history: &[Subscribed], spans: &[Span], now: Timestamp) -> Vec<Revenue> {
    let currencies: BTreeSet<&str> = history.iter().map(|state| state.currency.as_str()).collect();
    let zero: Money = currencies.iter().map(|currency| ((*currency).to_owned(), 0)).collect();
    let empty = Revenue {
        mrr: zero.clone(),
        churned_mrr: zero,
        ..Revenue::default()
    };
    let mut figures = vec![empty; spans.len()];
    for states in history.chunk_by(|one, next| one.subscription == next.subscription) {
        let mut earliest = Timestamp::from_micros(i64::MIN);
        // Versions give the order: a clock that lags must not turn it round.
        let states: Vec<(Timestamp, &Subscribed)> = states
            .iter()
            .map(|state| {
                earliest = earliest.max(state.at);
                (earliest, state)
            })
            .collect();
        for (span, figure) in spans.iter().zip(&mut figures) {
            let at = |moment: Timestamp| {
                let known = states.partition_point(|(at, _)| *at < moment);
                known.checked_sub(1).map(|last| states[last].1)
            };
            let (before, after) = (at(span.from), at(span.end(now)));
            let paid = before.map_or(0, |state| state.mrr_minor);
            let pays = after.map_or(0, |state| state.mrr_minor);
            if let Some(after) = after {
                *figure.mrr.entry(after.currency.clone()).or_default() += pays;
            }
            figure.paying += u64::from(pays > 0);
            figure.won += u64::from(paid == 0 && pays > 0);
            if let Some(before) = before.filter(|_| paid > 0 && pays == 0) {
                figure.churned += 1;
                *figure.churned_mrr.entry(before.currency.clone()).or_default() += paid;
            }
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{Asked, Range};

    #[test]
    fn revenue_follows_the_versions_and_churn_is_counted_in_the_bucket_it_happens_in() {
        let now: Timestamp = "2026-03-20T00:00:00Z".parse().unwrap();
        let asked = Asked {
            from: Some("2026-03-01"),
            to: Some("2026-03-04"),
            ..Asked::default()
        };
        let range = Range::parse(asked, now).unwrap();
        let (a, b) = (SubscriptionId::new(), SubscriptionId::new());
        let state = |subscription, version, at: &str, mrr_minor, currency: &str| Subscribed {
            subscription,
            version,
            at: at.parse().unwrap(),
            mrr_minor,
            currency: currency.to_owned(),
        };
        let history = [
            state(a, 1, "2026-02-10T00:00:00Z", 1000, "EUR"),
            state(a, 2, "2026-03-02T10:00:00Z", 3000, "EUR"),
            // This one's machine lags: it counts from the version before it on.
            state(a, 3, "2026-03-02T09:00:00Z", 2500, "EUR"),
            state(a, 4, "2026-03-04T00:00:00Z", 0, "EUR"),
            state(b, 1, "2026-03-03T00:00:00Z", 700, "USD"),
        ];
        let figures = revenue(&history, &range.spans, now);
        let euros: Vec<i64> = figures.iter().map(|figure| figure.mrr["EUR"]).collect();
        let dollars: Vec<i64> = figures.iter().map(|figure| figure.mrr["USD"]).collect();
        assert_eq!((euros, dollars), (vec![1000, 2500, 2500, 0], vec![0, 0, 700, 700]));
        let churned: Vec<(u64, i64)> = figures
            .iter()
            .map(|figure| (figure.churned, figure.churned_mrr["EUR"]))
            .collect();
        assert_eq!(churned, [(0, 0), (0, 0), (0, 0), (1, 2500)]);
        let won: Vec<u64> = figures.iter().map(|figure| figure.won).collect();
        assert_eq!(won, [0, 0, 1, 0]);
    }
}
