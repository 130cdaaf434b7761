//! The command line.

use anyhow::ensure;
use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::json;
use stackctl::{
    diff::Diff,
    engine::Engine,
    ledger::{self, Entry, Ledger},
    lock,
    plan::{Choice, Wish},
    release::{Releaser, Settings},
    report::{Progress, print, table},
    sources::Sources,
    watch::{Before, Watch},
};

/// Releases of the stack on Docker Swarm: one at a time, watched to the end, recorded, and undone when they fail.
///
/// Exit status: 0 it stands; 1 wrong usage or unforeseen; 2 refused, nothing changed; 3 another release holds the lock;
/// 4 failed, the previous release is back and tested; 5 failed, and what stands is not tested; 6 refused, because the
/// releases do not fit together.
#[derive(Parser)]
#[command(name = "stackctl", version)]
pub(crate) struct Arguments {
    /// Name of the stack.
    #[arg(long, global = true, env = "STACK", default_value = "cloudtaskhub")]
    stack: String,
    /// The result on stdout: for people, or one JSON document. Progress is on stderr.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    output: Format,
    /// In whose name; by itself, user@host.
    #[arg(long, global = true, env = "RELEASE_ACTOR")]
    actor: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Release the images of a tag, with today's stack files.
    Deploy {
        #[command(flatten)]
        sources: Sources,
        #[command(flatten)]
        settings: Settings,
        /// Look at everything and show what would change; change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Go back to an earlier release, with the stack files it had.
    Rollback {
        #[command(flatten)]
        choice: Choice,
        #[command(flatten)]
        settings: Settings,
        /// Look at everything and show what would change; change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show what a deploy would change: images, configs, secrets, settings, migrations.
    Diff {
        #[command(flatten)]
        sources: Sources,
        #[command(flatten)]
        settings: Settings,
    },
    /// List the releases: tag, when, who, how long, result and why.
    Releases {
        /// So many of the newest.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Show one release: its record, and the definition that was deployed.
    Show {
        /// Its number.
        release: u64,
        /// Only the definition, as it was given to docker stack deploy.
        #[arg(long)]
        definition: bool,
    },
    /// Show what stands: services, replicas, versions, health, consumer lag, disk.
    Status {
        #[command(flatten)]
        settings: Settings,
    },
    /// Wait until services run as they are specified.
    Wait {
        /// Only this one; may be given several times.
        #[arg(long = "service")]
        services: Vec<String>,
        /// Rollbacks and pauses of updates that began before this time (RFC 3339) are no failures.
        #[arg(long, value_name = "TIME", default_value = "")]
        since: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Remove configs and images that no kept release needs; each release does so too.
    Prune {
        #[command(flatten)]
        settings: Settings,
    },
    /// Break the lock of a release that lives no more.
    Unlock {
        /// Ask nothing.
        #[arg(long)]
        yes: bool,
    },
}

/// Does it, and answers the exit status.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<u8> {
    let engine = Engine::connect()?;
    let Arguments {
        stack,
        output,
        actor,
        command,
    } = arguments;
    let actor = actor.filter(|actor| !actor.is_empty()).map_or_else(lock::actor, Ok)?;
    let releaser = async |settings: Settings| {
        anyhow::Ok(Releaser {
            engine: &engine,
            swarm: engine.swarm().await?,
            stack: stack.clone(),
            actor: actor.clone(),
            settings,
            progress: Progress::new(),
        })
    };
    match command {
        Command::Deploy {
            sources,
            settings,
            dry_run,
        } => release(&releaser(settings).await?, Wish::Deploy(sources), dry_run, output).await,
        Command::Rollback {
            choice,
            settings,
            dry_run,
        } => release(&releaser(settings).await?, Wish::Rollback(choice), dry_run, output).await,
        Command::Diff { sources, settings } => {
            rehearse(&releaser(settings).await?, &Wish::Deploy(sources), output).await
        }
        Command::Releases { limit } => {
            engine.swarm().await?;
            let entries = Ledger::new(&engine, &stack).read().await?;
            let newest = &entries[entries.len().saturating_sub(limit)..];
            answer(output, newest, || releases(newest))
        }
        Command::Show { release, definition } => {
            engine.swarm().await?;
            let entries = Ledger::new(&engine, &stack).read().await?;
            show(&entries, release, definition, output)
        }
        Command::Status { settings } => {
            let status = releaser(settings).await?.status().await?;
            answer(output, &status, || status.to_string())
        }
        Command::Wait {
            services,
            since,
            settings,
        } => wait(&releaser(settings).await?, services, &since, output).await,
        Command::Prune { settings } => {
            let removed = releaser(settings).await?.prune().await?;
            answer(output, &removed, || match removed.len() {
                0 => "nothing to remove".to_owned(),
                _ => removed.join("\n"),
            })
        }
        Command::Unlock { yes } => {
            engine.swarm().await?;
            unlock(&engine, &stack, yes, output).await
        }
    }
}

async fn release(releaser: &Releaser<'_>, wish: Wish, dry_run: bool, output: Format) -> anyhow::Result<u8> {
    if dry_run {
        return rehearse(releaser, &wish, output).await;
    }
    // The whole way is one big future.
    let outcome = Box::pin(releaser.release(&wish)).await?;
    answer(output, &outcome, || outcome.to_string())?;
    Ok(outcome.exit_code)
}

async fn rehearse(releaser: &Releaser<'_>, wish: &Wish, output: Format) -> anyhow::Result<u8> {
    let (outcome, plan) = releaser.rehearse(wish).await?;
    let entries = Ledger::new(releaser.engine, &releaser.stack).read().await?;
    let Some(plan) = plan else {
        answer(output, &outcome, || outcome.to_string())?;
        return Ok(outcome.exit_code);
    };
    for warning in &plan.supplies.warnings {
        releaser.progress.say(format!("warning: {warning}"));
    }
    let diff = Diff::between(releaser.engine, &releaser.stack, ledger::standing(&entries), &plan).await?;
    answer(output, &json!({"outcome": outcome, "diff": diff}), || {
        format!("{diff}\n{outcome}")
    })?;
    Ok(outcome.exit_code)
}

fn releases(entries: &[Entry]) -> String {
    let rows = entries.iter().rev().map(|entry| {
        let begun = &entry.begun;
        let result = match &entry.ended {
            None => "under way, or killed".to_owned(),
            Some(ended) => match (ended.outcome, ended.restored) {
                (ledger::Outcome::Succeeded, _) => "succeeded".to_owned(),
                (ledger::Outcome::Interrupted, _) => "killed".to_owned(),
                (ledger::Outcome::Failed, Some(number)) => format!("failed, back on {number}"),
                (ledger::Outcome::Failed, None) => "failed, not restored".to_owned(),
            },
        };
        let what = match (begun.kind, begun.target) {
            (ledger::Kind::Rollback, Some(target)) => format!("rollback to {target}"),
            (ledger::Kind::Rollback, None) => "rollback".to_owned(),
            (ledger::Kind::Deploy, _) => "deploy".to_owned(),
        };
        let reason = entry
            .ended
            .as_ref()
            .and_then(|ended| ended.reason.clone())
            .unwrap_or_default();
        vec![
            begun.number.to_string(),
            what,
            begun.tag.clone(),
            begun.started.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            begun.actor.clone(),
            entry
                .seconds()
                .map(|seconds| format!("{seconds:.0} s"))
                .unwrap_or_default(),
            result,
            reason.lines().next().unwrap_or_default().chars().take(120).collect(),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    table(
        &["RELEASE", "WHAT", "TAG", "WHEN", "WHO", "TOOK", "RESULT", "WHY"],
        &rows,
    )
}

fn show(entries: &[Entry], number: u64, definition: bool, output: Format) -> anyhow::Result<u8> {
    let entry = ledger::find(entries, number);
    let Some(entry) = entry else {
        anyhow::bail!("there is no release {number}; see: stackctl releases");
    };
    if definition {
        return answer(output, &entry.definition()?.value(), || entry.begun.definition.clone());
    }
    answer(output, entry, || {
        let begun = &entry.begun;
        let mut text = releases(std::slice::from_ref(entry));
        for (service, image) in &begun.images {
            text += &format!("image    {service}: {image}\n");
        }
        for name in &begun.configs {
            text += &format!("config   {name}\n");
        }
        for name in &begun.secrets {
            text += &format!("secret   {name}\n");
        }
        for statement in &begun.statements {
            text += &format!(
                "schema   {}: {} ({} migrations)\n",
                statement.service,
                statement.head,
                statement.migrations.len()
            );
        }
        if !begun.statements.is_empty() {
            text += &format!("events   {}\n", stackctl::statement::events_hash(&begun.statements));
        }
        text
    })
}

async fn wait(releaser: &Releaser<'_>, mut services: Vec<String>, since: &str, output: Format) -> anyhow::Result<u8> {
    let found = releaser.engine.services(&releaser.stack).await?;
    ensure!(!found.is_empty(), "there is no stack {}; make deploy", releaser.stack);
    let prefix = format!("{}_", releaser.stack);
    for service in &mut services {
        if let Some(short) = service.strip_prefix(&prefix) {
            *service = short.to_owned();
        }
    }
    if services.is_empty() {
        services.extend(found.iter().map(|service| service.name.clone()));
    }
    let before = Before::since(releaser.engine, &releaser.stack, since).await?;
    let mut watch = Watch::services(services, before, releaser.settings.limits.clone());
    let settled = watch.settle(releaser.engine, &releaser.stack, &releaser.progress).await;
    releaser.progress.next();
    match settled {
        Ok(took) => {
            let seconds = took.as_secs_f64();
            answer(output, &json!({"ready": true, "seconds": seconds}), || {
                format!("ready, after {seconds:.1} s")
            })
        }
        Err(fault) => {
            let failure = stackctl::failure::Failure::witnessed(
                releaser.engine,
                &releaser.swarm,
                &releaser.stack,
                watch.before(),
                fault,
            );
            let failure = failure.await;
            answer(output, &json!({"ready": false, "failure": failure}), || {
                failure.to_string()
            })?;
            Ok(1)
        }
    }
}

async fn unlock(engine: &Engine, stack: &str, yes: bool, output: Format) -> anyhow::Result<u8> {
    let Some(holder) = lock::holder(engine, stack).await? else {
        return answer(output, &json!({"unlocked": false}), || {
            "nobody holds the lock".to_owned()
        });
    };
    if !yes {
        Progress::new().say(format!(
            "{holder} holds the lock. If that release still lives it stops where it is. Type yes to go on:"
        ));
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        ensure!(line.trim() == "yes", "the lock stays");
    }
    lock::release_by_force(engine, stack).await?;
    answer(output, &json!({"unlocked": true, "holder": holder}), || {
        format!("broke the lock of {holder}")
    })
}

/// Writes the result in the wished form.
fn answer<T: Serialize + ?Sized>(output: Format, value: &T, text: impl FnOnce() -> String) -> anyhow::Result<u8> {
    match output {
        Format::Json => print(serde_json::to_string_pretty(value)?)?,
        Format::Text => print(text())?,
    }
    Ok(0)
}
