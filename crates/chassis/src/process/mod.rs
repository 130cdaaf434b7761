//! The life of a process, from its settings to its exit code.
//!
//! Start: all settings (every mistake at once, exit 64) → telemetry → addresses → databases, migrations under a lock →
//! broker → services → consumers, relays, workers → ready. The addresses are taken early, so that an occupied port is told
//! before anything else happens, but nobody is answered before the end.
//!
//! Stop, at SIGTERM or SIGINT: `/readyz` 503 at once and serve on while the router notices; then stop consuming, end
//! streams, stop accepting and finish requests, stop workers, publish what is left, flush, exit 0. All of it is bounded.
//! A second signal exits at once. A task that panics stops the process in the same order, with exit code 70.

mod internal;
mod listener;
mod member;
mod run;
mod server;
mod signal;

use std::{
    collections::BTreeSet,
    io::Write,
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{ArgMatches, Command};
use tokio::net::TcpListener;

pub use self::server::Server;
use self::{
    internal::Health,
    listener::bind,
    member::{Member, Ready},
    signal::Signals,
};
pub(crate) use self::{
    member::{open, verifier},
    run::connect,
};
use crate::{
    service::Service,
    settings::{Core, Environment, Layers, LogFormat, Settings},
    tasks::Tasks,
    telemetry,
};

/// `EX_USAGE`: the settings are wrong.
pub(crate) const USAGE: u8 = 64;
/// `EX_SOFTWARE`: a task panicked.
const SOFTWARE: u8 = 70;

/// Where a process listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// For clients.
    pub public: SocketAddr,
    /// For the orchestrator.
    pub internal: SocketAddr,
}

type OnReady = Box<dyn FnOnce(&Addresses) + Send>;

/// One or several services in one process, on one address.
///
/// With several, the first part of the `Host` says which is meant, and each has settings of its own over the common ones.
/// Address, broker, telemetry and life of the process are those of the first.
pub struct Process {
    name: String,
    members: Vec<Member>,
    front: Option<String>,
    defaults: String,
    overrides: String,
    environment: Environment,
    on_ready: OnReady,
}

impl Process {
    /// A process called `name` in traces and logs, with the variables of the operating system.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            members: Vec::new(),
            front: None,
            defaults: String::new(),
            overrides: String::new(),
            environment: Environment::of_process(),
            on_ready: Box::new(|_| {}),
        }
    }

    /// Hosts `S`, with `overrides` (TOML) over all other settings, for it alone: `[database]\nurl = "…"`.
    #[must_use]
    pub fn service<S: Service>(mut self, overrides: impl Into<String>) -> Self {
        self.members.push(Member::new::<S>(overrides.into()));
        self
    }

    /// The service named `name` answers hosts that name none. Without it they are 404.
    #[must_use]
    pub fn front(mut self, name: impl Into<String>) -> Self {
        self.front = Some(name.into());
        self
    }

    /// Settings (TOML) over the built-in defaults, under file and environment.
    #[must_use]
    pub fn defaults(mut self, toml: impl Into<String>) -> Self {
        self.defaults = toml.into();
        self
    }

    /// Settings (TOML) over file and environment: what the command line says.
    #[must_use]
    pub fn overrides(mut self, toml: impl Into<String>) -> Self {
        self.overrides = toml.into();
        self
    }

    /// The variables to read instead of the operating system's.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Called once everything is ready: the place for a banner.
    #[must_use]
    pub fn on_ready(mut self, tell: impl FnOnce(&Addresses) + Send + 'static) -> Self {
        self.on_ready = Box::new(tell);
        self
    }

    /// Runs until the process has stopped. What goes wrong at start is one line on stderr.
    pub fn run(self) -> ExitCode {
        let name = self.name.clone();
        let configured = match self.configure() {
            Ok(configured) => configured,
            Err(mistakes) => {
                for mistake in mistakes {
                    complain(&name, &mistake);
                }
                return ExitCode::from(USAGE);
            }
        };
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                complain(&name, &format!("cannot start: {error}"));
                return ExitCode::FAILURE;
            }
        };
        let code = runtime.block_on(configured.live());
        // What still runs was given its time; waiting for it again could take for ever.
        runtime.shutdown_background();
        code
    }

    /// The command lines of its services, for a binary that has them below its own.
    pub fn commands(&self) -> impl Iterator<Item = Command> {
        self.members.iter().map(|member| (member.command)())
    }

    /// Carries out a command other than `serve` of the service named `service`, with the settings that it has here.
    pub fn execute(&self, service: &str, matches: &ArgMatches) -> ExitCode {
        match self.members.iter().find(|member| member.name == service) {
            Some(member) => (member.execute)(matches, self.layers(member)),
            None => {
                complain(&self.name, &format!("there is no service {service}"));
                ExitCode::from(USAGE)
            }
        }
    }

    /// What `member`'s settings are made of.
    fn layers(&self, member: &Member) -> Layers {
        let defaults = self.members.iter().map(|member| member.defaults);
        Layers::new(std::iter::once(Core::DEFAULTS).chain(defaults))
            .toml("defaults", &self.defaults)
            .environment(&self.environment)
            .toml("command line", &self.overrides)
            .toml(member.name, &member.overrides)
    }

    /// Reads all settings of all services.
    fn configure(self) -> Result<ConfiguredProcess, Vec<String>> {
        let mut mistakes = BTreeSet::new();
        let mut services = Vec::new();
        for member in &self.members {
            let (figment, wrong) = self.layers(member).finish();
            mistakes.extend(wrong);
            match (member.configure)(&figment) {
                Ok(service) => services.push((member.name, service)),
                Err(wrong) => mistakes.extend(wrong),
            }
        }
        let core = services.first().map(|(_, service)| service.core().clone());
        match core {
            Some(core) if mistakes.is_empty() => Ok(ConfiguredProcess {
                name: self.name,
                core,
                services,
                front: self.front,
                on_ready: self.on_ready,
            }),
            Some(_) => Err(mistakes.into_iter().collect()),
            None => {
                if mistakes.is_empty() {
                    mistakes.insert("there is no service to run".to_owned());
                }
                Err(mistakes.into_iter().collect())
            }
        }
    }
}

pub(crate) fn complain(name: &str, text: &str) {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "{name}: {text}");
}

/// A process whose settings are in order.
struct ConfiguredProcess {
    name: String,
    core: Core,
    services: Vec<(&'static str, Box<dyn Ready>)>,
    front: Option<String>,
    on_ready: OnReady,
}

impl ConfiguredProcess {
    /// Lives until a second signal, or to the end.
    async fn live(self) -> ExitCode {
        let name = self.name.clone();
        let collected = self.core.telemetry.log_format == LogFormat::Json;
        let mut signals = match Signals::listen() {
            Ok(signals) => signals,
            Err(error) => {
                complain(&name, &format!("cannot listen for signals: {error}"));
                return ExitCode::FAILURE;
            }
        };
        let telemetry = match telemetry::start(&self.core.telemetry, &name) {
            Ok(telemetry) => telemetry,
            Err(error) => {
                complain(&name, &messaging::worker::chain(&error));
                return ExitCode::FAILURE;
            }
        };
        let stop = tokio_util::sync::CancellationToken::new();
        let mut life = Box::pin(self.work(stop.clone()));
        let mut asked = false;
        let done = loop {
            tokio::select! {
                done = &mut life => break done,
                code = signals.next() => {
                    if asked {
                        tracing::warn!("a second signal: exiting at once");
                        // Dropping it would wait for clients that are just what the signal is about.
                        std::mem::forget(life);
                        return ExitCode::from(code);
                    }
                    asked = true;
                    stop.cancel();
                }
            }
        };
        let code = match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(Failure::Start(error)) => {
                let text = messaging::worker::chain(error.as_ref());
                // For people one line is enough; who collects logs looks for it there.
                if collected {
                    tracing::error!(error = text, "cannot start");
                }
                complain(&name, &text);
                ExitCode::FAILURE
            }
            Err(Failure::Task(task)) => {
                complain(&name, &format!("the task {task} panicked; the log says where"));
                ExitCode::from(SOFTWARE)
            }
            Err(Failure::Unfinished(names)) => {
                complain(&name, &format!("stopped before {} had finished", names.join(", ")));
                ExitCode::FAILURE
            }
        };
        telemetry.flush(Duration::from_secs(5));
        code
    }
}

/// Why a process ends other than asked.
enum Failure {
    /// It could not start.
    Start(anyhow::Error),
    /// A task panicked.
    Task(String),
    /// Asked to stop, it had not finished in time.
    Unfinished(Vec<String>),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Start(error)
    }
}

/// Time that several steps share.
struct Budget(Instant);

impl Budget {
    fn of(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    fn left(&self) -> Duration {
        // A step that comes late still gets a moment to end properly.
        self.0
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(100))
    }
}

/// The sockets of a process, taken.
struct Sockets {
    public: TcpListener,
    internal: TcpListener,
}

impl Sockets {
    async fn take(core: &Core) -> anyhow::Result<(Self, Addresses)> {
        let public = bind(core.http.listen, "http.listen").await?;
        let internal = bind(core.http.internal_listen, "http.internal_listen").await?;
        let addresses = Addresses {
            public: public.local_addr()?,
            internal: internal.local_addr()?,
        };
        Ok((Self { public, internal }, addresses))
    }
}
