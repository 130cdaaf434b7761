//! Outages of whole machines, on a Swarm of three or more.
//!
//! The first node leads, the last one has the volumes of PostgreSQL and Kafka, and those between come and go: a node that
//! came back has no tasks until they are spread anew. How a machine loses its power or its cable is not for this program to
//! know: a command of the environment does it, called with `kill`, `start`, `unplug` or `plug` and the node's name.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use tokio::process::Command;

use crate::{
    docker::{Node, finish},
    load::Meter,
    outages::Scene,
    proof::SERVICES,
    report::Window,
    swarm::pause,
};

/// Outages of machines, in an order in which each finds its victim at work.
pub(crate) const CLUSTER: [&str; 4] = ["drain", "power", "network", "leader"];

/// How long a node may take to be seen as gone, or back.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a cable stays out.
const CUT: Duration = Duration::from_secs(30);

/// What cuts power and cables.
#[derive(Debug, Clone)]
pub(crate) struct Hand(pub(crate) PathBuf);

impl Hand {
    async fn does(&self, what: &str, node: &Node) -> anyhow::Result<()> {
        let mut command = Command::new(&self.0);
        finish(command.arg(what).arg(&node.name).kill_on_drop(true), PATIENCE)
            .await
            .with_context(|| format!("{} {what} {}", self.0.display(), node.name))?;
        Ok(())
    }
}

impl Scene<'_> {
    /// Runs an outage of a machine.
    pub(crate) async fn machine(&self, name: &str, meter: &Meter) -> anyhow::Result<Vec<Window>> {
        let hand = self.hand.context("what cuts power and cables? --node-command")?;
        match name {
            "drain" => self.drained(meter).await,
            "power" => self.without_power(hand, meter).await,
            "network" => self.cut_off(hand, meter).await,
            "leader" => self.without_leader(hand, meter).await,
            _ => anyhow::bail!("there is no outage {name}"),
        }
    }

    /// A node that neither leads nor has volumes, with replicas on it.
    async fn victim(&self) -> anyhow::Result<&Node> {
        let [_, between @ .., _] = &self.stack.nodes[..] else {
            anyhow::bail!("outages of machines want three of them");
        };
        let node = between.first().context("outages of machines want three of them")?;
        if self.idle(node).await? {
            self.spread().await?;
            ensure!(!self.idle(node).await?, "{} gets no replica", node.name);
        }
        Ok(node)
    }

    async fn idle(&self, node: &Node) -> anyhow::Result<bool> {
        for service in SERVICES {
            if !node.containers(&self.stack.service(service)).await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One replica more of each service, which goes where the fewest are, and one less, which goes from where the most are.
    async fn spread(&self) -> anyhow::Result<()> {
        let mut before = Vec::new();
        for service in SERVICES {
            before.push(u32::try_from(self.stack.replicas(service).await?.len())?);
        }
        for more in [1, 0] {
            for (service, replicas) in SERVICES.into_iter().zip(&before) {
                self.stack.scale(service, replicas + more).await?;
            }
            self.stack.settled(Duration::from_secs(1)).await?;
        }
        Ok(())
    }

    /// Waits until the Swarm sees a node in this state: `ready`, `down`.
    async fn seen(&self, node: &Node, state: &str) -> anyhow::Result<()> {
        self.told(node, "{{.Status.State}}", state).await
    }

    /// Waits until a manager says this of a node.
    async fn told(&self, node: &Node, what: &str, wanted: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        let arguments = ["node", "inspect", "--format", what, &node.name];
        while !self.stack.docker(&arguments).await.is_ok_and(|said| said == wanted) {
            ensure!(
                begun.elapsed() < PATIENCE,
                "{} is not {wanted} after {PATIENCE:?}",
                node.name
            );
            pause().await;
        }
        Ok(())
    }

    async fn available(&self, node: &Node, availability: &str) -> anyhow::Result<()> {
        let arguments = ["node", "update", "--availability", availability, &node.name];
        self.stack.docker(&arguments).await?;
        Ok(())
    }

    async fn drained(&self, meter: &Meter) -> anyhow::Result<Vec<Window>> {
        let node = self.victim().await?;
        let outage = async || {
            self.available(node, "drain").await?;
            let begun = Instant::now();
            loop {
                let filter = format!("label=com.docker.stack.namespace={}", self.stack.name);
                if node
                    .lines(&["container", "ls", "--quiet", "--filter", &filter])
                    .await?
                    .is_empty()
                {
                    return Ok(());
                }
                ensure!(
                    begun.elapsed() < PATIENCE,
                    "{} still has tasks after {PATIENCE:?}",
                    node.name
                );
                pause().await;
            }
        };
        let window = self.watch("a worker drained", meter, outage).await?;
        self.available(node, "active").await?;
        Ok(vec![window])
    }

    async fn without_power(&self, hand: &Hand, meter: &Meter) -> anyhow::Result<Vec<Window>> {
        let node = self.victim().await?;
        let names = ["a worker lost with its power", "that worker back"];
        self.lose_and_return(hand, node, names, meter).await
    }

    /// Power is cut and comes back; `names` are those of the two windows.
    async fn lose_and_return(
        &self,
        hand: &Hand,
        node: &Node,
        names: [&str; 2],
        meter: &Meter,
    ) -> anyhow::Result<Vec<Window>> {
        let outage = async || {
            hand.does("kill", node).await?;
            self.seen(node, "down").await
        };
        let lost = self.watch(names[0], meter, outage).await?;
        let back = async || {
            hand.does("start", node).await?;
            self.seen(node, "ready").await
        };
        Ok(vec![lost, self.watch(names[1], meter, back).await?])
    }

    /// The other side works on without being seen: for a while there are twins.
    async fn cut_off(&self, hand: &Hand, meter: &Meter) -> anyhow::Result<Vec<Window>> {
        let node = self.victim().await?;
        let outage = async || {
            hand.does("unplug", node).await?;
            self.seen(node, "down").await
        };
        let cut = self.watch("a worker's network cut", meter, outage).await?;
        tokio::time::sleep(CUT.saturating_sub(cut.healed)).await;
        let back = async || {
            hand.does("plug", node).await?;
            self.seen(node, "ready").await
        };
        Ok(vec![cut, self.watch("that network mended", meter, back).await?])
    }

    /// All become managers, each with a Traefik, and the one that leads loses its power.
    async fn without_leader(&self, hand: &Hand, meter: &Meter) -> anyhow::Result<Vec<Window>> {
        let [leader, others @ ..] = &self.stack.nodes[..] else {
            anyhow::bail!("there are no nodes");
        };
        ensure!(
            others.len() >= 2,
            "without one manager of {} there is no majority",
            others.len() + 1
        );
        for node in others {
            self.stack.docker(&["node", "promote", &node.name]).await?;
            self.told(node, "{{.ManagerStatus.Reachability}}", "reachable").await?;
        }
        self.told(leader, "{{.ManagerStatus.Leader}}", "true").await?;
        self.stack
            .scale("traefik", u32::try_from(self.stack.nodes.len())?)
            .await?;
        self.stack.settled(Duration::from_secs(1)).await?;
        let names = ["the leading manager lost", "that manager back"];
        self.lose_and_return(hand, leader, names, meter).await
    }
}
