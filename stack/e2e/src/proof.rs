//! What must hold after every outage: each accepted write is there, and each had each of its effects exactly once.
//!
//! The effects are looked at where they end up: tasks in the project's list, notifications in Bob's inbox, usage at
//! billing, the figures of analytics; orders with their invoices and charges, and the numbers of all invoices. Counting
//! begins when they have come; what is counted is what there is when no event waits anywhere any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures_util::future::join_all;
use serde_json::Value;

use crate::{
    hub::{Ask, Hub},
    load::Accepted,
    report::{Counts, Tally},
    swarm::Stack,
    team::{Person, Team, text},
};

/// How long effects may take to come.
const PATIENCE: Duration = Duration::from_secs(240);
/// Services that hear events.
pub(crate) const SERVICES: [&str; 6] = [
    "gateway-service",
    "auth-service",
    "project-service",
    "billing-service",
    "notification-service",
    "analytics-service",
];

/// Looks at everything from outside.
pub(crate) struct Witness<'a> {
    pub(crate) hub: &'a Hub,
    pub(crate) stack: &'a Stack,
    pub(crate) admin: &'a Person,
}

impl Witness<'_> {
    /// Waits for the effects of what was accepted, and counts them.
    ///
    /// # Errors
    /// When they cannot be counted. That they are not as they should be is in the counts.
    pub(crate) async fn count(&self, team: &Team, accepted: &Accepted) -> anyhow::Result<Counts> {
        let begun = Instant::now();
        // Counted twice at least: an effect that comes a second time comes late. And until all are there: a charge whose
        // replica died with it is taken over when its lease ends, a minute later.
        let mut before = Counts::default();
        loop {
            let quiet = self.no_event_waits().await;
            let counts = self.look(team, accepted).await?;
            let last = quiet && counts.same(&before) && (counts.exact() || counts.too_many());
            if last || begun.elapsed() > PATIENCE {
                return Ok(Counts {
                    quiet_after: begun.elapsed(),
                    ..counts
                });
            }
            before = counts;
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }

    /// Whether every service has taken all events in. A service without a replica has not.
    async fn no_event_waits(&self) -> bool {
        let asked = SERVICES.map(|service| self.stack.operate(service, &["events", "lag"]));
        let said = join_all(asked).await;
        said.iter()
            .all(|said| matches!(said, Ok(said) if said.lines().last() == Some("total 0")))
    }

    async fn look(&self, team: &Team, accepted: &Accepted) -> anyhow::Result<Counts> {
        let Team {
            ada,
            bob,
            buyers,
            project,
        } = team;
        let wanted: BTreeSet<&str> = accepted.tasks.iter().map(String::as_str).collect();
        let mut counts = Counts {
            tasks: accepted.tasks.len(),
            ..Counts::default()
        };
        ensure!(
            wanted.len() == accepted.tasks.len(),
            "two requests were answered with one task"
        );
        let listed = self
            .hub
            .all(&format!("/v1/projects/{project}/tasks"), &bob.token)
            .await?;
        counts.listed = tally(&wanted, listed.iter().filter_map(|task| task["id"].as_str()));
        let inbox = self.hub.all("/v1/notifications", &bob.token).await?;
        let assigned = inbox.iter().filter(|item| item["type"] == "task_assigned");
        counts.notified = tally(&wanted, assigned.filter_map(|item| item["task_id"].as_str()));
        let usage = self.hub.call(&Ask::get("/v1/usage", &ada.token)).await?;
        let meters = usage["meters"].as_array().context("usage has meters")?;
        let meter = meters.iter().find(|meter| meter["meter"] == "tasks");
        counts.metered = number(
            wanted.len(),
            meter.and_then(|meter| meter["used"].as_u64()).unwrap_or(0),
        );
        let path = format!("/v1/analytics/projects/{project}/throughput");
        let figures = self.hub.once(&Ask::get(path, &ada.token)).await.unwrap_or_default();
        counts.figured = number(wanted.len(), figures["whole"]["created"].as_u64().unwrap_or(0));
        for (buyer, orders) in buyers.iter().zip(&accepted.orders) {
            self.look_at_orders(buyer, orders, &mut counts).await?;
        }
        counts.gaps = self.gaps().await?;
        for told in &accepted.streams {
            counts.streamed += told.tally;
            counts.resumed += told.resumed;
        }
        Ok(counts)
    }

    async fn look_at_orders(&self, buyer: &Person, orders: &[String], counts: &mut Counts) -> anyhow::Result<()> {
        counts.orders += orders.len();
        let wanted: BTreeSet<&str> = orders.iter().map(String::as_str).collect();
        ensure!(
            wanted.len() == orders.len(),
            "two requests were answered with one order"
        );
        let kept = self.hub.all("/v1/orders", &buyer.token).await?;
        let completed = kept.iter().filter(|order| order["status"] == "completed");
        counts.completed += tally(&wanted, completed.filter_map(|order| order["id"].as_str()));
        let invoices = self.hub.all("/v1/invoices", &buyer.token).await?;
        let paid: Vec<&Value> = invoices.iter().filter(|invoice| invoice["status"] == "paid").collect();
        counts.invoiced += tally(&wanted, paid.iter().filter_map(|invoice| invoice["order_id"].as_str()));
        let path = format!("/v1/events?type=payment.succeeded.v1&subject={}", buyer.id);
        let charges = self.hub.all(&path, &self.admin.token).await?;
        let bills: BTreeSet<&str> = paid.iter().filter_map(|invoice| invoice["id"].as_str()).collect();
        let charged = charges.iter().filter_map(|event| event["data"]["invoice_id"].as_str());
        counts.charged += tally(&bills, charged);
        Ok(())
    }

    /// How many numbers of invoices are missing or given twice, of all that were ever issued here.
    async fn gaps(&self) -> anyhow::Result<usize> {
        let events = self
            .hub
            .all("/v1/events?type=invoice.issued.v1", &self.admin.token)
            .await?;
        let numbers = events.iter().map(|event| text(&event["data"], "number"));
        gaps(&numbers.collect::<anyhow::Result<Vec<_>>>()?)
    }
}

/// How many of the numbers are not where they belong in their series: 1, 2, 3, …
fn gaps(numbers: &[String]) -> anyhow::Result<usize> {
    let mut series: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for number in numbers {
        let (prefix, last) = number
            .rsplit_once('-')
            .with_context(|| format!("{number} has no series"))?;
        series.entry(prefix).or_default().push(last.parse()?);
    }
    let wrong = series.values_mut().map(|numbers| {
        numbers.sort_unstable();
        (1..)
            .zip(numbers.iter())
            .filter(|(wanted, number)| wanted != *number)
            .count()
    });
    Ok(wrong.sum())
}

/// Compares what there is with what was accepted.
pub(crate) fn tally<'a>(wanted: &BTreeSet<&str>, found: impl Iterator<Item = &'a str>) -> Tally {
    let mut tally = Tally::default();
    let mut seen = BTreeSet::new();
    for id in found {
        if wanted.contains(id) && seen.insert(id.to_owned()) {
            tally.once += 1;
        } else {
            tally.extra += 1;
        }
    }
    tally.missing = wanted.len() - tally.once;
    tally
}

/// The same for what comes as a number alone.
fn number(wanted: usize, found: u64) -> Tally {
    let found = usize::try_from(found).unwrap_or(usize::MAX);
    Tally {
        once: found.min(wanted),
        missing: wanted.saturating_sub(found),
        extra: found.saturating_sub(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_twice_or_unasked_is_told_apart() {
        let wanted = BTreeSet::from(["a", "b", "c"]);
        let exact = tally(&wanted, ["c", "a", "b"].into_iter());
        assert_eq!((exact.once, exact.missing, exact.extra), (3, 0, 0));
        let lost = tally(&wanted, ["a", "c"].into_iter());
        assert_eq!((lost.once, lost.missing, lost.extra), (2, 1, 0));
        let twice = tally(&wanted, ["a", "b", "c", "b"].into_iter());
        assert_eq!((twice.once, twice.missing, twice.extra), (3, 0, 1));
        let stranger = tally(&wanted, ["a", "b", "x"].into_iter());
        assert_eq!((stranger.once, stranger.missing, stranger.extra), (2, 1, 1));
        assert_eq!(number(3, 4).to_string(), "3 +1");
        assert_eq!(number(3, 1).to_string(), "1 -2");
    }

    #[test]
    fn a_number_that_is_missing_or_given_twice_is_a_gap() {
        let gaps =
            |numbers: &[&str]| gaps(&numbers.iter().map(|number| (*number).to_owned()).collect::<Vec<_>>()).unwrap();
        assert_eq!(gaps(&["CTH-2026-000002", "CTH-2026-000001", "CTH-2027-000001"]), 0);
        assert_eq!(gaps(&["CTH-2026-000001", "CTH-2026-000003"]), 1);
        assert_eq!(gaps(&["CTH-2026-000001", "CTH-2026-000001"]), 1);
    }

    #[test]
    fn an_effect_that_is_lost_or_comes_twice_is_not_exact() {
        let all = Tally {
            once: 1,
            ..Tally::default()
        };
        let whole = Counts {
            tasks: 1,
            listed: all,
            notified: all,
            metered: all,
            figured: all,
            orders: 1,
            completed: all,
            invoiced: all,
            charged: all,
            ..Counts::default()
        };
        assert!(whole.exact() && !whole.too_many());
        let mut lost = whole.clone();
        lost.notified.missing = 1;
        assert!(!lost.exact() && !lost.too_many());
        let mut twice = whole.clone();
        twice.charged.extra = 1;
        assert!(!twice.exact() && twice.too_many());
        let gap = Counts {
            gaps: 1,
            ..whole.clone()
        };
        assert!(!gap.exact());
        let idle = Counts { orders: 0, ..whole };
        assert!(
            !idle.exact(),
            "an outage in which nobody ordered proves nothing about orders"
        );
    }
}
