//! The command line that every service has: `serve`, `migrate`, `release`, `openapi`, `healthcheck`, `events …`, and its own
//! commands.

mod events;
mod health;
mod release;

pub use self::release::statement;

use std::{io::Write, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches, Command};
use database::Db;

use crate::{
    assembled::Configured,
    clock::Clock,
    process::{self, Process, USAGE, complain},
    service::Service,
    settings::{self, Layers, Source},
};

/// What a service's own command has before it.
pub struct Desk<S> {
    /// The service's settings.
    pub settings: S,
    /// Its database, migrated.
    pub db: Db,
    /// The time.
    pub clock: Clock,
}

/// `main` of a service's binary.
pub fn run<S: Service>() -> ExitCode {
    let matches = command::<S>().get_matches();
    let process = Process::new(S::NAME).service::<S>("");
    match matches.subcommand() {
        None | Some(("serve", _)) => process.run(),
        Some(_) => process.execute(S::NAME, &matches),
    }
}

/// The command line of `S`.
pub(crate) fn command<S: Service>() -> Command {
    Command::new(S::NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about(format!("The {} service of CloudTaskHub. Settings: CLOUDTASKHUB_… variables, or a file named by CLOUDTASKHUB_CONFIG.", S::NAME))
        .subcommand(Command::new("serve").about("Run the service (the default)"))
        .subcommand(Command::new("migrate").about("Bring the database to this release's schema, and end"))
        .subcommand(Command::new("release").about("Print what this release can run on and what it says, as JSON"))
        .subcommand(Command::new("openapi").about("Print the OpenAPI document"))
        .subcommand(
            Command::new("healthcheck")
                .about("Ask the running service how it is; exit 0 when it is well")
                .arg(Arg::new("live").long("live").action(ArgAction::SetTrue).help("Ask /livez instead of /readyz")),
        )
        .subcommand(events::command())
        .subcommands(S::commands())
}

/// Carries out a command other than `serve` with settings from `layers`.
pub(crate) fn execute<S: Service>(matches: &ArgMatches, layers: Layers) -> ExitCode {
    let (figment, mut mistakes) = layers.finish();
    let Some((name, arguments)) = matches.subcommand() else {
        complain(S::NAME, "no command is given; --help lists them");
        return ExitCode::from(USAGE);
    };
    // These need no more than they ask for: no secret, and no database but to migrate it.
    match name {
        "release" => {
            return tell(
                S::NAME,
                serde_json::to_string_pretty(&statement::<S>()).map_err(Into::into),
            );
        }
        "openapi" => {
            return tell(
                S::NAME,
                serde_json::to_string_pretty(&S::document()).map_err(Into::into),
            );
        }
        "healthcheck" => return tell(S::NAME, health::check(&figment, arguments.get_flag("live"))),
        "migrate" => {
            let mut source = Source::new(&figment);
            let database = settings::Database::read(&mut source);
            mistakes.extend(source.mistakes());
            return match database {
                Some(database) if mistakes.is_empty() => in_runtime::<S>(migrate::<S>(&database)),
                _ => refuse::<S>(&mistakes),
            };
        }
        _ => {}
    }
    let configured = match Configured::<S>::read(&figment) {
        Ok(configured) if mistakes.is_empty() => configured,
        Ok(_) => return refuse::<S>(&mistakes),
        Err(more) => {
            mistakes.extend(more);
            return refuse::<S>(&mistakes);
        }
    };
    in_runtime::<S>(carry_out::<S>(name, arguments, configured))
}

fn in_runtime<S: Service>(work: impl Future<Output = anyhow::Result<String>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tell(S::NAME, Err(error.into())),
    };
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    tell(S::NAME, done)
}

async fn migrate<S: Service>(database: &settings::Database) -> anyhow::Result<String> {
    let db = process::open(database).await?;
    let applied = database::migrate(&db, &crate::migrations::<S>()).await?;
    db.close().await?;
    if applied.is_empty() {
        return Ok("the schema is up to date".to_owned());
    }
    let lines: Vec<String> = applied.iter().map(|name| format!("applied {name}")).collect();
    Ok(lines.join("\n"))
}

async fn carry_out<S: Service>(
    name: &str,
    arguments: &ArgMatches,
    configured: Configured<S>,
) -> anyhow::Result<String> {
    let db = process::open(&configured.core.database).await?;
    database::migrate(&db, &crate::migrations::<S>()).await?;
    let answer = match name {
        "events" => events::execute::<S>(arguments, configured, &db).await?,
        own => {
            S::command(
                own,
                arguments,
                &Desk {
                    settings: configured.own,
                    db: db.clone(),
                    clock: Clock::system(),
                },
            )
            .await?
        }
    };
    db.close().await?;
    Ok(answer)
}

fn refuse<S: Service>(mistakes: &[String]) -> ExitCode {
    for mistake in mistakes {
        complain(S::NAME, mistake);
    }
    ExitCode::from(USAGE)
}

fn tell(name: &str, done: anyhow::Result<String>) -> ExitCode {
    match done {
        Ok(text) => {
            // `… | head` closes the pipe: nothing to complain about.
            let _ = writeln!(std::io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(name, &messaging::worker::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
