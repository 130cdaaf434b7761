//! A closed loop: each client sends its next request when the last was answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use serde_json::Value;

use crate::{client::Client, hub::Hub, team::Member};

/// How a phase went. Delays are in microseconds.
pub(crate) struct Outcome {
    delays: Histogram<u64>,
    length: Duration,
    failed: u64,
    first_failure: Option<String>,
}

impl Outcome {
    pub(crate) fn of(delays: Histogram<u64>, length: Duration) -> Self {
        Self {
            delays,
            length,
            failed: 0,
            first_failure: None,
        }
    }

    pub(crate) fn rate(&self) -> f64 {
        self.delays.len() as f64 / self.length.as_secs_f64()
    }

    pub(crate) fn millis(&self, quantile: f64) -> f64 {
        self.delays.value_at_quantile(quantile) as f64 / 1000.0
    }

    /// A rate with failed requests in it would be no rate.
    pub(crate) fn must_succeed(&self) -> anyhow::Result<()> {
        let failure = self.first_failure.as_deref().unwrap_or_default();
        anyhow::ensure!(
            self.failed == 0,
            "{} requests failed; the first: {failure}",
            self.failed
        );
        Ok(())
    }
}

pub(crate) fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 120_000_000, 3)?)
}

/// Runs `clients` clients for `length`; `request` makes the n-th request: method, path, body.
pub(crate) async fn run<F>(
    hub: &Hub,
    team: &[Member],
    clients: usize,
    length: Duration,
    request: &F,
) -> anyhow::Result<Outcome>
where
    F: Fn(u64) -> (&'static str, String, Option<Value>) + Sync,
{
    let number = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut loops = Vec::new();
    for client in 0..clients {
        let number = Arc::clone(&number);
        let token = &team[client % team.len()].token;
        loops.push(async move {
            let mut client = Client::connect(hub.address).await?;
            let mut delays = histogram()?;
            let (mut failed, mut first_failure) = (0_u64, None);
            while begun.elapsed() < length {
                let (method, path, body) = request(number.fetch_add(1, Ordering::Relaxed));
                let sent = Instant::now();
                let (status, answer) = client.call(method, &path, token, body.as_ref()).await?;
                delays.saturating_record(u64::try_from(sent.elapsed().as_micros())?);
                if !status.is_success() {
                    failed += 1;
                    first_failure.get_or_insert_with(|| format!("{status} {}", String::from_utf8_lossy(&answer)));
                }
            }
            anyhow::Ok((delays, failed, first_failure))
        });
    }
    let mut outcome = Outcome::of(histogram()?, length);
    for (delays, failed, first_failure) in try_join_all(loops).await? {
        outcome.delays.add(&delays)?;
        outcome.failed += failed;
        outcome.first_failure = outcome.first_failure.or(first_failure);
    }
    outcome.length = begun.elapsed();
    Ok(outcome)
}
