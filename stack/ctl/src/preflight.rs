//! What is looked at before anything changes. All that is wrong is found at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Serialize;

use crate::{
    definition::{Definition, FileConfig},
    gate::{self, Direction, Installed},
    image::{self, Pinned},
    ledger::{Entry, Standing},
    release::Releaser,
    statement::{self, Statement},
};

/// What is checked, and how strictly.
#[derive(Debug, Clone, clap::Args)]
pub struct Checks {
    /// So many gigabytes have to be free on this node.
    #[arg(long, value_name = "GIGABYTES", env = "MIN_FREE_GB", default_value_t = 2.0)]
    pub min_free: f64,
    /// Images that no registry has are on every node by the same name.
    #[arg(long, env = "IMAGES_EVERYWHERE", value_parser = clap::builder::FalseyValueParser::new())]
    pub images_everywhere: bool,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What was looked at: image, secret, network, disk, compatibility …
    pub about: &'static str,
    /// What is wrong and what to do.
    pub text: String,
}

/// What a release needs beside its definition.
#[derive(Debug, Default)]
pub struct Supplies {
    /// Configs to be made.
    pub files: Vec<FileConfig>,
    /// Names that images of this node have to get: id, name, tag.
    pub aliases: Vec<(String, String, String)>,
    /// What the images say of themselves.
    pub statements: Vec<Statement>,
    /// For people: nothing to stop for.
    pub warnings: Vec<String>,
}

/// All that was found wrong; a release goes on when there is nothing.
#[derive(Debug, Default)]
pub struct Findings(Vec<Problem>);

impl Findings {
    /// Adds what is wrong.
    pub fn add(&mut self, about: &'static str, text: impl Into<String>) {
        self.0.push(Problem {
            about,
            text: text.into(),
        });
    }

    /// # Errors
    /// When something is wrong.
    pub fn verdict(self) -> Result<(), Vec<Problem>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

/// Finds every image and its name for good.
pub async fn pin_images(
    by: &Releaser<'_>,
    images: &BTreeSet<String>,
    findings: &mut Findings,
) -> BTreeMap<String, Pinned> {
    let everywhere = by.settings.checks.images_everywhere;
    let lookups = images.iter().map(|name| async move {
        (
            name.clone(),
            image::resolve(by.engine, &by.swarm, name, everywhere).await,
        )
    });
    let mut pinned = BTreeMap::new();
    for (name, found) in futures_util::future::join_all(lookups).await {
        match found {
            Ok(image) => drop(pinned.insert(name, image)),
            Err(problem) => findings.add("image", problem),
        }
    }
    pinned
}

/// What the images that can say it say of themselves. Those that are not on this node are fetched.
pub async fn ask_images(by: &Releaser<'_>, images: &BTreeSet<String>, findings: &mut Findings) -> Vec<Statement> {
    let engine = by.engine;
    let mut statements = Vec::new();
    for image in images {
        if !matches!(engine.local_image(image).await, Ok(Some(_))) {
            by.progress.say(format!("fetching {image}"));
            if let Err(error) = engine.cli(&["pull", "--quiet", image], None).await {
                findings.add("image", format!("{image} cannot be fetched: {error:#}"));
                continue;
            }
        }
        match statement::of(engine.docker(), image).await {
            Ok(statement) => statements.push(statement),
            Err(error) => findings.add("image", format!("{error:#}")),
        }
    }
    statements
}

/// What has to be there already: secrets, configs, networks, and room on the disk; and that nobody else is changing it.
///
/// # Errors
/// When the engine does not answer.
pub async fn surroundings(
    by: &Releaser<'_>,
    definition: &Definition,
    supplies: &Supplies,
    repairing: bool,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let (engine, swarm) = (by.engine, &by.swarm);
    let secrets: BTreeSet<String> = engine.secrets().await?.into_iter().map(|(name, _)| name).collect();
    for missing in definition.secrets().difference(&secrets) {
        findings.add(
            "secret",
            format!("the secret {missing} is missing; make secrets, or scripts/secrets set NAME FILE"),
        );
    }
    let configs: BTreeSet<String> = engine.config_names().await?.into_iter().collect();
    let coming: BTreeSet<String> = supplies.files.iter().map(|file| file.name.clone()).collect();
    for missing in definition
        .configs()
        .difference(&configs)
        .filter(|name| !coming.contains(*name))
    {
        findings.add(
            "config",
            format!("the config {missing} is missing: it is kept for the last releases only"),
        );
    }
    let networks: BTreeSet<String> = engine.swarm_networks().await?.into_iter().collect();
    for missing in definition.networks().difference(&networks) {
        findings.add("network", format!("the network {missing} is missing; make swarm-init"));
    }
    if let Some(problem) = no_room(&swarm.root, by.settings.checks.min_free) {
        findings.add("disk", problem);
    }
    if !swarm.nodes.iter().any(|node| node.usable) {
        findings.add("nodes", "no node takes tasks: docker node ls");
    }
    // Of a release that was killed nobody waits for the end.
    if !repairing {
        for service in engine.services(&by.stack).await? {
            let state = service.update.map(|update| update.state).unwrap_or_default();
            if state == "updating" || state == "rollback_started" {
                findings.add(
                    "update",
                    format!(
                        "another update of {} is under way ({state}): wait for its end (stackctl wait), or end it (docker service rollback {}_{0})",
                        service.name, by.stack
                    ),
                );
            }
        }
    }
    Ok(())
}

/// Whether this release may follow those that were.
pub fn compatibility(
    entries: &[Entry],
    standing: Standing<'_>,
    target: &[Statement],
    direction: Direction,
    findings: &mut Findings,
) {
    let running = match standing {
        Standing::Nothing => Vec::new(),
        Standing::Release(entry) => entry.begun.statements.clone(),
        Standing::Between(attempt, last) => last.unwrap_or(attempt).begun.statements.clone(),
    };
    let history = entries.iter().flat_map(|entry| &entry.begun.statements);
    let installed = Installed::after(history, running);
    if let Err(refusals) = gate::check(&installed, target, direction) {
        for refusal in refusals {
            findings.add("compatibility", refusal.to_string());
        }
    }
}

/// Free bytes where the engine keeps images. In a container that place is not to be seen; its own files are on the same disk.
pub(crate) fn free(root: &str) -> Option<u64> {
    let place = if Path::new(root).exists() { root } else { "/" };
    let room = rustix::fs::statvfs(place).ok()?;
    Some(room.f_bavail * room.f_frsize)
}

fn no_room(root: &str, wanted: f64) -> Option<String> {
    #[expect(clippy::cast_precision_loss, reason = "gigabytes")]
    let free = free(root)? as f64 / 1e9;
    (free < wanted).then(|| {
        format!("{free:.1} GB are free where the engine keeps images ({root}), {wanted} are wanted: docker image prune, or --min-free")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_a_problem() {
        assert_eq!(no_room("/", 0.0), None);
        assert!(no_room("/", 1e9).unwrap().contains("are free"));
    }
}
