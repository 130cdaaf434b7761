//! What is said on the way, and the tables in the end.

use std::{io::Write, time::Duration};

use crate::load::Reading;

/// Something that should be there once for each thing that was accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) once: usize,
    pub(crate) missing: usize,
    /// Twice, or without having been asked for.
    pub(crate) extra: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.once += other.once;
        self.missing += other.missing;
        self.extra += other.extra;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = self.once.to_string();
        if self.missing > 0 {
            text = format!("{text} -{}", self.missing);
        }
        if self.extra > 0 {
            text = format!("{text} +{}", self.extra);
        }
        f.pad(&text)
    }
}

/// What came of an outage's load.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// Tasks that were accepted.
    pub(crate) tasks: usize,
    /// Of them in the project's list.
    pub(crate) listed: Tally,
    /// Notifications of them.
    pub(crate) notified: Tally,
    /// Counted by billing.
    pub(crate) metered: Tally,
    /// Counted by analytics.
    pub(crate) figured: Tally,
    /// Orders that were accepted.
    pub(crate) orders: usize,
    pub(crate) completed: Tally,
    /// Paid invoices of them.
    pub(crate) invoiced: Tally,
    /// Charges of those.
    pub(crate) charged: Tally,
    /// What open streams told of the tasks, all streams together.
    pub(crate) streamed: Tally,
    /// How often a stream had to come back.
    pub(crate) resumed: usize,
    /// Numbers of invoices that are missing or there twice.
    pub(crate) gaps: usize,
    /// How long it took until no event waited.
    pub(crate) quiet_after: Duration,
}

impl Counts {
    fn tallies(&self) -> [Tally; 8] {
        [
            self.listed,
            self.notified,
            self.metered,
            self.figured,
            self.completed,
            self.invoiced,
            self.charged,
            self.streamed,
        ]
    }

    /// Whether two looks saw the same.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.tallies() == other.tallies() && self.gaps == other.gaps
    }

    /// Whether something happened twice: waiting does not make it better.
    pub(crate) fn too_many(&self) -> bool {
        self.tallies().iter().any(|tally| tally.extra > 0)
    }

    /// Whether nothing was lost and nothing happened twice.
    pub(crate) fn exact(&self) -> bool {
        let exact = |tally: &Tally| tally.missing == 0 && tally.extra == 0;
        self.tasks > 0 && self.orders > 0 && self.gaps == 0 && self.tallies().iter().all(exact)
    }
}

/// One thing that was taken away, and how clients fared meanwhile.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) what: String,
    pub(crate) load: Reading,
    /// From the outage's begin until everything ran again.
    pub(crate) healed: Duration,
}

/// A release under load.
#[derive(Debug)]
pub(crate) struct Release {
    pub(crate) what: String,
    /// Whether it ended as it must, or what was otherwise.
    pub(crate) judged: Result<(), String>,
    pub(crate) took: Duration,
    /// Requests of the whole time, and some seconds before and after.
    pub(crate) load: Reading,
    /// Requests a second meanwhile.
    pub(crate) rate: f64,
    /// 99 of 100 answers came within: before, meanwhile, after.
    pub(crate) p99: [Duration; 3],
}

impl Release {
    /// Whether it did not go as promised: without a single failed request too.
    pub(crate) fn failed(&self) -> bool {
        self.judged.is_err() || self.load.failed > 0
    }
}

/// Everything that was seen.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) releases: Vec<Release>,
    pub(crate) windows: Vec<Window>,
    pub(crate) counts: Vec<(String, Counts)>,
    /// What was not as promised.
    pub(crate) broken: Vec<String>,
    pub(crate) passed: usize,
}

impl Report {
    /// Prints both tables and the closing line.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        if !self.windows.is_empty() {
            say("\nRequests of clients, through Traefik, from the outage's begin until everything ran again:\n")?;
            say(format!(
                "{:<44} {:>6} {:>6} {:>9}  why",
                "outage", "sent", "failed", "healed"
            ))?;
            for Window { what, load, healed } in &self.windows {
                let why: Vec<String> = load
                    .reasons
                    .iter()
                    .map(|(why, count)| format!("{why} x{count}"))
                    .collect();
                let (sent, failed, healed) = (load.sent, load.failed, healed.as_secs_f64());
                say(format!("{what:<44} {sent:>6} {failed:>6} {healed:>7.1} s  {}", why.join(", ")).trim_end())?;
            }
        }
        if !self.releases.is_empty() {
            say("\nReleases under load, with what clients saw from 5 s before to 5 s after:\n")?;
            say(format!(
                "{:<44} {:>7} {:>7} {:>6} {:>6}  {:<24}",
                "release", "took", "sent", "a s", "failed", "p99 before/during/after"
            ))?;
            for release in &self.releases {
                let [before, during, after] = release.p99.map(|p99| p99.as_secs_f64() * 1000.0);
                say(format!(
                    "{:<44} {:>5.1} s {:>7} {:>6.0} {:>6}  {before:.0} / {during:.0} / {after:.0} ms",
                    release.what,
                    release.took.as_secs_f64(),
                    release.load.sent,
                    release.rate,
                    release.load.failed
                ))?;
            }
        }
        if !self.counts.is_empty() {
            say("\nWhat was accepted, and how many of each effect there are (-N: missing, +N: twice or unasked):\n")?;
            say(format!(
                "{:<28} {:>6} {:>8} {:>8} {:>8} {:>9} {:>7} {:>9} {:>8} {:>8} {:>8} {:>7} {:>5} {:>7}",
                "outage",
                "tasks",
                "listed",
                "notified",
                "usage",
                "analytics",
                "orders",
                "completed",
                "invoices",
                "charges",
                "streamed",
                "resumed",
                "gaps",
                "quiet"
            ))?;
            for (what, counts) in &self.counts {
                say(format!(
                    "{what:<28} {:>6} {:>8} {:>8} {:>8} {:>9} {:>7} {:>9} {:>8} {:>8} {:>8} {:>7} {:>5} {:>5.0} s",
                    counts.tasks,
                    counts.listed,
                    counts.notified,
                    counts.metered,
                    counts.figured,
                    counts.orders,
                    counts.completed,
                    counts.invoiced,
                    counts.charged,
                    counts.streamed,
                    counts.resumed,
                    counts.gaps,
                    counts.quiet_after.as_secs_f64()
                ))?;
            }
        }
        say("")?;
        for broken in &self.broken {
            say(format!("BROKEN: {broken}"))?;
        }
        let (passed, failed) = (self.passed, self.broken.len());
        let word = if failed == 0 { "ok" } else { "FAILED" };
        say(format!(
            "test result: {word}. {passed} passed; {failed} failed; 0 ignored"
        ))
    }
}

/// A line.
pub(crate) fn say(text: impl AsRef<str>) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{}", text.as_ref())?)
}
