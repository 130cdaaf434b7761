//! `make e2e`: the stack on a real Swarm.
//!
//! Deploys the stack file as it is, under a name of its own, waits until it is healthy and stays so, tells it the acceptance
//! suite through Traefik, and then takes parts of it away while people work: after each outage everything that was accepted
//! must be there, with each effect once. In the end all of it is removed.

mod cluster;
mod docker;
mod hub;
mod load;
mod outages;
mod proof;
mod releases;
mod report;
mod stream;
mod swarm;
mod team;
mod workshop;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::{ExitCode, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use clap::Parser;
use tokio::process::Command;

use cluster::Hand;
use docker::Node;
use hub::Hub;
use outages::Scene;
use report::{Report, say};
use swarm::Stack;
use team::Person;
use workshop::Workshop;

/// How long nothing may have changed before the stack counts as up.
const STABLE: Duration = Duration::from_secs(10);

/// The stack, the acceptance suite and outages on a real Swarm.
#[derive(Parser)]
struct Arguments {
    /// Name of the stack. There must be none of that name.
    #[arg(long, default_value = "cloudtaskhub-e2e")]
    stack: String,
    /// The stack file.
    #[arg(long, default_value = "stack/stack.yml")]
    file: String,
    /// Where Traefik is published.
    #[arg(long, env = "HTTP_PORT", default_value_t = 80)]
    port: u16,
    /// The acceptance suite, built; without it cargo builds and runs it.
    #[arg(long, env = "E2E_ACCEPTANCE")]
    acceptance: Option<PathBuf>,
    /// The address by which services reach the acceptance suite's webhook endpoint.
    #[arg(long, env = "E2E_TARGET_HOST")]
    target_host: Option<String>,
    /// Only these: acceptance, networks, outages by name (replicas, billing, kafka, postgres, traefik; of machines: drain, power,
    /// network, leader), and releases by name (release, crash, deaf, late, smoke, image, migration, lock, killed, rollback, forward).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Leave the stack as it is in the end.
    #[arg(long)]
    keep: bool,
    /// Use the stack of that name as --keep left it.
    #[arg(long)]
    again: bool,
    /// A machine of the Swarm, NAME=DOCKER_HOST@ADDRESS; the first is a manager. Without any: this machine.
    #[arg(long = "node", env = "E2E_NODES", value_delimiter = ' ', value_parser = Node::parse)]
    nodes: Vec<Node>,
    /// What is called with kill, start, unplug or plug and a node's name: for outages of machines.
    #[arg(long, env = "E2E_NODE_COMMAND")]
    node_command: Option<PathBuf>,
}

impl Arguments {
    fn wanted(&self, phase: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == phase)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut report = Report::default();
    let done = run(Arguments::parse(), &mut report).await;
    if let Err(error) = &done {
        report.broken.push(format!("{error:#}"));
    }
    match report.print() {
        Ok(()) if report.broken.is_empty() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

async fn run(arguments: Arguments, report: &mut Report) -> anyhow::Result<()> {
    let mut nodes = arguments.nodes.clone();
    if nodes.is_empty() {
        nodes.push(Node::here());
    }
    let mut variables = vec![
        ("HTTP_PORT", arguments.port.to_string()),
        // The suite's own endpoint for webhooks is a private address.
        ("WEBHOOKS_ALLOW_PRIVATE", "true".to_owned()),
    ];
    if nodes.len() > 1 {
        // Where their volumes are; whoever manages the Swarm.
        variables.push(("KAFKA_CONSTRAINT", "node.labels.cloudtaskhub.kafka == true".to_owned()));
        variables.push((
            "POSTGRES_CONSTRAINT",
            "node.labels.cloudtaskhub.postgres == true".to_owned(),
        ));
    }
    let stack = Stack {
        name: arguments.stack.clone(),
        nodes,
        variables: variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        file: arguments.file.clone(),
        told: Mutex::default(),
    };
    if !arguments.again {
        let begun = Instant::now();
        stack.deploy().await?;
        say(format!("deployed {} as {}", stack.file, stack.name))?;
        let up = stack.settled(STABLE).await;
        if let Ok(up) = &up {
            let whole = begun.elapsed() - STABLE;
            say(format!(
                "all replicas run after {:.1} s, and stay",
                whole.max(*up).as_secs_f64()
            ))?;
            report.passed += 1;
        }
        if let Err(error) = up {
            tidy(&arguments, &stack).await?;
            return Err(error);
        }
    }
    let done = phases(&arguments, &stack, report).await;
    // Also after a failure, which is what counts then.
    let tidied = tidy(&arguments, &stack).await;
    done.and(tidied)
}

async fn tidy(arguments: &Arguments, stack: &Stack) -> anyhow::Result<()> {
    if arguments.keep {
        return say(format!(
            "the stack {} stays; remove it: STACK={0} make destroy",
            stack.name
        ));
    }
    stack.remove().await?;
    say(format!("removed the stack {}", stack.name))
}

async fn phases(arguments: &Arguments, stack: &Stack, report: &mut Report) -> anyhow::Result<()> {
    let addresses = stack.nodes.iter().map(|node| {
        let address: IpAddr = node.address.parse().context("a node has an IP address")?;
        anyhow::Ok(SocketAddr::new(address, arguments.port))
    });
    let addresses = addresses.collect::<anyhow::Result<Vec<_>>>()?;
    let hub = Hub::new(&addresses, arguments.port)?;
    if arguments.wanted("acceptance") {
        let told = acceptance(arguments, stack, &addresses).await;
        report.broken.extend(told.err().map(|error| format!("{error:#}")));
    }
    if arguments.wanted("networks") {
        let tried = networks(stack).await;
        report.passed += usize::from(tried.is_ok());
        report.broken.extend(tried.err().map(|error| format!("{error:#}")));
    }
    let hand = arguments.node_command.clone().map(Hand);
    let mut admin = Person::admin(&hub, stack).await?;
    let mut scene = Scene {
        hub: &hub,
        stack,
        admin: &mut admin,
        hand: hand.as_ref(),
    };
    let machines: &[&str] = if hand.is_some() { &cluster::CLUSTER } else { &[] };
    for name in outages::SINGLE.iter().chain(machines) {
        if arguments.wanted(name) {
            scene.run(name, report).await?;
        }
    }
    if releases::RELEASES.iter().any(|name| arguments.wanted(name)) && hand.is_none() {
        let workshop = Workshop::here()?;
        let wanted = |name: &str| arguments.wanted(name);
        workshop.make(stack.manager().await?, wanted).await?;
        scene.first_release(&workshop).await?;
        let mut viewers = releases::viewers(&hub).await?;
        for name in releases::RELEASES.into_iter().filter(|name| wanted(name)) {
            scene.release(name, &workshop, &mut viewers, report).await?;
        }
    }
    Ok(())
}

/// Tries from inside what may and what may not connect.
async fn networks(stack: &Stack) -> anyhow::Result<()> {
    let mut test = stack.manager().await?.command("stack/tests/networks");
    let status = test.env("STACK", &stack.name).status().await?;
    ensure!(status.success(), "stack/tests/networks failed");
    Ok(())
}

/// Tells the suite to the stack, from outside, by host names. Its own closing line counts its stories.
async fn acceptance(arguments: &Arguments, stack: &Stack, addresses: &[SocketAddr]) -> anyhow::Result<()> {
    let mut suite = match &arguments.acceptance {
        Some(binary) => Command::new(binary),
        None => {
            let mut cargo = Command::new("cargo");
            // The features that `make test` builds with: most of it is there.
            cargo.args([
                "test",
                "--locked",
                "--workspace",
                "--no-default-features",
                "--test",
                "acceptance",
            ]);
            cargo
        }
    };
    let target = match &arguments.target_host {
        Some(host) => host.clone(),
        // This machine's address on the bridge by which containers of overlay networks reach the outside.
        None => {
            let format = "{{(index .IPAM.Config 0).Gateway}}";
            stack
                .docker(&["network", "inspect", "--format", format, "docker_gwbridge"])
                .await?
        }
    };
    let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    let status = suite
        .env("HUB_URL", format!("http://gateway.localhost:{}", arguments.port))
        .env("HUB_ADDRESS", addresses.join(","))
        .env("TARGET_HOST", target)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .context("starting the acceptance suite")?;
    ensure!(status.success(), "the acceptance suite failed");
    Ok(())
}
