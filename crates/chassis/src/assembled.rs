//! A service put together in its database: what a process runs and what a test calls.

use std::sync::Arc;

use database::{Db, MigrationTrait};
use figment::Figment;
use identity::Verifier;
use messaging::{
    Reactions,
    worker::{Pace, Worker},
};
use poem::{EndpointExt, Response, endpoint::BoxEndpoint};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    http::{Stack, idempotency::CreateIdempotencyKeys},
    service::{Assembly, Boot, Service},
    settings::{Core, Settings, Source},
    tasks::Tasks,
};

/// The settings of one service, read and checked.
pub struct Configured<S: Service> {
    /// What every service has.
    pub core: Core,
    /// Its own.
    pub own: S::Settings,
}

impl<S: Service> Configured<S> {
    /// Reads both from `figment`; every mistake is one line.
    ///
    /// # Errors
    /// All mistakes.
    pub fn read(figment: &Figment) -> Result<Self, Vec<String>> {
        let mut source = Source::new(figment);
        let (core, own) = (Core::parse(&mut source), S::Settings::parse(&mut source));
        let mistakes = source.mistakes();
        match (core, own) {
            (Some(core), Some(own)) if mistakes.is_empty() => Ok(Self { core, own }),
            _ => Err(mistakes),
        }
    }
}

/// Every table of `S`: the messaging's, the chassis', its own.
pub fn migrations<S: Service>() -> Vec<Box<dyn MigrationTrait>> {
    let mut all = messaging::migrations();
    all.push(Box::new(CreateIdempotencyKeys));
    all.extend(S::migrations());
    all
}

/// A service put together. Nothing of it runs yet.
pub struct Assembled {
    /// Its database.
    pub db: Db,
    /// Its HTTP, with everything around it.
    pub endpoint: BoxEndpoint<'static, Response>,
    /// OpenAPI 3.
    pub document: serde_json::Value,
    /// What it does when it hears events.
    pub reactions: Reactions,
    /// What it does by itself.
    pub workers: Vec<(Box<dyn Worker>, Pace)>,
    /// Its metrics.
    pub metrics: Registry,
}

impl Assembled {
    /// Puts `S` together on a migrated database.
    ///
    /// # Errors
    /// Why it cannot start, as one line an operator understands.
    pub async fn new<S: Service>(
        configured: Configured<S>,
        db: Db,
        clock: Clock,
        verifier: Arc<Verifier>,
        metrics: Registry,
        tasks: Tasks,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let Configured { core, own } = configured;
        let mut boot = Boot {
            settings: own,
            db,
            clock,
            verifier,
            metrics,
            tasks,
            stop,
        };
        let Assembly {
            api,
            reactions,
            workers,
        } = S::assemble(&mut boot).await?;
        let document = api.document.clone();
        let stack = Stack::new(S::NAME, api, boot.verifier, core.http, &mut boot.metrics);
        Ok(Self {
            db: boot.db,
            endpoint: stack.boxed(),
            document,
            reactions,
            workers,
            metrics: boot.metrics,
        })
    }
}
