//! A release from its lock to its record, and back when it fails.
//!
//! lock → plan (nothing changes) → begun in the ledger → configs → `docker stack deploy` → watch → smoke test → ended in the ledger
//! → prune. When anything after "begun" goes wrong, the stored definition of the last release that succeeded goes the same way,
//! as a whole: also services that came up are taken back, because a release is one thing.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use anyhow::Context;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    definition::Definition,
    engine::{Engine, Swarm},
    failure::Failure,
    ledger::{self, Begun, Ended, Entry, Kind, Ledger, Standing},
    lock::{self, Taken},
    notify::{Moment, Notice, Notifier},
    outcome::{Outcome, Verdict},
    plan::{Plan, Wish},
    preflight::{Checks, Supplies},
    report::Progress,
    trial::Trial,
    watch::{Before, Limits, Watch},
};

/// The label of configs that a release made; its value is the stack.
pub(crate) const CONFIG: &str = "cloudtaskhub.config";
/// How often `docker stack deploy` is tried when another writer was faster.
const ATTEMPTS: usize = 5;

/// How a release is done.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// What is checked before.
    #[command(flatten)]
    pub checks: Checks,
    /// How it is watched.
    #[command(flatten)]
    pub limits: Limits,
    /// How it is tried out.
    #[command(flatten)]
    pub trial: Trial,
    /// A lock that was not renewed for so many seconds is taken over.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = crate::watch::seconds)]
    pub lock_stale: Duration,
    /// Configs and images of so many releases that succeeded are kept.
    #[arg(long, value_name = "RELEASES", default_value_t = 10)]
    pub keep: usize,
}

/// Who releases what, where, and how.
#[derive(Debug)]
pub struct Releaser<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The Swarm that it manages.
    pub swarm: Swarm,
    /// The stack.
    pub stack: String,
    /// Who asks for it.
    pub actor: String,
    /// How it is done.
    pub settings: Settings,
    /// Where it is told.
    pub progress: Progress,
}

impl Releaser<'_> {
    /// Releases, from the lock to the record.
    ///
    /// # Errors
    /// When the engine does not answer, or the lock was lost on the way: then where it stopped is not known here.
    pub async fn release(&self, wish: &Wish) -> anyhow::Result<Outcome> {
        let begun = Instant::now();
        let (stale, purpose) = (self.settings.lock_stale, wish.purpose());
        let lock = match lock::take(self.engine, &self.stack, &self.actor, &purpose, stale).await? {
            Taken::Ours(lock) => lock,
            Taken::Theirs(holder) => {
                let mut outcome = Outcome::new(Verdict::Locked, &self.stack, &wish.name());
                outcome.holder = Some(holder);
                return Ok(outcome);
            }
        };
        if let Some(dead) = &lock.taken_over {
            self.progress
                .say(format!("took over the lock of {dead}: it does not live any more"));
        }
        let done = lock.during(&self.stack, self.released(wish)).await;
        let lost = done.is_err();
        let given = if lost { Ok(()) } else { lock.give_back().await };
        if let Err(error) = given {
            self.progress.say(format!("warning: {error:#}"));
        }
        let mut outcome = done??;
        outcome.seconds = begun.elapsed().as_secs_f64();
        Ok(outcome)
    }

    /// What a release would be, without a lock and without any change.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn rehearse(&self, wish: &Wish) -> anyhow::Result<(Outcome, Option<Plan>)> {
        let entries = Ledger::new(self.engine, &self.stack).read().await?;
        let begun = Instant::now();
        let repairing = matches!(ledger::standing(&entries), Standing::Between(..));
        let (mut outcome, plan) = match self.plan(wish, &entries, repairing).await? {
            Ok(plan) => (Outcome::new(Verdict::Planned, &self.stack, &plan.tag), Some(plan)),
            Err(problems) => (Outcome::refused(&self.stack, &wish.name(), problems), None),
        };
        outcome.seconds = begun.elapsed().as_secs_f64();
        Ok((outcome, plan))
    }

    async fn released(&self, wish: &Wish) -> anyhow::Result<Outcome> {
        let ledger = Ledger::new(self.engine, &self.stack);
        let mut entries = ledger.read().await?;
        self.close_killed(&ledger, &mut entries).await?;
        let repairing = matches!(ledger::standing(&entries), Standing::Between(..));
        let plan = match self.plan(wish, &entries, repairing).await? {
            Ok(plan) => plan,
            Err(problems) => return Ok(Outcome::refused(&self.stack, &wish.name(), problems)),
        };
        for warning in &plan.supplies.warnings {
            self.progress.say(format!("warning: {warning}"));
        }
        let begun = self.begin(&ledger, &entries, &plan).await?;
        let title = format!("release {} ({})", begun.number, begun.tag);
        self.progress.say(format!("{title} begins"));
        let notifier = Notifier::from_env();
        let previous = ledger::last_good(&entries);
        let mut notice = Notice {
            moment: Moment::Started,
            stack: self.stack.clone(),
            tag: begun.tag.clone(),
            previous: previous.map(|entry| entry.begun.tag.clone()),
            actor: self.actor.clone(),
            started_at: begun.started,
            seconds: None,
            reason: None,
        };
        self.tell(&notifier, &notice).await;

        let failure = self.roll_out(&plan.definition, &plan.supplies).await.err();
        let mut outcome = match failure {
            None => Outcome::new(Verdict::Succeeded, &self.stack, &begun.tag),
            Some(failure) => {
                self.progress.say(format!("{title}: {failure}"));
                self.go_back(&begun, previous, failure).await
            }
        };
        outcome.release = Some(begun.number);
        let reason = outcome.failure.as_ref().map(Failure::line);
        let reason = match (&reason, &outcome.restore_failure) {
            (Some(reason), Some(restore)) => Some(format!("{reason}; going back: {}", restore.line())),
            _ => reason,
        };
        let ended = Ended {
            outcome: match outcome.result {
                Verdict::Succeeded => ledger::Outcome::Succeeded,
                _ => ledger::Outcome::Failed,
            },
            reason: reason.clone(),
            ended: Timestamp::now(),
            restored: outcome.restored,
        };
        ledger
            .end(begun.number, &ended)
            .await
            .context("the end of the release could not be recorded")?;
        notice.moment = match (outcome.result, begun.kind) {
            (Verdict::Succeeded, Kind::Deploy) => Moment::Succeeded,
            (Verdict::Succeeded, Kind::Rollback) => Moment::RolledBack,
            (Verdict::Restored, _) => Moment::Restored,
            _ => Moment::Failed,
        };
        notice.seconds = Some(begun.started.duration_until(ended.ended).as_secs_f64());
        notice.reason = reason;
        self.tell(&notifier, &notice).await;
        if outcome.result == Verdict::Succeeded {
            // What could not be removed now is removed after the next release.
            match self.prune().await {
                Ok(pruned) if pruned.is_empty() => {}
                Ok(pruned) => self
                    .progress
                    .say(format!("removed what no kept release needs: {}", pruned.join(", "))),
                Err(error) => self
                    .progress
                    .say(format!("warning: old configs and images were not removed: {error:#}")),
            }
        }
        Ok(outcome)
    }

    /// Writes the end of a release that has begun and whose lock nobody held.
    async fn close_killed(&self, ledger: &Ledger<'_>, entries: &mut [Entry]) -> anyhow::Result<()> {
        for entry in entries.iter_mut().filter(|entry| entry.ended.is_none()) {
            let (title, actor) = (entry.title(), &entry.begun.actor);
            self.progress.say(format!(
                "{title} of {actor} was killed on its way, at {}: the stack is somewhere between two releases, which this one repairs",
                entry.begun.started
            ));
            let ended = Ended {
                outcome: ledger::Outcome::Interrupted,
                reason: Some(format!("killed on its way; noticed by {}", self.actor)),
                ended: Timestamp::now(),
                restored: None,
            };
            ledger.end(entry.begun.number, &ended).await?;
            entry.ended = Some(ended);
        }
        Ok(())
    }

    async fn begin(&self, ledger: &Ledger<'_>, entries: &[Entry], plan: &Plan) -> anyhow::Result<Begun> {
        let definition = &plan.definition;
        let begun = Begun {
            number: entries.last().map_or(0, |entry| entry.begun.number) + 1,
            kind: plan.kind,
            tag: plan.tag.clone(),
            target: plan.target,
            actor: self.actor.clone(),
            started: Timestamp::now(),
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            environment: plan.environment.clone(),
            images: definition.images(),
            configs: definition.configs().into_iter().collect(),
            secrets: definition.secrets().into_iter().collect(),
            statements: plan.supplies.statements.clone(),
            definition: definition.text(),
        };
        ledger.begin(&begun).await?;
        Ok(begun)
    }

    /// Brings a definition into the Swarm, watches it and tries it out. A signal is a failure: half a release is none.
    async fn roll_out(&self, definition: &Definition, supplies: &Supplies) -> Result<(), Failure> {
        tokio::select! {
            done = self.rolled_out(definition, supplies) => done,
            name = interrupted() => Err(Failure::of("waiting", format!("interrupted by {name}"))),
        }
    }

    async fn rolled_out(&self, definition: &Definition, supplies: &Supplies) -> Result<(), Failure> {
        let deploying = |error: anyhow::Error| Failure::of("deploying", format!("{error:#}"));
        for (image, name, tag) in &supplies.aliases {
            self.engine.tag(image, name, tag).await.map_err(deploying)?;
        }
        for file in &supplies.files {
            let labels = HashMap::from([(CONFIG.to_owned(), self.stack.clone())]);
            self.engine
                .create_config(&file.name, labels, &file.data)
                .await
                .map_err(deploying)?;
        }
        let before = Before::look(self.engine, &self.stack).await.map_err(deploying)?;
        self.stack_deploy(definition).await.map_err(deploying)?;
        let mut watch = Watch::definition(definition, before, self.settings.limits.clone());
        let settled = watch.settle(self.engine, &self.stack, &self.progress).await;
        self.progress.next();
        match settled {
            Ok(time) => self
                .progress
                .say(format!("all services run, after {:.0} s", time.as_secs_f64())),
            Err(fault) => {
                return Err(Failure::witnessed(self.engine, &self.swarm, &self.stack, watch.before(), fault).await);
            }
        }
        let tried = self.settings.trial.run(definition, &self.stack, &self.progress).await;
        tried.map_err(|error| Failure::of("smoke test", format!("{error:#}")))
    }

    /// Gives the whole stack to Docker. Services that are in it no more are removed.
    async fn stack_deploy(&self, definition: &Definition) -> anyhow::Result<()> {
        let mut arguments = vec![
            "stack",
            "deploy",
            "--prune",
            "--resolve-image",
            "never",
            "--with-registry-auth",
        ];
        // Newer command lines wait by themselves unless told not to; older ones do not know the word.
        let help = self.engine.cli(&["stack", "deploy", "--help"], None).await?;
        if help.contains("--detach") {
            arguments.push("--detach=true");
        }
        arguments.extend(["-c", "-", &self.stack]);
        let text = definition.text();
        let mut attempt = 1;
        loop {
            let Err(error) = self.engine.cli(&arguments, Some(&text)).await else {
                return Ok(());
            };
            // Swarm itself writes a service while it updates it.
            if attempt == ATTEMPTS || !format!("{error:#}").contains("out of sequence") {
                return Err(error);
            }
            attempt += 1;
        }
    }

    /// Brings the last release that succeeded back, with the same checks.
    async fn go_back(&self, begun: &Begun, previous: Option<&Entry>, failure: Failure) -> Outcome {
        let outcome = |verdict| Outcome::new(verdict, &self.stack, &begun.tag);
        let stack = &self.stack;
        let Some(previous) = previous else {
            let mut broken = outcome(Verdict::Broken);
            broken.failure = Some(failure);
            broken.services = self.conditions().await;
            broken.commands = vec![
                "no release has succeeded before: there is nothing to go back to, and the stack is left as it is"
                    .to_owned(),
                format!(
                    "again, when the cause is gone:  stackctl --stack {stack} deploy --tag {}",
                    begun.tag
                ),
                format!("or remove the stack:            docker stack rm {stack}"),
            ];
            return broken;
        };
        self.progress.say(format!("going back to {}", previous.title()));
        let restored = match self.stored(previous).await {
            Ok((definition, warnings)) => {
                for warning in warnings {
                    self.progress.say(format!("warning: {warning}"));
                }
                self.roll_out(&definition, &Supplies::default()).await
            }
            Err(error) => Err(Failure::of("going back", format!("{error:#}"))),
        };
        let Err(second) = restored else {
            let mut restored = outcome(Verdict::Restored);
            restored.failure = Some(failure);
            restored.restored = Some(previous.begun.number);
            return restored;
        };
        let mut broken = outcome(Verdict::Broken);
        let look = match &second.service {
            Some(service) => format!(
                "docker service ps --no-trunc {stack}_{service}; docker service logs --tail 50 {stack}_{service}"
            ),
            None => format!("stackctl --stack {stack} status"),
        };
        broken.commands = vec![
            format!("look at it:                    {look}"),
            format!(
                "then go back again:            stackctl --stack {stack} rollback --release {}",
                previous.begun.number
            ),
            format!("or forward, with what is good: stackctl --stack {stack} deploy --tag TAG"),
        ];
        broken.failure = Some(failure);
        broken.restore_failure = Some(second);
        broken.services = self.conditions().await;
        broken
    }

    /// How each service of the stack does now; empty when the engine does not say.
    pub(crate) async fn conditions(&self) -> BTreeMap<String, crate::watch::Condition> {
        let (Ok(services), Ok(tasks)) = (
            self.engine.services(&self.stack).await,
            self.engine.tasks(&self.stack).await,
        ) else {
            return BTreeMap::new();
        };
        let names = services.iter().map(|service| service.name.clone());
        // How often tasks failed tells how a service came here, not how it is.
        let limits = Limits {
            failures: usize::MAX,
            ..self.settings.limits.clone()
        };
        let mut watch = Watch::services(names, Before::default(), limits);
        watch.judge(&services, &tasks, Instant::now())
    }

    async fn tell(&self, notifier: &Notifier, notice: &Notice) {
        for warning in notifier.say(notice).await {
            self.progress.say(format!("warning: {warning}"));
        }
    }
}

/// Waits for a signal that asks to stop, and names it.
async fn interrupted() -> &'static str {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the signals end the process by themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
