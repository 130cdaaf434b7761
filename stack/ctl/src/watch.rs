//! Whether what was deployed runs: judged by tasks, not by what `docker stack deploy` or `UpdateStatus` say.
//!
//! Swarm calls an update `completed` also when it has gone back to the old version, and leaves the words of an older update
//! where a service did not change. So nothing is believed that was there before; what counts is which definition the service
//! follows (its label), and how many tasks run that were started from exactly this specification. Swarm calls a task running
//! when its health check has passed. All services have to be so for a while, with the same tasks.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    definition::{Definition, FOLLOWS},
    engine::Engine,
    image,
    report::Progress,
    service::{Service, Task},
};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// A job may come before what it needs: it is tried so often.
const JOB_ATTEMPTS: usize = 20;

/// How long and how patiently services are watched.
#[derive(Debug, Clone, clap::Args)]
pub struct Limits {
    /// How long all services have to run unchanged, in seconds.
    #[arg(long = "stable", value_name = "SECONDS", env = "STABLE", default_value = "10", value_parser = seconds)]
    pub stable: Duration,
    /// After so many seconds it has failed.
    #[arg(long = "deadline", value_name = "SECONDS", env = "WAIT", default_value = "600", value_parser = seconds)]
    pub deadline: Duration,
    /// After so many failed tasks of a service it has failed.
    #[arg(long = "failures", value_name = "TASKS", default_value_t = 3)]
    pub failures: usize,
    /// For so many seconds a task may find no node to run on.
    #[arg(long = "unplaced", value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub unplaced: Duration,
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text} is no number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// How a service does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Condition {
    /// It runs as it should.
    Ready {
        /// So many tasks run.
        running: u64,
    },
    /// Not yet.
    Waiting {
        /// So many tasks run.
        running: u64,
        /// So many should.
        wanted: u64,
        /// What it is waiting for.
        note: String,
    },
    /// It will not.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A service that did not come up, or all that did not in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its name.
    pub service: String,
    /// Why.
    pub reason: String,
}

/// What was there before something was changed; nothing of it tells how the change goes.
#[derive(Debug, Clone, Default)]
pub struct Before {
    updates: BTreeMap<String, String>,
    tasks: BTreeSet<String>,
}

/// A look at services again and again.
#[derive(Debug)]
pub struct Watch {
    limits: Limits,
    before: Before,
    /// By service: the definition to follow and the image to run.
    expected: BTreeMap<String, Expected>,
    failed: BTreeMap<String, BTreeSet<String>>,
    unplaced: BTreeMap<String, Instant>,
    seen: BTreeMap<String, Instant>,
    /// How long the one of the failed tasks lived that lived longest.
    lived: Duration,
}

#[derive(Debug, Clone, Default)]
struct Expected {
    follows: Option<String>,
    image: Option<String>,
}

impl Before {
    /// What there is of a stack now.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn look(engine: &Engine, stack: &str) -> anyhow::Result<Self> {
        let (services, tasks) = (engine.services(stack).await?, engine.tasks(stack).await?);
        Ok(Self::of(&services, &tasks))
    }

    fn of(services: &[Service], tasks: &[Task]) -> Self {
        let updates = services.iter().filter_map(|service| {
            let update = service.update.as_ref()?;
            Some((service.name.clone(), update.started.clone()))
        });
        Self {
            updates: updates.collect(),
            tasks: tasks.iter().map(|task| task.id.clone()).collect(),
        }
    }

    /// What was there at a time that is past (RFC 3339): updates that had begun, and tasks that have ended by now.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn since(engine: &Engine, stack: &str, time: &str) -> anyhow::Result<Self> {
        let mut before = Self::look(engine, stack).await?;
        before.updates.retain(|_, started| started.as_str() < time);
        let alive = engine
            .tasks(stack)
            .await?
            .into_iter()
            .filter(|task| task.desired == "running");
        for task in alive {
            before.tasks.remove(&task.id);
        }
        Ok(before)
    }

    /// Whether a task is older than the change.
    #[must_use]
    pub fn knows(&self, task: &Task) -> bool {
        self.tasks.contains(&task.id)
    }
}

impl Watch {
    /// Watches whether a stack comes to follow this definition.
    #[must_use]
    pub fn definition(definition: &Definition, before: Before, limits: Limits) -> Self {
        let expected = definition.services().map(|service| {
            let expected = Expected {
                follows: Some(definition.hash().to_owned()),
                image: Some(service.image.to_owned()),
            };
            (service.name.to_owned(), expected)
        });
        Self::new(expected.collect(), before, limits)
    }

    /// Watches whether these services come to run as they are specified.
    #[must_use]
    pub fn services(names: impl IntoIterator<Item = String>, before: Before, limits: Limits) -> Self {
        let expected = names.into_iter().map(|name| (name, Expected::default()));
        Self::new(expected.collect(), before, limits)
    }

    fn new(expected: BTreeMap<String, Expected>, before: Before, limits: Limits) -> Self {
        Self {
            limits,
            before,
            expected,
            failed: BTreeMap::new(),
            unplaced: BTreeMap::new(),
            seen: BTreeMap::new(),
            lived: Duration::ZERO,
        }
    }

    /// What was there before.
    #[must_use]
    pub fn before(&self) -> &Before {
        &self.before
    }

    /// Judges each service by what Swarm says now.
    pub fn judge(&mut self, services: &[Service], tasks: &[Task], now: Instant) -> BTreeMap<String, Condition> {
        let expected = std::mem::take(&mut self.expected);
        let judged = expected.iter().map(|(name, expected)| {
            let service = services.iter().find(|service| service.name == *name);
            let condition = service.map_or_else(
                || failed("there is no such service"),
                |service| {
                    let mine: Vec<&Task> = tasks.iter().filter(|task| task.service == service.id).collect();
                    self.judge_one(service, expected, &mine, now)
                },
            );
            (name.clone(), condition)
        });
        let judged = judged.collect();
        self.expected = expected;
        judged
    }

    fn judge_one(&mut self, service: &Service, expected: &Expected, tasks: &[&Task], now: Instant) -> Condition {
        let update = service.update.clone().unwrap_or_default();
        let fresh = self.before.updates.get(&service.name) != Some(&update.started);
        if fresh && (update.state == "paused" || update.state.starts_with("rollback_")) {
            return failed(format!("Swarm says {}: {}", update.state, update.message));
        }
        if let Some(image) = expected
            .image
            .as_ref()
            .filter(|image| !image::same(&service.image, image))
        {
            return failed(format!(
                "Swarm has gone back to {} from {image} ({} {})",
                service.image, update.state, update.message
            ));
        }
        let follows = service.labels.get(FOLLOWS);
        if expected.follows.is_some() && follows != expected.follows.as_ref() {
            return failed(format!(
                "Swarm has gone back to an earlier definition ({} {})",
                update.state, update.message
            ));
        }
        if let Some(reason) = self
            .too_many_failures(service, tasks, now)
            .or_else(|| self.no_place(tasks, now))
        {
            return failed(reason);
        }
        let current = |task: &&&Task| task.container == service.container;
        let newest_error = || {
            let last = tasks
                .iter()
                .rev()
                .find(|task| !task.error.is_empty() && !self.before.knows(task));
            last.map(|task| format!("{}: {}", task.state, task.error))
                .unwrap_or_default()
        };
        if service.job {
            let last = tasks.last().filter(|task| current(task) && task.state == "complete");
            return if service.replicas == Some(0) || last.is_some() {
                Condition::Ready { running: 0 }
            } else {
                waiting(0, 1, newest_error())
            };
        }
        let desired: Vec<&&Task> = tasks.iter().filter(|task| task.desired == "running").collect();
        let running = desired
            .iter()
            .filter(|task| current(task) && task.state == "running")
            .count() as u64;
        let wanted = service.replicas.unwrap_or(desired.len() as u64);
        let old = desired.iter().filter(|task| !current(task)).count();
        if update.state == "updating" {
            return waiting(running, wanted, format!("updating {}", newest_error()));
        }
        if old > 0 {
            return waiting(running, wanted, format!("{old} to be replaced"));
        }
        if running == wanted {
            return Condition::Ready { running };
        }
        let states: BTreeSet<&str> = desired
            .iter()
            .map(|task| task.state.as_str())
            .filter(|state| *state != "running")
            .collect();
        let states: Vec<&str> = states.into_iter().collect();
        waiting(running, wanted, format!("{} {}", states.join(", "), newest_error()))
    }

    fn too_many_failures(&mut self, service: &Service, tasks: &[&Task], now: Instant) -> Option<String> {
        let new = tasks
            .iter()
            .filter(|task| !self.before.knows(task) && task.container == service.container);
        let new: Vec<&&Task> = new.collect();
        for task in &new {
            self.seen.entry(task.id.clone()).or_insert(now);
        }
        // Swarm forgets the oldest tasks.
        let known = self.failed.entry(service.name.clone()).or_default();
        for task in new.iter().filter(|task| task.broken(service)) {
            if known.insert(task.id.clone()) {
                let lived = self.seen.get(&task.id).map(|seen| now.duration_since(*seen));
                self.lived = self.lived.max(lived.unwrap_or_default());
            }
        }
        let limit = if service.job {
            JOB_ATTEMPTS
        } else {
            self.limits.failures
        };
        let last = new.iter().rev().find(|task| task.broken(service))?;
        (known.len() >= limit).then(|| format!("{} tasks failed, the last with: {}", known.len(), last.words()))
    }

    /// How long all has to run unchanged: longer than a task did that failed, or it may be the same again.
    fn stability(&self) -> Duration {
        if self.lived.is_zero() {
            return self.limits.stable;
        }
        self.lived + self.limits.stable
    }

    fn no_place(&mut self, tasks: &[&Task], now: Instant) -> Option<String> {
        for task in tasks.iter().filter(|task| task.desired == "running") {
            if task.state != "pending" || task.error.is_empty() {
                self.unplaced.remove(&task.id);
                continue;
            }
            let since = *self.unplaced.entry(task.id.clone()).or_insert(now);
            if now.duration_since(since) >= self.limits.unplaced {
                return Some(format!(
                    "no node can run a task for {} s: {}",
                    self.limits.unplaced.as_secs(),
                    task.error
                ));
            }
        }
        None
    }

    /// Watches until all services have run for a while, and answers how long that took.
    ///
    /// # Errors
    /// The service that failed; or, at the deadline, one that does not run.
    pub async fn settle(&mut self, engine: &Engine, stack: &str, progress: &Progress) -> Result<Duration, Fault> {
        let begun = Instant::now();
        // Swarm watches its last tasks for a while before it calls an update completed: they are steady all the time.
        let mut steady: Option<(BTreeSet<String>, Instant)> = None;
        loop {
            // A Swarm that elects a leader answers nothing for a while.
            let seen = async { anyhow::Ok((engine.services(stack).await?, engine.tasks(stack).await?)) }.await;
            let blame = match seen {
                Ok((services, tasks)) => {
                    let judged = self.judge(&services, &tasks, Instant::now());
                    progress.conditions(&judged);
                    let up = tasks
                        .iter()
                        .filter(|task| task.desired == "running" && task.state == "running");
                    let up: BTreeSet<String> = up.map(|task| task.id.clone()).collect();
                    let same = steady.take_if(|(before, _)| *before == up);
                    let (up, since) = same.unwrap_or_else(|| (up, Instant::now()));
                    steady = Some((up, since));
                    match first_blame(judged) {
                        Ok(None) if since.elapsed() >= self.stability() => return Ok(begun.elapsed()),
                        Ok(blame) => blame,
                        Err(fault) => return Err(fault),
                    }
                }
                Err(error) => {
                    steady = None;
                    Some(Fault {
                        service: "the Swarm".to_owned(),
                        reason: format!("{error:#}"),
                    })
                }
            };
            if begun.elapsed() > self.limits.deadline {
                let Fault { service, reason } = blame.unwrap_or(Fault {
                    service: stack.to_owned(),
                    reason: format!("its tasks do not stay for {} s", self.stability().as_secs()),
                });
                let late = format!(
                    "not ready after {} s: {}",
                    self.limits.deadline.as_secs(),
                    reason.trim()
                );
                return Err(Fault { service, reason: late });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ready { running: 0 } => f.write_str("ready"),
            Self::Ready { running } => write!(f, "ready {running}/{running}"),
            Self::Waiting { running, wanted, note } => {
                write!(f, "{}", format!("starting {running}/{wanted} {note}").trim())
            }
            Self::Failed { reason } => write!(f, "failed: {reason}"),
        }
    }
}

/// The first service that is not ready; an error if one has failed.
fn first_blame(judged: BTreeMap<String, Condition>) -> Result<Option<Fault>, Fault> {
    let mut blame = None;
    for (service, condition) in judged {
        match condition {
            Condition::Ready { .. } => {}
            Condition::Waiting { running, wanted, note } => {
                let reason = format!("{running} of {wanted} tasks run {note}");
                blame.get_or_insert(Fault { service, reason });
            }
            Condition::Failed { reason } => return Err(Fault { service, reason }),
        }
    }
    Ok(blame)
}

fn failed(reason: impl Into<String>) -> Condition {
    Condition::Failed { reason: reason.into() }
}

fn waiting(running: u64, wanted: u64, note: impl Into<String>) -> Condition {
    Condition::Waiting {
        running,
        wanted,
        note: note.into().trim().to_owned(),
    }
}

#[cfg(test)]
mod tests;
