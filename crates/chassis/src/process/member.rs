//! One service of a process, its type forgotten.

use std::{path::Path, process::ExitCode, sync::Arc};

use async_trait::async_trait;
use clap::{ArgMatches, Command};
use database::{Db, MigrationTrait};
use figment::Figment;
use identity::{HttpKeySource, Verifier};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::{
    assembled::{Assembled, Configured},
    cli,
    clock::Clock,
    service::Service,
    settings::{self, Core, Layers, Settings},
    tasks::Tasks,
};

/// Reads a service's settings, or tells every mistake in them.
type Configure = fn(&Figment) -> Result<Box<dyn Ready>, Vec<String>>;
/// Carries out a command of a service with these settings.
type Execute = fn(&ArgMatches, Layers) -> ExitCode;

/// A service that the process was told of.
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) defaults: &'static str,
    /// TOML over everything else.
    pub(super) overrides: String,
    pub(super) configure: Configure,
    pub(super) command: fn() -> Command,
    pub(super) execute: Execute,
}

impl Member {
    pub(super) fn new<S: Service>(overrides: String) -> Self {
        Self {
            name: S::NAME,
            defaults: S::Settings::DEFAULTS,
            overrides,
            configure: |figment| {
                let configured = Configured::<S>::read(figment)?;
                Ok(Box::new(configured))
            },
            command: cli::command::<S>,
            execute: cli::execute::<S>,
        }
    }
}

/// A service whose settings are in order.
#[async_trait]
pub(super) trait Ready: Send {
    fn core(&self) -> &Core;

    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>>;

    async fn assemble(
        self: Box<Self>,
        db: Db,
        clock: Clock,
        verifier: Arc<Verifier>,
        metrics: Registry,
        tasks: Tasks,
        stop: CancellationToken,
    ) -> anyhow::Result<Assembled>;
}

#[async_trait]
impl<S: Service> Ready for Configured<S> {
    fn core(&self) -> &Core {
        &self.core
    }

    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        crate::migrations::<S>()
    }

    async fn assemble(
        self: Box<Self>,
        db: Db,
        clock: Clock,
        verifier: Arc<Verifier>,
        metrics: Registry,
        tasks: Tasks,
        stop: CancellationToken,
    ) -> anyhow::Result<Assembled> {
        Assembled::new::<S>(*self, db, clock, verifier, metrics, tasks, stop).await
    }
}

/// Opens the service's database; makes the folder of an SQLite file.
///
/// # Errors
/// One line that says what to do.
pub(crate) async fn open(settings: &settings::Database) -> anyhow::Result<Db> {
    if let Some(file) = settings.file() {
        writable(&file).map_err(|error| anyhow::anyhow!("{}: cannot be written: {error}", file.display()))?;
    }
    Ok(Db::open(&settings.options()).await?)
}

/// SQLite only says that it cannot open the file; the operating system says why.
fn writable(file: &Path) -> std::io::Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(file)
        .map(drop)
}

/// Verifies tokens by the keys that auth publishes.
///
/// # Errors
/// When the HTTP client cannot be set up.
pub(crate) fn verifier(settings: &settings::Identity) -> anyhow::Result<Arc<Verifier>> {
    let source = HttpKeySource::new(&settings.jwks_url, settings.jwks_host.as_deref())?;
    Ok(Arc::new(Verifier::new(source, &settings.issuer, &settings.audience)))
}
