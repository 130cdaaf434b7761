//! What a release will be: its definition and what that needs, looked at from all sides before anything changes.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;

use crate::{
    definition::Definition,
    gate::Direction,
    ledger::{self, Entry, Kind, Standing},
    preflight::{self, Findings, Problem, Supplies},
    release::Releaser,
    sources::Sources,
};

/// What is wished for.
#[derive(Debug, Clone)]
pub enum Wish {
    /// A definition that is made of today's files.
    Deploy(Sources),
    /// The definition of an earlier release.
    Rollback(Choice),
}

/// Which earlier release.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Choice {
    /// The newest release of this tag that succeeded. Without it: the last release that succeeded, before the one that stands.
    #[arg(long)]
    pub tag: Option<String>,
    /// The release of this number: stackctl releases.
    #[arg(long, value_name = "NUMBER", conflicts_with = "tag")]
    pub release: Option<u64>,
}

/// What a release will be.
#[derive(Debug)]
pub struct Plan {
    /// Deploy or rollback.
    pub kind: Kind,
    /// Which images.
    pub tag: String,
    /// Of a rollback: where to.
    pub target: Option<u64>,
    /// The environment, if one was named.
    pub environment: Option<String>,
    /// The whole stack.
    pub definition: Definition,
    /// What has to be made for it.
    pub supplies: Supplies,
}

impl Wish {
    /// What the lock says it is held for.
    #[must_use]
    pub fn purpose(&self) -> String {
        match self {
            Self::Deploy(sources) => format!("deploy {}", sources.tag),
            Self::Rollback(choice) => format!("rollback to {}", choice.name()),
        }
    }

    /// What it is called before it is known more exactly.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Deploy(sources) => sources.tag.clone(),
            Self::Rollback(choice) => choice.name(),
        }
    }
}

impl Choice {
    fn name(&self) -> String {
        let number = self.release.map(|number| format!("release {number}"));
        let named = number.or_else(|| self.tag.clone());
        named.unwrap_or_else(|| "the release before".to_owned())
    }

    /// Finds it.
    fn find<'a>(&self, entries: &'a [Entry]) -> Result<&'a Entry, String> {
        let good = || entries.iter().rev().filter(|entry| entry.succeeded());
        let tags: BTreeSet<&str> = good().map(|entry| entry.begun.tag.as_str()).collect();
        let tags = tags.into_iter().collect::<Vec<_>>().join(", ");
        match (&self.tag.as_ref().filter(|tag| !tag.is_empty()), self.release) {
            (_, Some(number)) => good().find(|entry| entry.begun.number == number).ok_or(format!(
                "there is no release {number} that succeeded; see: stackctl releases"
            )),
            (Some(tag), None) => good()
                .find(|entry| entry.begun.tag == **tag)
                .ok_or(format!("no release {tag} has succeeded; those that have: {tags}")),
            (None, None) => ledger::step_back(entries).ok_or(
                "no other release has succeeded before the one that stands; name one to go to (--tag)".to_owned(),
            ),
        }
    }
}

impl Releaser<'_> {
    /// Makes the plan, or finds all that is wrong with it.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn plan(
        &self,
        wish: &Wish,
        entries: &[Entry],
        repairing: bool,
    ) -> anyhow::Result<Result<Plan, Vec<Problem>>> {
        let mut findings = Findings::default();
        let standing = ledger::standing(entries);
        let plan = match wish {
            Wish::Deploy(sources) => self.plan_deploy(sources, &mut findings).await,
            Wish::Rollback(choice) => self.plan_rollback(choice, entries, &mut findings).await?,
        };
        let Some(plan) = plan else {
            return Ok(Err(findings.verdict().err().unwrap_or_default()));
        };
        let (definition, supplies) = (&plan.definition, &plan.supplies);
        preflight::surroundings(self, definition, supplies, repairing, &mut findings)
            .await
            .context("looking at the Swarm")?;
        let direction = match plan.kind {
            Kind::Deploy => Direction::Deploy,
            Kind::Rollback => Direction::Rollback,
        };
        let standing = if entries.is_empty() {
            Standing::Nothing
        } else {
            standing
        };
        preflight::compatibility(entries, standing, &supplies.statements, direction, &mut findings);
        Ok(findings.verdict().map(|()| plan))
    }

    async fn plan_deploy(&self, sources: &Sources, findings: &mut Findings) -> Option<Plan> {
        let composed = sources.compose(self.engine, &self.stack).await;
        let draft = composed
            .map_err(|error| findings.add("stack file", format!("{error:#}")))
            .ok()?;
        let names: BTreeSet<String> = draft.images().into_values().collect();
        let pinned = preflight::pin_images(self, &names, findings).await;
        let names: BTreeMap<String, String> = pinned
            .iter()
            .map(|(name, image)| (name.clone(), image.name.clone()))
            .collect();
        let definition = draft.pin(&names);
        // An image of this node has its new name only when the release begins.
        let stating = definition.stating_images();
        let known = pinned.iter().filter(|(_, image)| stating.contains(&image.name));
        let asked = known.map(|(name, image)| if image.local { name.clone() } else { image.name.clone() });
        let statements = preflight::ask_images(self, &asked.collect(), findings).await;
        let mut warnings = Vec::new();
        let unpinned = pinned.values().filter(|image| !image.lasting);
        for image in unpinned {
            warnings.push(format!(
                "{} is not pinned: each node takes what it has by this name",
                image.name
            ));
        }
        Some(Plan {
            kind: Kind::Deploy,
            tag: sources.tag.clone(),
            target: None,
            environment: sources.environment.clone().filter(|name| !name.is_empty()),
            definition,
            supplies: Supplies {
                files: draft.files,
                aliases: pinned.into_values().filter_map(|image| image.alias).collect(),
                statements,
                warnings,
            },
        })
    }

    async fn plan_rollback(
        &self,
        choice: &Choice,
        entries: &[Entry],
        findings: &mut Findings,
    ) -> anyhow::Result<Option<Plan>> {
        let target = match choice.find(entries) {
            Ok(target) => target,
            Err(problem) => {
                findings.add("release", problem);
                return Ok(None);
            }
        };
        let (definition, warnings) = self.stored(target).await?;
        let images: BTreeSet<String> = definition.images().into_values().collect();
        preflight::pin_images(self, &images, findings).await;
        Ok(Some(Plan {
            kind: Kind::Rollback,
            tag: target.begun.tag.clone(),
            target: Some(target.begun.number),
            environment: target.begun.environment.clone(),
            definition,
            supplies: Supplies {
                statements: target.begun.statements.clone(),
                warnings,
                ..Supplies::default()
            },
        }))
    }

    /// The definition of a release as it was, but for secrets that were exchanged since; and what to say of that.
    ///
    /// # Errors
    /// When it cannot be read, or the engine does not answer.
    pub(crate) async fn stored(&self, entry: &Entry) -> anyhow::Result<(Definition, Vec<String>)> {
        let existing = self.engine.secrets().await?.into_iter().map(|(name, _)| name).collect();
        let (definition, replaced) = entry.definition()?.with_secrets(&self.stack, &existing);
        let warnings = replaced
            .into_iter()
            .map(|(old, new)| format!("the secret {old} is gone: {new} is taken instead"));
        Ok((definition, warnings.collect()))
    }
}
