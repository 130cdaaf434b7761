//! What is taken away, on one machine or several, while people work.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::{
    cluster::Hand,
    hub::Hub,
    load::{Accepted, Meter, during},
    proof::{SERVICES, Witness},
    report::{Report, Window, say},
    swarm::{Stack, pause},
    team::{Person, Team},
};

/// Outages of a single machine.
pub(crate) const SINGLE: [&str; 5] = ["replicas", "billing", "kafka", "postgres", "traefik"];

/// The load goes on for so long after all is well again: what comes late is counted too.
const AFTERMATH: Duration = Duration::from_secs(2);

/// What all outages need.
pub(crate) struct Scene<'a> {
    pub(crate) hub: &'a Hub,
    pub(crate) stack: &'a Stack,
    pub(crate) admin: &'a mut Person,
    /// What cuts power and cables, where there are several machines.
    pub(crate) hand: Option<&'a Hand>,
}

impl Scene<'_> {
    /// Runs an outage by its name, counts, and reports.
    ///
    /// # Errors
    /// When it could not be run to its end; the stack is then in no state for another.
    pub(crate) async fn run(&mut self, name: &str, report: &mut Report) -> anyhow::Result<()> {
        say(format!("\n--- outage: {name}"))?;
        let team = Team::gather(self.hub).await?;
        let (accepted, windows) = during(self.hub, &team, &[], 0, async |meter| {
            self.take_away(name, &team, meter).await
        })
        .await
        .with_context(|| format!("outage {name}"))?;
        for window in &windows {
            let (what, load) = (&window.what, &window.load);
            say(format!("  {what}: {} requests, {} failed", load.sent, load.failed))?;
        }
        report.windows.extend(windows);
        self.prove(name, &team, &accepted, report).await
    }

    /// Counts what came of all that was accepted.
    pub(crate) async fn prove(
        &mut self,
        name: &str,
        team: &Team,
        accepted: &Accepted,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        // Tokens last ten minutes.
        self.admin.sign_in(self.hub).await?;
        let witness = Witness {
            hub: self.hub,
            stack: self.stack,
            admin: self.admin,
        };
        let counts = witness.count(team, accepted).await?;
        let exact = counts.exact();
        say(format!(
            "  {} tasks and {} orders, exact: {exact}",
            counts.tasks, counts.orders
        ))?;
        if exact {
            report.passed += 1;
        } else {
            report.broken.push(format!("{name}: {counts:?}"));
        }
        report.counts.push((name.to_owned(), counts));
        Ok(())
    }

    async fn take_away(&self, name: &str, team: &Team, meter: &Meter) -> anyhow::Result<Vec<Window>> {
        // Some load on a whole stack comes before.
        tokio::time::sleep(AFTERMATH).await;
        match name {
            "replicas" => self.replicas(meter).await,
            "billing" => self.billing(team, meter).await,
            "kafka" => self.kafka(meter).await,
            "postgres" => self.restarted("postgres", "PostgreSQL restarted", meter).await,
            "traefik" => self.restarted("traefik", "Traefik restarted", meter).await,
            _ => self.machine(name, meter).await,
        }
    }

    /// Measures from the begin of `outage` until the stack has settled, and a little longer.
    pub(crate) async fn watch(
        &self,
        what: &str,
        meter: &Meter,
        outage: impl AsyncFnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<Window> {
        let (begun, before) = (Instant::now(), meter.read());
        outage().await?;
        let asked = begun.elapsed();
        let healed = asked + self.stack.settled(Duration::from_secs(1)).await?;
        tokio::time::sleep(AFTERMATH).await;
        Ok(Window {
            what: what.to_owned(),
            load: meter.read().since(&before),
            healed,
        })
    }

    /// One replica of each service, one service after the other.
    async fn replicas(&self, meter: &Meter) -> anyhow::Result<Vec<Window>> {
        let mut windows = Vec::new();
        for service in SERVICES {
            let what = format!("a replica of {service} killed");
            windows.push(self.watch(&what, meter, async || self.kill_one(service).await).await?);
        }
        Ok(windows)
    }

    /// Kills a replica and waits until Swarm has seen it.
    async fn kill_one(&self, service: &str) -> anyhow::Result<()> {
        let replicas = self.stack.replicas(service).await?;
        let (node, container) = replicas.first().with_context(|| format!("{service} has no replica"))?;
        node.docker(&["kill", "--signal", "KILL", container]).await?;
        self.noticed(service, container).await
    }

    /// Waits until a container is not among the running ones.
    async fn noticed(&self, service: &str, container: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self
            .stack
            .replicas(service)
            .await?
            .iter()
            .any(|(_, running)| running == container)
        {
            ensure!(
                begun.elapsed() < Duration::from_secs(60),
                "{container} of {service} goes on"
            );
            pause().await;
        }
        Ok(())
    }

    /// No replica of billing while orders are accepted.
    async fn billing(&self, team: &Team, meter: &Meter) -> anyhow::Result<Vec<Window>> {
        let outage = async || {
            let replicas = self.stack.replicas("billing-service").await?.len();
            self.stack.scale("billing-service", 0).await?;
            self.stack.gone("billing-service").await?;
            let before = meter.read().orders;
            let begun = Instant::now();
            while meter.read().orders < before + 10 {
                ensure!(
                    begun.elapsed() < Duration::from_secs(60),
                    "orders are not accepted without billing"
                );
                pause().await;
            }
            let orders = self.hub.all("/v1/orders", &team.buyers[0].token).await?;
            ensure!(
                orders.iter().any(|order| order["status"] == "accepted"),
                "no order waits for billing: {orders:?}"
            );
            self.stack.scale("billing-service", u32::try_from(replicas)?).await
        };
        Ok(vec![self.watch("billing scaled to 0 and back", meter, outage).await?])
    }

    /// The broker dies and is away for half a minute.
    async fn kafka(&self, meter: &Meter) -> anyhow::Result<Vec<Window>> {
        let outage = async || {
            let replicas = self.stack.replicas("kafka").await?;
            let (node, container) = replicas.first().context("kafka does not run")?;
            // Before Swarm can start another one.
            let kill = ["kill", "--signal", "KILL", container];
            let (killed, scaled) = tokio::join!(node.docker(&kill), self.stack.scale("kafka", 0));
            killed?;
            scaled?;
            self.stack.gone("kafka").await?;
            tokio::time::sleep(Duration::from_secs(30)).await;
            self.stack.scale("kafka", 1).await
        };
        Ok(vec![self.watch("Kafka killed, away for 30 s", meter, outage).await?])
    }

    /// One that there is only one of is stopped, and started again.
    async fn restarted(&self, service: &str, what: &str, meter: &Meter) -> anyhow::Result<Vec<Window>> {
        let outage = async || {
            let replicas = self.stack.replicas(service).await?;
            let (_, container) = replicas.first().with_context(|| format!("{service} does not run"))?;
            let name = self.stack.service(service);
            self.stack
                .docker(&["service", "update", "--detach", "--quiet", "--force", &name])
                .await?;
            self.noticed(service, container).await
        };
        Ok(vec![self.watch(what, meter, outage).await?])
    }
}
