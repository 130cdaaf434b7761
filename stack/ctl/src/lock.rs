//! One release at a time, across all managers.
//!
//! The lock is a Swarm config: making one by name is atomic in Raft, whichever manager is asked. Its labels say who holds it; the
//! holder renews them every few seconds. A lock that was not renewed for a minute is stale: its holder was killed, or its
//! machine was. The next release takes it over, by replacing the labels on condition that nobody else did.
//!
//! Clocks of machines differ. So a lock that looks stale by the clock is watched for two renewals before it is taken over. A holder
//! on this very machine is known to be dead at once, when there is no such process any more.

use std::{collections::HashMap, fs, future::Future, time::Duration};

use anyhow::{Context, bail};
use jiff::Timestamp;
use serde::Serialize;

use crate::engine::{Config, Engine};

const KIND: &str = "cloudtaskhub.lock";
const HOLDER: &str = "cloudtaskhub.lock.holder";
const PURPOSE: &str = "cloudtaskhub.lock.purpose";
const PROCESS: &str = "cloudtaskhub.lock.process";
const SINCE: &str = "cloudtaskhub.lock.since";
const RENEWED: &str = "cloudtaskhub.lock.renewed";

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// Who: `user@host`.
    pub holder: String,
    /// What for: `deploy v3`.
    pub purpose: String,
    /// Since when.
    pub since: Timestamp,
    /// When it last said that it lives.
    pub renewed: Timestamp,
    /// The process, in words that are the same for no other.
    #[serde(skip)]
    process: String,
}

/// The lock, held.
#[derive(Debug)]
pub struct Lock<'a> {
    engine: &'a Engine,
    name: String,
    holder: Holder,
    beat: Duration,
    /// Whose stale lock it was before.
    pub taken_over: Option<Holder>,
}

/// The answer to who wants the lock.
#[derive(Debug)]
pub enum Taken<'a> {
    /// It is ours.
    Ours(Lock<'a>),
    /// Somebody else holds it.
    Theirs(Holder),
}

/// Takes the lock of a stack, for this purpose, in the name of this actor. A lock that was not renewed for `stale` is taken over.
///
/// # Errors
/// When the engine does not answer.
pub async fn take<'a>(
    engine: &'a Engine,
    stack: &str,
    actor: &str,
    purpose: &str,
    stale: Duration,
) -> anyhow::Result<Taken<'a>> {
    let name = name(stack);
    let beat = (stale / 12).max(Duration::from_millis(100));
    let now = Timestamp::now();
    let mut lock = Lock {
        engine,
        name: name.clone(),
        holder: Holder {
            holder: actor.to_owned(),
            purpose: purpose.to_owned(),
            since: now,
            renewed: now,
            process: process(),
        },
        beat,
        taken_over: None,
    };
    loop {
        if engine.create_config(&name, lock.holder.labels(stack), b"lock").await? {
            return Ok(Taken::Ours(lock));
        }
        let Some(found) = engine.config(&name).await? else {
            // it was given back just now
            continue;
        };
        let theirs = Holder::read(&found);
        if !gone(engine, &found, &theirs, stale, beat).await? {
            return Ok(Taken::Theirs(theirs));
        }
        lock.holder.since = Timestamp::now();
        lock.holder.renewed = lock.holder.since;
        if engine.relabel_config(&found, lock.holder.labels(stack)).await? {
            lock.taken_over = Some(theirs);
            return Ok(Taken::Ours(lock));
        }
    }
}

/// Who holds the lock of a stack now.
///
/// # Errors
/// When the engine does not answer.
pub async fn holder(engine: &Engine, stack: &str) -> anyhow::Result<Option<Holder>> {
    let found = engine.config(&name(stack)).await?;
    Ok(found.as_ref().map(Holder::read))
}

/// Takes the lock away from whoever holds it.
///
/// # Errors
/// When the engine does not answer.
pub async fn release_by_force(engine: &Engine, stack: &str) -> anyhow::Result<()> {
    engine.remove_config(&name(stack)).await?;
    Ok(())
}

/// Whether the holder of this lock lives no more.
async fn gone(
    engine: &Engine,
    found: &Config,
    theirs: &Holder,
    stale: Duration,
    beat: Duration,
) -> anyhow::Result<bool> {
    if dead(&theirs.process) {
        return Ok(true);
    }
    if theirs.renewed.duration_until(Timestamp::now()).unsigned_abs() < stale {
        return Ok(false);
    }
    tokio::time::sleep(beat * 2).await;
    let again = engine.config(&found.name).await?;
    Ok(again.is_some_and(|again| again.version == found.version))
}

impl Lock<'_> {
    /// Does this while the lock is being renewed.
    ///
    /// # Errors
    /// What the work answers; and when the lock was taken away meanwhile, which ends the work.
    pub async fn during<T>(&self, stack: &str, work: impl Future<Output = T>) -> anyhow::Result<T> {
        tokio::select! {
            done = work => Ok(done),
            lost = self.renew(stack) => Err(lost),
        }
    }

    /// Renews the lock until somebody else has it.
    async fn renew(&self, stack: &str) -> anyhow::Error {
        let mut holder = self.holder.clone();
        loop {
            tokio::time::sleep(self.beat).await;
            // A Swarm that elects a leader answers nothing for a while, which takes the lock from nobody.
            let Ok(found) = self.engine.config(&self.name).await else {
                continue;
            };
            let Some(found) = found else {
                return anyhow::anyhow!(
                    "the lock of this release was removed (stackctl unlock): it stopped where it was; see: stackctl status"
                );
            };
            let theirs = Holder::read(&found);
            if theirs.process != self.holder.process {
                return anyhow::anyhow!(
                    "{} has taken over the lock of this release: it stopped where it was",
                    theirs.holder
                );
            }
            holder.renewed = Timestamp::now();
            drop(self.engine.relabel_config(&found, holder.labels(stack)).await);
        }
    }

    /// Gives the lock back, if it is still ours.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn give_back(self) -> anyhow::Result<()> {
        let Some(found) = self.engine.config(&self.name).await? else {
            return Ok(());
        };
        if Holder::read(&found).process != self.holder.process {
            return Ok(());
        }
        if !self.engine.remove_config(&found.id).await? {
            bail!("the lock could not be removed; stackctl unlock");
        }
        Ok(())
    }
}

impl Holder {
    fn labels(&self, stack: &str) -> HashMap<String, String> {
        let labels = [
            (KIND, stack.to_owned()),
            (HOLDER, self.holder.clone()),
            (PURPOSE, self.purpose.clone()),
            (PROCESS, self.process.clone()),
            (SINCE, self.since.to_string()),
            (RENEWED, self.renewed.to_string()),
        ];
        labels
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn read(config: &Config) -> Self {
        // What is not a time is long ago: such a lock is nobody's.
        let time = |label: &str| config.label(label).parse().unwrap_or(Timestamp::UNIX_EPOCH);
        Self {
            holder: config.label(HOLDER).to_owned(),
            purpose: config.label(PURPOSE).to_owned(),
            since: time(SINCE),
            renewed: time(RENEWED),
            process: config.label(PROCESS).to_owned(),
        }
    }

    /// How long it has been held, in whole seconds.
    #[must_use]
    pub fn age(&self) -> i64 {
        self.since.duration_until(Timestamp::now()).as_secs()
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (age, quiet) = (self.age(), self.renewed.duration_until(Timestamp::now()).as_secs());
        write!(
            f,
            "{} ({}), for {age} s, last heard of {quiet} s ago",
            self.holder, self.purpose
        )
    }
}

fn name(stack: &str) -> String {
    format!("{stack}_release_lock")
}

/// This process: the boot of the machine, the container, the number, and when it was started, as numbers are used again.
fn process() -> String {
    let pid = std::process::id();
    format!("{}/{pid}/{}", place(), started(pid).unwrap_or_default())
}

/// Where a number of a process means the same: the boot and the name space.
fn place() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{}/{}", boot.trim(), space.display())
}

/// When a process was started, in ticks since the boot.
fn started(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything; the 22nd field is the 20th after it.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    // A zombie does nothing any more.
    (state != "Z").then(|| fields.nth(18).unwrap_or_default().to_owned())
}

/// Whether this was a process of this machine that is there no more. Of other machines nothing is known.
fn dead(process: &str) -> bool {
    let Some(rest) = process.strip_prefix(&format!("{}/", place())) else {
        return false;
    };
    let Some((pid, start)) = rest.split_once('/') else {
        return false;
    };
    let Ok(pid) = pid.parse() else { return false };
    started(pid).is_none_or(|now| now != start)
}

/// Who asks, when nothing else says so: `user@host`.
///
/// # Errors
/// Never in practice; when the machine has no name.
pub fn actor() -> anyhow::Result<String> {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    let host = rustix::system::uname();
    let host = host.nodename().to_str().context("the machine's name")?.to_owned();
    Ok(format!("{}@{host}", user.unwrap_or_else(|_| "unknown".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_to_be_dead_only_where_it_ran() {
        assert!(!dead(&process()));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let theirs = format!("{}/{}/{}", place(), child.id(), started(child.id()).unwrap());
        assert!(!dead(&theirs));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(dead(&theirs));
        assert!(!dead("another-boot/pid:[1]/1/1"));
        assert!(!dead(""));
    }

    #[test]
    fn a_holder_is_what_its_labels_say() {
        let now = Timestamp::now();
        let holder = Holder {
            holder: "ann@one".to_owned(),
            purpose: "deploy v3".to_owned(),
            since: now,
            renewed: now,
            process: process(),
        };
        let mut config = Config {
            id: "1".to_owned(),
            name: name("hub"),
            labels: holder.labels("hub"),
            data: Vec::new(),
            version: 1,
        };
        assert_eq!(Holder::read(&config), holder);
        config.labels.clear();
        assert_eq!(Holder::read(&config).renewed, Timestamp::UNIX_EPOCH);
    }
}
