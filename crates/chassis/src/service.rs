//! What a service tells the chassis about itself, and what it gets.

use std::sync::Arc;

use database::{Db, MigrationTrait};
use identity::Verifier;
use messaging::{
    Reactions,
    worker::{Pace, Worker},
};
use poem::{Endpoint, EndpointExt, IntoEndpoint, Response, endpoint::BoxEndpoint};
use poem_openapi::{OpenApi, OpenApiService};
use prometheus_client::registry::Registry;
use statement::Migration;
use tokio_util::sync::CancellationToken;

use crate::{cli::Desk, clock::Clock, settings::Settings, tasks::Tasks};

/// One of the services.
#[async_trait::async_trait]
pub trait Service: Sized + Send + Sync + 'static {
    /// `project`: name of the binary, the consumer group, the settings' section, and first part of the host.
    const NAME: &'static str;
    /// What can be set beside what every service has.
    type Settings: Settings;

    /// Its own tables; those of outbox, inbox, dead letters and idempotency keys are added for it.
    fn migrations() -> Vec<Box<dyn MigrationTrait>>;

    /// Those of the migrations that remove something, each with the earlier one that made it superfluous:
    /// `Migration::contraction("m1009_drop_owner", "m1007_owners", "1.3.0")`. All others only add.
    fn contractions() -> Vec<Migration> {
        Vec::new()
    }

    /// Its API without anything behind it, for the OpenAPI document.
    fn document() -> serde_json::Value;

    /// Puts the service together. Nothing runs yet; the database is migrated.
    ///
    /// # Errors
    /// Why it cannot start, as one line an operator understands.
    async fn assemble(boot: &mut Boot<Self::Settings>) -> anyhow::Result<Assembly>;

    /// The operator's commands that only this service has: `users promote`.
    fn commands() -> Vec<clap::Command> {
        Vec::new()
    }

    /// Carries out one of [`Service::commands`]; answers what to print.
    ///
    /// # Errors
    /// Why it was not done, as one line an operator understands.
    async fn command(name: &str, arguments: &clap::ArgMatches, desk: &Desk<Self::Settings>) -> anyhow::Result<String> {
        let _ = (arguments, desk);
        anyhow::bail!("{} has no command {name}", Self::NAME)
    }
}

/// What a service is put together from.
pub struct Boot<S> {
    /// Its settings.
    pub settings: S,
    /// Its database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Verifies callers' tokens; also set up for [`identity::Bearer`].
    pub verifier: Arc<Verifier>,
    /// Its metrics.
    pub metrics: Registry,
    /// Runs what it does beside requests and workers; such a task ends by itself when [`Boot::stop`] is cancelled.
    pub tasks: Tasks,
    /// Cancelled when the process begins to stop; long answers (streams) end then.
    pub stop: CancellationToken,
}

/// A service put together.
pub struct Assembly {
    /// What it serves.
    pub api: Api,
    /// What it does when it hears events.
    pub reactions: Reactions,
    /// What it does by itself, and how often.
    pub workers: Vec<(Box<dyn Worker>, Pace)>,
}

/// HTTP operations and the document that describes them.
pub struct Api {
    /// Serves the operations.
    pub endpoint: BoxEndpoint<'static, Response>,
    /// OpenAPI 3.
    pub document: serde_json::Value,
}

impl Api {
    /// The operations of `operations`, documented under `title`.
    pub fn new<T: OpenApi + 'static>(title: &str, operations: T) -> Self {
        let endpoint = OpenApiService::new(operations, title, env!("CARGO_PKG_VERSION")).into_endpoint();
        Self {
            endpoint,
            document: Self::document::<T>(title),
        }
    }

    /// The document of the operations `T` alone, for [`Service::document`].
    pub fn document<T: OpenApi>(title: &str) -> serde_json::Value {
        crate::http::document::document::<T>(title)
    }

    /// Wraps the endpoint: data that handlers ask for, middleware of one service.
    #[must_use]
    pub fn map<E: Endpoint<Output = Response> + 'static>(
        self,
        wrap: impl FnOnce(BoxEndpoint<'static, Response>) -> E,
    ) -> Self {
        Self {
            endpoint: wrap(self.endpoint).boxed(),
            document: self.document,
        }
    }
}
