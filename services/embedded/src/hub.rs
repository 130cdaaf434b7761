//! Where everything is in an embedded hub, as settings of the services.

use std::{
    fs::{self, File},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use analytics::Analytics;
use anyhow::{Context, bail};
use auth::Auth;
use billing::Billing;
use chassis::{Process, Service};
use clap::ArgMatches;
use gateway::Gateway;
use notification::Notification;
use project::Project;

use crate::{Place, banner, secrets::Secrets};

/// Its hosts, by the first label of their names.
pub(crate) const HOSTS: [&str; 6] = [
    Gateway::NAME,
    Auth::NAME,
    Project::NAME,
    Billing::NAME,
    Notification::NAME,
    Analytics::NAME,
];

/// What a hub can be without: every service but the gateway, and the broker.
pub(crate) const PARTS: [&str; 6] = [
    Auth::NAME,
    Project::NAME,
    Billing::NAME,
    Notification::NAME,
    Analytics::NAME,
    BROKER,
];

const BROKER: &str = "broker";

/// Runs the hub until it is told to stop, without the parts of [`PARTS`] that `without` names.
pub(crate) fn serve(place: &Place, otlp: Option<&str>, without: &[String]) -> anyhow::Result<ExitCode> {
    let data = folder(&place.data)?;
    let _lock = lock(&data)?;
    let mut overrides = otlp.map_or_else(String::new, |endpoint| {
        format!("[telemetry]\notlp_endpoint = {}\n", quoted(endpoint))
    });
    if without.iter().any(|part| part == BROKER) {
        overrides.push_str("[broker]\ndown = true\n");
    }
    let process = services(&data, without)
        .front(Gateway::NAME)
        .defaults(defaults(place, &data)?)
        .overrides(overrides)
        .on_ready(move |addresses| banner::show(addresses, &data));
    Ok(process.run())
}

/// The services of the hub but for those in `without`, each with its own part of the data folder.
pub(crate) fn services(data: &Path, without: &[String]) -> Process {
    fn host<S: Service>(process: Process, data: &Path, without: &[String]) -> Process {
        if without.iter().any(|part| part == S::NAME) {
            return process;
        }
        process.service::<S>(own::<S>(data))
    }
    let process = Process::new("cloudtaskhub");
    let process = host::<Gateway>(process, data, without);
    let process = host::<Auth>(process, data, without);
    let process = host::<Project>(process, data, without);
    let process = host::<Billing>(process, data, without);
    let process = host::<Notification>(process, data, without);
    host::<Analytics>(process, data, without)
}

/// Carries out an operator's command of one service.
pub(crate) fn operate(place: &Place, service: &str, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    match matches.subcommand_name() {
        Some("serve") => bail!("in one process the services run together: cloudtaskhub serve"),
        // The same wherever the data is.
        Some("release") => return Ok(services(Path::new(""), &[]).execute(service, matches)),
        _ => {}
    }
    let data = folder(&place.data)?;
    let process = services(&data, &[]).defaults(defaults(place, &data)?);
    Ok(process.execute(service, matches))
}

/// The data folder by its full name; made when it is missing.
fn folder(data: &Path) -> anyhow::Result<PathBuf> {
    let hint = || {
        format!(
            "{}: cannot be used as data folder; choose another with --data",
            data.display()
        )
    };
    fs::create_dir_all(data).with_context(hint)?;
    data.canonicalize().with_context(hint)
}

/// Two hubs on one folder would publish each other's events.
fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.join("lock");
    let file = File::create(&path).with_context(|| format!("{}: cannot be written", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            bail!(
                "{}: another hub runs in this folder; stop it, or choose another with --data",
                data.display()
            )
        }
        Err(fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{}: cannot be locked", path.display()))
        }
    }
}

/// Settings that all services share, under file and environment.
fn defaults(place: &Place, data: &Path) -> anyhow::Result<String> {
    let Secrets {
        auth_key,
        notification_key,
        introspection,
    } = Secrets::in_folder(data)?;
    let port = place.port;
    let internal = match place.internal_port {
        Some(internal) => internal,
        None => port
            .checked_add(1)
            .context("--port must be less than 65535, or --internal-port given")?,
    };
    let host = Ipv4Addr::LOCALHOST;
    let mail = quoted(&format!("file://{}", data.join("mail").display()));
    let upstreams: String = gateway::settings::UPSTREAMS
        .map(|name| {
            format!("[gateway.upstreams.{name}]\nurl = \"http://{host}:{port}\"\nhost = \"{name}.localhost\"\n")
        })
        .concat();
    Ok(format!(
        r#"
[http]
listen = "{host}:{port}"
internal_listen = "{host}:{internal}"

# Each connection that reads holds page caches and statements, and more of them read no faster on a few cores.
[database]
max_connections = 3

# One process reads all there is: partitions would only keep more in memory.
[broker]
bootstrap = "embedded"
partitions = 1

[identity]
issuer = "http://auth.localhost:{port}"
jwks_url = "http://{host}:{port}/.well-known/jwks.json"
jwks_host = "auth.localhost"
introspection_secret = "{introspection}"

[telemetry]
log_format = "human"
log_filter = "warn,librdkafka=error"

[process]
drain_ms = 0
stop_s = 10

[auth]
master_key = "{auth_key}"
public_url = "http://auth.localhost:{port}"
mail_url = {mail}

# One busy machine calls more often than a free plan allows.
[gateway.limits]
plan_rates = false

[notification]
master_key = "{notification_key}"
public_url = "http://gateway.localhost:{port}"
mail_url = {mail}

{upstreams}"#
    ))
}

/// What is set for one service alone.
fn own<S: Service>(data: &Path) -> String {
    let file = data.join(format!("{}.db", S::NAME));
    // The gateway calls from this machine and says for whom; nobody says that to the gateway.
    let trusted = if S::NAME == Gateway::NAME {
        "[]"
    } else {
        "[\"127.0.0.0/8\"]"
    };
    let url = quoted(&format!("sqlite://{}?mode=rwc", file.display()));
    format!("[http]\ntrusted_proxies = {trusted}\n[database]\nurl = {url}\n")
}

/// A TOML text; what TOML would take for an escape is none.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use statement::{Migration, Statement};

    use super::*;

    fn release() -> Vec<(Statement, Vec<Migration>)> {
        fn of<S: Service>() -> (Statement, Vec<Migration>) {
            (chassis::statement::<S>(), S::contractions())
        }
        vec![
            of::<Gateway>(),
            of::<Auth>(),
            of::<Project>(),
            of::<Billing>(),
            of::<Notification>(),
            of::<Analytics>(),
        ]
    }

    #[test]
    fn what_each_service_says_of_its_release_is_sound() {
        for (statement, contractions) in release() {
            assert_eq!(statement.mistakes(), Vec::<String>::new());
            assert!(statement.knows("m0001_messaging") && statement.knows(&statement.head));
            let known = |contraction: &Migration| statement.knows(&contraction.name);
            assert!(
                contractions.iter().all(known),
                "{}: {contractions:?}",
                statement.service
            );
            let parts = statement.oldest_release.split('.').map(str::parse::<u32>);
            assert!(parts.filter(Result::is_ok).count() == 3, "{}", statement.oldest_release);
            let newest = statement::newest([statement.version.as_str(), &statement.oldest_release]);
            assert_eq!(
                newest,
                Some(statement.version.as_str()),
                "nothing is older than what is to come"
            );
        }
    }

    #[test]
    fn every_event_that_somebody_reacts_to_is_published_once_with_the_same_schema() {
        let release = release();
        for kind in contracts::event::catalogue() {
            let schema = |events: &std::collections::BTreeMap<String, String>| events.get(kind.type_name).cloned();
            let published: Vec<_> = release.iter().filter_map(|(one, _)| schema(&one.publishes)).collect();
            assert_eq!(published, [kind.fingerprint()], "{}", kind.type_name);
            let mut read = release.iter().filter_map(|(one, _)| schema(&one.consumes));
            assert!(read.all(|hash| hash == kind.fingerprint()), "{}", kind.type_name);
        }
        let analytics = release.iter().find(|(one, _)| one.service == "analytics");
        assert_eq!(
            analytics.map(|(one, _)| one.consumes.len()),
            Some(contracts::event::catalogue().len()),
            "it hears everything"
        );
    }
}
