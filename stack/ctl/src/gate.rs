//! Whether a release may take the place of another, by what both say of themselves.
//!
//! Between two releases both run at once, on one schema, with one broker, and when the new one fails the old one has to go
//! on alone. So the rules are the same forward and back, and hold for both sides:
//! - a binary runs on every migration that was ever applied, also by a release that was taken back;
//! - a consumer hears what the other side publishes: of a type that is retired it knows the successor.
//!
//! What is applied comes from the ledger, not from the release that runs: a rollback leaves the schema where it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::statement::{Migration, Retired, Statement};

/// Which way it goes; only the words differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To what was never here.
    Deploy,
    /// To what was here before.
    Rollback,
}

/// What stands in the Swarm.
#[derive(Debug, Clone, Default)]
pub struct Installed {
    /// What the services that run say; empty when nothing runs yet.
    pub running: Vec<Statement>,
    /// By service, every migration that a release may have applied.
    pub applied: BTreeMap<String, Vec<Migration>>,
}

impl Installed {
    /// What stands after these releases, the one that runs being the `running`. `history` are the statements of every
    /// release that was begun, in whatever order, also of those that failed: a migration may have been applied all the same.
    pub fn after<'a>(history: impl IntoIterator<Item = &'a Statement>, running: Vec<Statement>) -> Self {
        let mut applied: BTreeMap<String, Vec<Migration>> = BTreeMap::new();
        let mut add = |statement: &Statement| {
            let all = applied.entry(statement.service.clone()).or_default();
            for migration in &statement.migrations {
                if !all.iter().any(|there| there.name == migration.name) {
                    all.push(migration.clone());
                }
            }
        };
        history.into_iter().for_each(&mut add);
        running.iter().for_each(add);
        Self { running, applied }
    }
}

/// Why a release may not take the place of another.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refusal {
    /// The service that would break.
    pub service: String,
    /// The migration or the event type that breaks it.
    pub what: String,
    /// The whole of it, for people.
    pub why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// Whether `target` may take the place of what is `installed`.
///
/// # Errors
/// Every reason against it.
pub fn check(installed: &Installed, target: &[Statement], direction: Direction) -> Result<(), Vec<Refusal>> {
    let mut refusals = Vec::new();
    for new in target {
        let none = Vec::new();
        let applied = installed.applied.get(&new.service).unwrap_or(&none);
        refusals.extend(new.barred_by(applied).map(|(migration, contraction)| {
            let Statement { service, version, .. } = new;
            let (name, expansion, since) = (&migration.name, &contraction.expansion, &contraction.since);
            let remedy = match direction {
                Direction::Rollback => format!("{since} is the oldest release that {service} can go back to"),
                Direction::Deploy => format!("deploy {since} or newer"),
            };
            Refusal {
                service: service.clone(),
                what: name.clone(),
                why: format!(
                    "{service} {version} cannot run on the schema: {name} was applied and removed what this version \
                     still uses, since it lacks {expansion}; {remedy}"
                ),
            }
        }));
        let Some(old) = installed.running.iter().find(|old| old.service == new.service) else {
            continue;
        };
        let there: BTreeSet<&str> = applied.iter().map(|migration| migration.name.as_str()).collect();
        let coming = new
            .migrations
            .iter()
            .filter(|migration| !there.contains(migration.name.as_str()));
        refusals.extend(old.barred_by(coming).map(|(migration, contraction)| {
            let Statement { service, version, .. } = old;
            let (name, expansion, since) = (&migration.name, &contraction.expansion, &contraction.since);
            Refusal {
                service: service.clone(),
                what: name.clone(),
                why: format!(
                    "{service}: {name} removes what {version}, which runs now, still uses: its expansion {expansion} was not \
                     released before; release {since} first"
                ),
            }
        }));
    }
    unheard(&installed.running, target, &mut refusals);
    unheard(target, &installed.running, &mut refusals);
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

/// What consumers of `older` would miss, because `newer` retired it.
fn unheard(older: &[Statement], newer: &[Statement], refusals: &mut Vec<Refusal>) {
    let publishes = |event: &str| older.iter().any(|one| one.publishes.contains_key(event));
    let retired = newer.iter().flat_map(|one| &one.retired);
    for Retired {
        event,
        successor,
        since,
    } in retired.filter(|retired| publishes(&retired.event))
    {
        for consumer in older.iter().filter(|one| one.consumes.contains_key(event)) {
            let Statement { service, version, .. } = consumer;
            if consumer.consumes.contains_key(successor) && publishes(successor) {
                continue;
            }
            refusals.push(Refusal {
                service: service.clone(),
                what: event.clone(),
                why: format!(
                    "{service} {version} reacts to {event}, which the other release publishes as {successor} only; {since} is \
                     the oldest release that knows both"
                ),
            });
        }
    }
}

#[cfg(test)]
mod tests;
