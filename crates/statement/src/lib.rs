//! What a release says of itself: each service's binary prints a [`Statement`] (`SERVICE release`), and the release tool
//! compares two of them before it changes anything.
//!
//! A release is known by what it can do, not by its name: a binary by the migrations it knows, a schema by those that were
//! applied. Migrations expand, so an older binary runs on a newer schema, except for a [`Contraction`]: it removes what an
//! earlier expansion replaced, and only a binary that knows this expansion runs on without. The same with events: a type that
//! is [`Retired`] has a successor, and only a consumer of the successor still hears what happens.
//!
//! No more than serde is needed here, so that the release tool has none of the services' dependencies.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What the binary of one service says of itself. A field that a newer release adds is passed over by an older reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// `project`
    pub service: String,
    /// Version of the release: `1.2.0`.
    pub version: String,
    /// Commit that it was built from; `unknown` outside of an image.
    pub revision: String,
    /// Version of the oldest release whose binary runs on this one's schema and whose consumer reads this one's events.
    pub oldest_release: String,
    /// Name of the last migration.
    pub head: String,
    /// Every migration that this binary knows, in their order.
    pub migrations: Vec<Migration>,
    /// Event types that it publishes, each with a hash of its schema.
    pub publishes: BTreeMap<String, String>,
    /// Event types that it reacts to, each with a hash of the schema that it reads.
    pub consumes: BTreeMap<String, String>,
    /// Event types that it published once, and no longer does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<Retired>,
}

/// One step of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// `m1004_delivery_cause`
    pub name: String,
    /// What it removes; nothing in an expansion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contraction: Option<Contraction>,
}

/// The second half of a change: what nobody uses any more goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contraction {
    /// The earlier migration that every binary knows which does without the removed half.
    pub expansion: String,
    /// Version of the release that brought that migration.
    pub since: String,
}

/// An event type that is no longer published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// `com.cloudtaskhub.task.moved.v1`
    pub event: String,
    /// The type that is published instead: `com.cloudtaskhub.task.moved.v2`.
    pub successor: String,
    /// Version of the release that began to publish and to read the successor.
    pub since: String,
}

impl Migration {
    /// One that only adds.
    pub fn expansion(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            contraction: None,
        }
    }
}

impl Statement {
    /// Whether this binary knows a migration.
    pub fn knows(&self, migration: &str) -> bool {
        self.migrations.iter().any(|known| known.name == migration)
    }

    /// Those of the `applied` migrations that keep this binary from running: contractions of which it knows neither
    /// themselves nor the expansion.
    pub fn barred_by<'a>(
        &self,
        applied: impl IntoIterator<Item = &'a Migration>,
    ) -> impl Iterator<Item = (&'a Migration, &'a Contraction)> {
        let known: BTreeSet<&str> = self.migrations.iter().map(|known| known.name.as_str()).collect();
        applied.into_iter().filter_map(move |migration| {
            let contraction = migration.contraction.as_ref()?;
            let runs = known.contains(migration.name.as_str()) || known.contains(contraction.expansion.as_str());
            (!runs).then_some((migration, contraction))
        })
    }

    /// What is wrong with the statement in itself, one sentence each: a contraction must remove what an earlier migration
    /// replaced.
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut earlier = BTreeSet::new();
        for Migration { name, contraction } in &self.migrations {
            if let Some(Contraction { expansion, .. }) = contraction
                && !earlier.contains(expansion.as_str())
            {
                mistakes.push(format!(
                    "{}: {name} contracts what {expansion} expanded, which is no earlier migration",
                    self.service
                ));
            }
            if !earlier.insert(name.as_str()) {
                mistakes.push(format!("{}: two migrations are called {name}", self.service));
            }
        }
        for Retired { event, successor, .. } in &self.retired {
            if self.publishes.contains_key(event) {
                mistakes.push(format!("{}: {event} is retired, and published", self.service));
            }
            if !self.publishes.contains_key(successor) {
                mistakes.push(format!(
                    "{}: {successor} takes the place of {event} and is not published",
                    self.service
                ));
            }
        }
        mistakes
    }
}

/// The newest of `versions`, number by number: `0.10.0` is newer than `0.9.1`.
pub fn newest<'a>(versions: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    versions.into_iter().max_by_key(|version| {
        let numbers = version
            .split(['.', '-', '+'])
            .map(|part| part.parse::<u64>().unwrap_or(0));
        numbers.take(3).collect::<Vec<_>>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(migrations: Vec<Migration>) -> Statement {
        Statement {
            service: "project".to_owned(),
            version: "1.0.0".to_owned(),
            revision: "unknown".to_owned(),
            oldest_release: "1.0.0".to_owned(),
            head: migrations.last().map(|last| last.name.clone()).unwrap_or_default(),
            migrations,
            publishes: BTreeMap::new(),
            consumes: BTreeMap::new(),
            retired: Vec::new(),
        }
    }

    fn contraction(name: &str, expansion: &str) -> Migration {
        Migration {
            name: name.to_owned(),
            contraction: Some(Contraction {
                expansion: expansion.to_owned(),
                since: "1.0.0".to_owned(),
            }),
        }
    }

    #[test]
    fn a_contraction_has_to_come_after_its_expansion() {
        let good = [Migration::expansion("a"), contraction("b", "a")];
        assert!(statement(good.to_vec()).mistakes().is_empty());
        let early = [contraction("b", "a"), Migration::expansion("a")];
        assert_eq!(
            statement(early.to_vec()).mistakes(),
            ["project: b contracts what a expanded, which is no earlier migration"]
        );
        assert_eq!(statement(vec![contraction("b", "b")]).mistakes().len(), 1);
        let twice = [Migration::expansion("a"), Migration::expansion("a")];
        assert_eq!(
            statement(twice.to_vec()).mistakes(),
            ["project: two migrations are called a"]
        );
    }

    #[test]
    fn a_retired_event_has_a_successor_that_is_published() {
        let mut one = statement(vec![Migration::expansion("a")]);
        one.retired.push(Retired {
            event: "moved.v1".to_owned(),
            successor: "moved.v2".to_owned(),
            since: "1.0.0".to_owned(),
        });
        assert_eq!(
            one.mistakes(),
            ["project: moved.v2 takes the place of moved.v1 and is not published"]
        );
        one.publishes.insert("moved.v2".to_owned(), String::new());
        assert!(one.mistakes().is_empty());
        one.publishes.insert("moved.v1".to_owned(), String::new());
        assert_eq!(one.mistakes(), ["project: moved.v1 is retired, and published"]);
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert_eq!(newest(["0.9.1", "0.10.0", "0.2.30"]), Some("0.10.0"));
        assert_eq!(newest(["1.0.0", "0.99.99"]), Some("1.0.0"));
        assert_eq!(newest([]), None);
    }
}
