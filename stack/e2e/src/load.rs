//! What people do meanwhile: tasks, orders and reading, at a steady pace.
//!
//! A client that is not answered asks again with the same `Idempotency-Key` until it is, as clients should. So every write
//! comes to be accepted exactly once from its client's point of view, whatever became of the tries before, and the number of
//! tasks and orders that there must be afterwards is known exactly. Every try is counted.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::bail;
use futures_util::future::{join_all, try_join_all};
use serde_json::json;

use crate::{
    hub::{Ask, Hub},
    stream::{Stream, Told},
    team::{Person, Team, text},
};

const TASK_WRITERS: usize = 4;
const TASK_PACE: Duration = Duration::from_millis(150);
const ORDER_PACE: Duration = Duration::from_millis(1000);
const READ_PACE: Duration = Duration::from_millis(300);
const VIEW_PACE: Duration = Duration::from_millis(150);
/// How long one write may be tried in vain.
const ENDURANCE: Duration = Duration::from_secs(240);

/// Counts tries.
#[derive(Default)]
pub(crate) struct Meter {
    sent: AtomicU64,
    failed: AtomicU64,
    orders: AtomicU64,
    reasons: Mutex<BTreeMap<String, u64>>,
    /// How long each answer took, in microseconds, in the order they came.
    delays: Mutex<Vec<u32>>,
}

/// What was counted in a while.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    pub(crate) sent: u64,
    pub(crate) failed: u64,
    /// Orders that were accepted.
    pub(crate) orders: u64,
    /// Why requests failed, and how often.
    pub(crate) reasons: BTreeMap<String, u64>,
    /// Of answers, how many came.
    answered: usize,
}

impl Meter {
    /// All until now.
    pub(crate) fn read(&self) -> Reading {
        let reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        Reading {
            sent: self.sent.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            orders: self.orders.load(Ordering::Relaxed),
            reasons: reasons.clone(),
            answered: self.delays.lock().unwrap_or_else(PoisonError::into_inner).len(),
        }
    }

    /// The time within which 99 of 100 answers came, of those between two readings.
    pub(crate) fn p99(&self, from: &Reading, to: &Reading) -> Duration {
        let delays = self.delays.lock().unwrap_or_else(PoisonError::into_inner);
        let mut some = delays.get(from.answered..to.answered).unwrap_or_default().to_vec();
        some.sort_unstable();
        let place = (some.len() * 99).div_ceil(100).saturating_sub(1);
        Duration::from_micros(some.get(place).copied().unwrap_or(0).into())
    }

    async fn measure<T>(&self, asked: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        let begun = Instant::now();
        let answer = asked.await;
        let delay = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
        self.delays.lock().unwrap_or_else(PoisonError::into_inner).push(delay);
        self.count(&answer);
        answer
    }

    fn count<T>(&self, answer: &Result<T, String>) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        if let Err(why) = answer {
            self.failed.fetch_add(1, Ordering::Relaxed);
            let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
            *reasons.entry(why.clone()).or_default() += 1;
        }
    }
}

impl Reading {
    /// What came after `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let reasons = self.reasons.iter().filter_map(|(why, count)| {
            let before = earlier.reasons.get(why).copied().unwrap_or(0);
            (*count > before).then(|| (why.clone(), count - before))
        });
        Self {
            sent: self.sent - earlier.sent,
            failed: self.failed - earlier.failed,
            orders: self.orders - earlier.orders,
            reasons: reasons.collect(),
            answered: self.answered - earlier.answered,
        }
    }
}

/// What was accepted.
#[derive(Default)]
pub(crate) struct Accepted {
    /// Ids of tasks.
    pub(crate) tasks: Vec<String>,
    /// Ids of orders by buyer.
    pub(crate) orders: Vec<Vec<String>>,
    /// What open streams told.
    pub(crate) streams: Vec<Told>,
}

/// Has the team work until `outage` is over; answers what was accepted, and what `outage` answered.
///
/// `viewers` look at what is theirs, and Bob has so many streams open.
pub(crate) async fn during<T>(
    hub: &Hub,
    team: &Team,
    viewers: &[Person],
    streams: usize,
    outage: impl AsyncFnOnce(&Meter) -> anyhow::Result<T>,
) -> anyhow::Result<(Accepted, T)> {
    let meter = Meter::default();
    let over = AtomicBool::new(false);
    let worker = Worker {
        hub,
        team,
        meter: &meter,
        over: &over,
    };
    let mut open = try_join_all((0..streams).map(|_| Stream::open(hub, &team.bob))).await?;
    // What they begin with: from now on each knows where it is.
    let mut first = Vec::new();
    while !open.iter().all(Stream::has_begun) {
        first.push(worker.one_task(&format!("first {}", first.len())).await?);
        join_all(open.iter_mut().map(|stream| stream.listen(Duration::from_secs(2)))).await;
    }
    let listening = open.iter_mut().map(async |stream| {
        while worker.works() {
            stream.listen(Duration::from_millis(500)).await;
        }
    });
    let listening = join_all(listening);
    let tasks = try_join_all((0..TASK_WRITERS).map(|number| worker.make_tasks(number)));
    let orders = try_join_all(
        team.buyers
            .iter()
            .enumerate()
            .map(|(number, buyer)| worker.order(number, buyer)),
    );
    let reading = join_all((0..2).map(|_| worker.look()));
    let viewing = join_all(viewers.iter().map(|viewer| worker.view(viewer)));
    let outage = async {
        let done = outage(&meter).await;
        // Also when it went wrong: nobody waits for those who work.
        over.store(true, Ordering::Relaxed);
        done
    };
    let (done, tasks, orders, ..) = tokio::join!(outage, tasks, orders, reading, viewing, listening);
    let (tasks, orders) = (tasks?.concat(), orders?);
    let accepted = Accepted {
        // The first ones came before a stream had begun, or are what it began with.
        streams: join_all(open.into_iter().map(|stream| stream.end(&tasks))).await,
        tasks: [first, tasks].concat(),
        orders,
    };
    Ok((accepted, done?))
}

struct Worker<'a> {
    hub: &'a Hub,
    team: &'a Team,
    meter: &'a Meter,
    over: &'a AtomicBool,
}

impl Worker<'_> {
    fn works(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// Sends until it is accepted; answers the id of what was made.
    async fn insist(&self, ask: &Ask<'_>) -> anyhow::Result<String> {
        let begun = Instant::now();
        loop {
            match self.meter.measure(self.hub.once(ask)).await {
                Ok(made) => return text(&made, "id"),
                Err(why) if begun.elapsed() > ENDURANCE => {
                    bail!("{} {} was in vain for {ENDURANCE:?}: {why}", ask.method, ask.path)
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    async fn one_task(&self, title: &str) -> anyhow::Result<String> {
        let Team { ada, bob, project, .. } = self.team;
        let path = format!("/v1/projects/{project}/tasks");
        let body = json!({ "title": title, "assignee_ids": [bob.id] });
        self.insist(&Ask::post(&path, &ada.token, body).keyed(title)).await
    }

    async fn make_tasks(&self, writer: usize) -> anyhow::Result<Vec<String>> {
        let mut accepted = Vec::new();
        while self.works() {
            let title = format!("writer {writer} number {}", accepted.len());
            accepted.push(self.one_task(&title).await?);
            tokio::time::sleep(TASK_PACE).await;
        }
        Ok(accepted)
    }

    /// One seat more each time: each order has an invoice and a charge.
    async fn order(&self, number: usize, buyer: &Person) -> anyhow::Result<Vec<String>> {
        let mut accepted = Vec::new();
        tokio::time::sleep(ORDER_PACE * u32::try_from(number)? / 3).await;
        while self.works() {
            let body = json!({ "plan": "team", "seats": accepted.len() + 1, "interval": "month" });
            let key = format!("order {}", accepted.len());
            let ask = Ask::post("/v1/orders", &buyer.token, body).keyed(key);
            accepted.push(self.insist(&ask).await?);
            self.meter.orders.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(ORDER_PACE).await;
        }
        Ok(accepted)
    }

    async fn look(&self) {
        let path = format!("/v1/projects/{}/tasks?limit=20", self.team.project);
        while self.works() {
            // What went wrong is counted.
            let _ = self
                .meter
                .measure(self.hub.once(&Ask::get(&path, &self.team.bob.token)))
                .await;
            tokio::time::sleep(READ_PACE).await;
        }
    }

    /// Four services in turn.
    async fn view(&self, viewer: &Person) {
        for path in ["/v1/projects", "/v1/notifications", "/v1/me", "/v1/usage"]
            .iter()
            .cycle()
        {
            if !self.works() {
                return;
            }
            let _ = self.meter.measure(self.hub.once(&Ask::get(*path, &viewer.token))).await;
            tokio::time::sleep(VIEW_PACE).await;
        }
    }
}
