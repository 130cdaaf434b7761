//! Docker's command line, one engine at a time. Nothing goes through a shell.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::process::Command;

/// An engine that does not answer for so long is taken for dead.
const PATIENCE: Duration = Duration::from_secs(60);

/// A machine of the Swarm.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Its host name, which is also its name in the Swarm.
    pub(crate) name: String,
    /// `DOCKER_HOST`; empty: what `docker` uses by itself.
    host: String,
    /// Where it publishes ports.
    pub(crate) address: String,
}

impl Node {
    /// The engine of this machine.
    pub(crate) fn here() -> Self {
        Self {
            name: "this machine".to_owned(),
            host: String::new(),
            address: "127.0.0.1".to_owned(),
        }
    }

    /// Reads `NAME=DOCKER_HOST@ADDRESS`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once('=').ok_or("a node is NAME=DOCKER_HOST@ADDRESS")?;
        let (host, address) = rest.rsplit_once('@').ok_or("a node is NAME=DOCKER_HOST@ADDRESS")?;
        Ok(Self {
            name: name.to_owned(),
            host: host.to_owned(),
            address: address.to_owned(),
        })
    }

    /// `docker`, or a program that calls it, against this engine.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        if !self.host.is_empty() {
            command.env("DOCKER_HOST", &self.host);
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a command of Docker and answers what it says.
    ///
    /// # Errors
    /// When it fails, with what it complains of, or takes longer than a minute.
    pub(crate) async fn docker(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = self.command("docker");
        finish(command.args(arguments), PATIENCE)
            .await
            .with_context(|| format!("docker {} ({})", arguments.join(" "), self.name))
    }

    /// As [`Node::docker`], of a command that answers lines.
    pub(crate) async fn lines(&self, arguments: &[&str]) -> anyhow::Result<Vec<String>> {
        let said = self.docker(arguments).await?;
        Ok(said.lines().map(str::to_owned).collect())
    }

    /// `docker inspect` of things of a type; none for none.
    pub(crate) async fn inspect(&self, kind: &str, ids: &[String]) -> anyhow::Result<Vec<Value>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut arguments = vec!["inspect", "--type", kind];
        arguments.extend(ids.iter().map(String::as_str));
        let said = self.docker(&arguments).await?;
        serde_json::from_str(&said).context("docker inspect answered no JSON")
    }

    /// Running containers of a service of the Swarm that are on this node.
    pub(crate) async fn containers(&self, service: &str) -> anyhow::Result<Vec<String>> {
        let filter = format!("label=com.docker.swarm.service.name={service}");
        self.lines(&["container", "ls", "--quiet", "--filter", &filter]).await
    }
}

/// Runs a command to its end and answers its standard output.
///
/// # Errors
/// When it fails, with its standard error, or takes too long.
pub(crate) async fn finish(command: &mut Command, patience: Duration) -> anyhow::Result<String> {
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    let Ok(output) = tokio::time::timeout(patience, run).await else {
        bail!("no end after {} s", patience.as_secs());
    };
    let output = output?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}", output.status, complaint.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_a_name_an_engine_and_an_address() {
        let node = Node::parse("node1=ssh://admin@10.0.0.1@192.0.2.7").unwrap();
        assert_eq!(
            (node.name.as_str(), node.host.as_str(), node.address.as_str()),
            ("node1", "ssh://admin@10.0.0.1", "192.0.2.7")
        );
        assert!(Node::parse("node1").is_err());
        assert!(Node::parse("node1=unix:///run/docker.sock").is_err());
    }
}
