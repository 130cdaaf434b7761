//! `release`: what this binary says of itself, for whoever has to know what it can run on. Needs no settings, no network and
//! no database: the release tool asks an image before anything of it runs.

use std::collections::BTreeMap;

use contracts::{EventKind, consumers, event};
use statement::{Migration, Statement};

use crate::service::Service;

/// Version of the first release that there was.
const FIRST: &str = "0.1.0";
/// Where an image has the commit that it was built from. Not in the binary, which is the same for all commits that leave its
/// source alone.
const REVISION: &str = "/etc/cloudtaskhub-revision";

/// What the binary of `S` says of itself.
pub fn statement<S: Service>() -> Statement {
    let contractions = S::contractions();
    let migrations: Vec<Migration> = crate::migrations::<S>()
        .iter()
        .map(|migration| {
            let known = contractions
                .iter()
                .find(|contraction| contraction.name == migration.name());
            known.cloned().unwrap_or_else(|| Migration::expansion(migration.name()))
        })
        .collect();
    let kinds = event::catalogue();
    let hashed = |kind: &EventKind| (kind.type_name.to_owned(), kind.fingerprint());
    let publishes: BTreeMap<String, String> = kinds
        .iter()
        .filter(|kind| kind.topic.publisher() == S::NAME)
        .map(hashed)
        .collect();
    let consumes = kinds
        .iter()
        .filter(|kind| consumers::of(kind.type_name).contains(&S::NAME));
    let retired: Vec<_> = event::retired()
        .into_iter()
        .filter(|retired| publishes.contains_key(&retired.successor))
        .collect();
    let since_contractions = migrations.iter().filter_map(|migration| migration.contraction.as_ref());
    let since = since_contractions
        .map(|contraction| contraction.since.as_str())
        .chain(retired.iter().map(|retired| retired.since.as_str()));
    let oldest = statement::newest(since.chain([FIRST])).unwrap_or(FIRST).to_owned();
    Statement {
        service: S::NAME.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision: std::fs::read_to_string(REVISION)
            .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned()),
        oldest_release: oldest,
        head: migrations.last().map(|last| last.name.clone()).unwrap_or_default(),
        consumes: consumes.map(hashed).collect(),
        migrations,
        publishes,
        retired,
    }
}
