//! Starting, serving and stopping, step by step.

use std::time::Duration;

use database::Db;
use messaging::{
    Broker, Consumer, Metrics, Relay,
    inbox::Intake,
    metrics::Sampler,
    prune::Prune,
    worker::{self, Pace, Progress, Worker},
};
use poem::{Response, endpoint::BoxEndpoint};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use super::{
    Budget, ConfiguredProcess, Failure, Health, Server, Sockets, Tasks,
    listener::Hosts,
    member::{self, Ready},
};
use crate::{
    clock::Clock,
    http::idempotency,
    settings::{self, BrokerPlace, Core},
};

/// How often depths and ages are read from the database.
const SAMPLE: Duration = Duration::from_secs(5);
/// How often old rows are removed.
const PRUNE: Duration = Duration::from_secs(60);

/// What runs, in the order in which it is stopped.
struct Running {
    consumers: Stage,
    server: Stage,
    /// Services' workers and tasks. Their token is what services see as `Boot::stop`.
    workers: Stage,
    relays: Stage,
    internal: Stage,
}

/// Tasks that are stopped together.
struct Stage {
    tasks: Tasks,
    stop: CancellationToken,
}

impl Stage {
    fn new(related: &Tasks) -> Self {
        Self {
            tasks: related.group(),
            stop: CancellationToken::new(),
        }
    }

    async fn end(&self, within: Duration, unfinished: &mut Vec<String>) {
        self.stop.cancel();
        if let Err(names) = self.tasks.join(within).await {
            tracing::warn!(tasks = names.join(", "), "did not end in time");
            unfinished.extend(names);
        }
    }
}

impl ConfiguredProcess {
    /// The whole life; `stop` asks for its end.
    pub(super) async fn work(self, stop: CancellationToken) -> Result<(), Failure> {
        let Self {
            name,
            core,
            services,
            front,
            on_ready,
        } = self;
        let (sockets, addresses) = Sockets::take(&core).await?;
        let tasks = Tasks::default();
        let running = Running {
            consumers: Stage::new(&tasks),
            server: Stage::new(&tasks),
            workers: Stage::new(&tasks),
            relays: Stage::new(&tasks),
            internal: Stage::new(&tasks),
        };
        let health = Health::default();
        let server = Server::new(&core.http, Duration::from_secs(1));
        running.internal.tasks.spawn(
            "internal listener",
            server.serve(sockets.internal, health.clone(), running.internal.stop.clone()),
        );

        // Asked to stop while it waits for a database, it need not wait on.
        let started = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            started = start(&name, services, &core, &running, &health) => started?,
        };
        let hosts = Hosts::new(started.endpoints, front.as_deref());
        let server = Server::new(&core.http, core.process.stop / 2);
        let mut metrics = Registry::default();
        server.register_metrics(&mut metrics);
        health.publish_metrics(metrics);
        running.server.tasks.spawn(
            "listener",
            server.serve(sockets.public, hosts, running.server.stop.clone()),
        );
        if core.broker.down {
            tracing::warn!("the broker goes down now, as broker.down asks");
            started.broker.interrupt().map_err(anyhow::Error::from)?;
        }
        health.ready();
        tracing::info!(public = %addresses.public, internal = %addresses.internal, "ready");
        on_ready(&addresses);

        let failed = tokio::select! {
            () = stop.cancelled() => None,
            name = tasks.failed() => Some(name),
        };
        health.stopping();
        if failed.is_none() {
            tracing::info!(
                drain_ms = core.process.drain.as_millis(),
                "stopping: serving on until the router has noticed"
            );
            tokio::time::sleep(core.process.drain).await;
        }
        let unfinished = running
            .end(&started.databases, &started.broker, core.process.stop)
            .await;
        match failed {
            Some(name) => Err(Failure::Task(name)),
            None if unfinished.is_empty() => Ok(()),
            None => Err(Failure::Unfinished(unfinished)),
        }
    }
}

impl Running {
    /// Stops everything in order, all of it within `time`.
    async fn end(self, databases: &[Db], broker: &Broker, time: Duration) -> Vec<String> {
        let budget = Budget::of(time);
        let mut unfinished = Vec::new();
        self.consumers.end(budget.left(), &mut unfinished).await;
        // Streams end first, or the server would wait for them in vain.
        self.workers.stop.cancel();
        self.server.end(budget.left(), &mut unfinished).await;
        self.workers.end(budget.left(), &mut unfinished).await;
        self.relays.end(budget.left(), &mut unfinished).await;
        if let Err(error) = broker.flush(budget.left()).await {
            // The outbox still has them as unsent.
            tracing::warn!(error = %error, "the producer was not flushed");
        }
        for db in databases {
            if let Err(error) = db.close().await {
                tracing::warn!(error = %error, "closing a database");
            }
        }
        self.internal.end(budget.left(), &mut unfinished).await;
        tracing::info!("stopped");
        unfinished
    }
}

/// What a start has led to.
struct Started {
    endpoints: Vec<(&'static str, BoxEndpoint<'static, Response>)>,
    databases: Vec<Db>,
    broker: Broker,
}

/// A service put together, before anything of it runs.
struct Part {
    name: &'static str,
    intake: Intake,
    metrics: Metrics,
    workers: Vec<(Box<dyn Worker>, Pace)>,
    db: Db,
}

async fn start(
    process: &str,
    services: Vec<(&'static str, Box<dyn Ready>)>,
    core: &Core,
    running: &Running,
    health: &Health,
) -> anyhow::Result<Started> {
    let opened = futures_util::future::try_join_all(services.into_iter().map(async |(name, service)| {
        let db = member::open(&service.core().database).await?;
        database::migrate(&db, &service.migrations()).await?;
        anyhow::Ok((name, service, db))
    }));
    let opened = opened.await?;
    let broker = connect(&core.broker, process).await?;

    let (mut endpoints, mut databases, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for (name, service, db) in opened {
        let mut registry = Registry::with_labels([("service".into(), name.into())].into_iter());
        let metrics = Metrics::register(&mut registry);
        let verifier = member::verifier(&service.core().identity)?;
        let tasks = running.workers.tasks.of(name);
        let stop = running.workers.stop.clone();
        let assembled = service
            .assemble(db.clone(), Clock::system(), verifier, registry, tasks, stop)
            .await?;
        health.watch_database(name, db.clone());
        health.publish_metrics(assembled.metrics);
        endpoints.push((name, assembled.endpoint));
        databases.push(db.clone());
        let intake = Intake::new(db.clone(), name, env!("CARGO_PKG_VERSION"), assembled.reactions);
        parts.push(Part {
            name,
            intake,
            metrics,
            workers: assembled.workers,
            db,
        });
    }
    // Every consumer is known before the first relay runs: see Relay::new.
    for part in &parts {
        if !part.intake.reactions().is_empty() {
            let consumer = Consumer::new(broker.clone(), part.intake.clone(), part.metrics.clone())?;
            health.watch_progress(
                format!("{} consumer", part.name),
                consumer.progress(),
                core.process.stuck,
            );
            let work = consumer.run(running.consumers.stop.clone());
            running.consumers.tasks.of(part.name).spawn("consumer", work);
        }
    }
    for Part {
        name,
        metrics,
        workers,
        db,
        ..
    } in parts
    {
        let relay = Relay::new(db.clone(), broker.clone(), name, metrics.clone());
        run(name, Box::new(relay), Relay::PACE, &running.relays, health, core);
        let own: [(Box<dyn Worker>, Pace); 3] = [
            (Box::new(Sampler::new(db.clone(), metrics)), Pace::every(SAMPLE)),
            (Box::new(Prune::usual(db.clone())), Pace::every(PRUNE)),
            (Box::new(idempotency::Forget::new(db)), Pace::every(PRUNE)),
        ];
        for (worker, pace) in own.into_iter().chain(workers) {
            run(name, worker, pace, &running.workers, health, core);
        }
    }
    Ok(Started {
        endpoints,
        databases,
        broker,
    })
}

/// Runs `worker` in `stage`, watched by `/livez`.
fn run(service: &'static str, mut worker: Box<dyn Worker>, pace: Pace, stage: &Stage, health: &Health, core: &Core) {
    let name = worker.name();
    let progress = Progress::new(name);
    // A worker that pauses is not stuck.
    health.watch_progress(
        format!("{service} {name}"),
        progress.clone(),
        core.process.stuck + pace.idle + pace.last_retry,
    );
    let stop = stage.stop.clone();
    stage.tasks.of(service).spawn(
        name,
        async move { worker::run(worker.as_mut(), pace, progress, stop).await },
    );
}

pub(crate) async fn connect(settings: &settings::Broker, client: &str) -> anyhow::Result<Broker> {
    let broker = Broker::new(settings.messaging(client))?;
    if matches!(settings.place, BrokerPlace::Cluster(_)) {
        let end = tokio::time::Instant::now() + settings.wait;
        while let Err(error) = broker.ping(Duration::from_secs(5)).await {
            if tokio::time::Instant::now() >= end {
                return Err(error.into());
            }
            tracing::warn!(error = %error, "the broker does not answer yet");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    broker.create_topics().await?;
    Ok(broker)
}
