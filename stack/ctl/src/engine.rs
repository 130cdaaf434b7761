//! The engine: a thin layer over its API, and over Docker's command line for what the API does not have.
//!
//! Everything the release tool remembers is a Swarm config: replicated by Raft, made by name atomically, and its labels
//! can be replaced with the version that was read as the condition. That is what the lock and the ledger stand on.
//! Both ways to the engine go to the same one: `DOCKER_HOST`, or the usual socket.

use std::{collections::HashMap, env, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, bail, ensure};
use bollard::{
    API_DEFAULT_VERSION, Docker,
    errors::Error,
    models::{HealthcheckResult, LocalNodeState, NodeSpecAvailabilityEnum, NodeState},
    query_parameters::{
        InspectContainerOptions, ListNetworksOptions, ListNodesOptions, ListSecretsOptions, ListServicesOptions,
        ListTasksOptions, LogsOptions, RemoveImageOptions, TagImageOptions,
    },
};
use futures_util::StreamExt;
use tokio::{io::AsyncWriteExt, process::Command};

pub use configs::Config;

use crate::service::{Service, Task};

mod configs;

/// The label by which `docker stack` knows what belongs to a stack.
const NAMESPACE: &str = "com.docker.stack.namespace";
/// How long one question to the engine may take. A Swarm that elects a leader answers none for seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to an engine.
#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    host: String,
}

/// What the engine says of itself and of the Swarm that it manages.
#[derive(Debug, Clone)]
pub struct Swarm {
    /// This node's id.
    pub node: String,
    /// Where the engine keeps images and containers.
    pub root: String,
    /// All nodes, this one included.
    pub nodes: Vec<Node>,
}

/// A machine of the Swarm.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// Its host name.
    pub name: String,
    /// Operating system and architecture as images name them: `linux/amd64`.
    pub platform: String,
    /// Whether it answers and takes tasks.
    pub usable: bool,
}

/// An image that is on this node.
#[derive(Debug, Clone)]
pub struct LocalImage {
    /// The digest of its configuration: `sha256:…`.
    pub id: String,
    /// Its names in registries that it came from or went to: `NAME@sha256:…`.
    pub digests: Vec<String>,
    /// What it is made for: `linux/amd64`.
    pub platform: String,
}

/// An image as its registry describes it.
#[derive(Debug, Clone)]
pub struct RemoteImage {
    /// `sha256:…` of the manifest, or of the list of manifests.
    pub digest: String,
    /// What it is made for; empty when the registry does not say.
    pub platforms: Vec<String>,
}

impl Engine {
    /// Connects to the engine of `DOCKER_HOST`, or of `/var/run/docker.sock`. Asks nothing yet.
    ///
    /// # Errors
    /// When `DOCKER_HOST` is no `unix://` address or there is no such socket.
    pub fn connect() -> anyhow::Result<Self> {
        let host = env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
        let host = host.unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
        Self::at(&host)
    }

    /// Connects to the engine of this address, `unix:///…`.
    ///
    /// # Errors
    /// When it is another kind of address or there is no such socket.
    pub fn at(host: &str) -> anyhow::Result<Self> {
        let Some(socket) = host.strip_prefix("unix://") else {
            bail!(
                "DOCKER_HOST is {host}: the engine is asked through its socket, unix:///path; run stackctl on a manager"
            );
        };
        ensure!(
            Path::new(socket).exists(),
            "no Docker engine: there is no socket {socket}; install Docker (https://docs.docker.com/engine/install/), or mount the socket"
        );
        let docker = Docker::connect_with_unix(socket, PATIENCE.as_secs(), API_DEFAULT_VERSION)?;
        Ok(Self {
            docker,
            host: host.to_owned(),
        })
    }

    /// The API's client, for what this layer does not have.
    #[must_use]
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Docker's command line, against the same engine, without any input.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command
            .env("DOCKER_HOST", &self.host)
            .env_remove("DOCKER_CONTEXT")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs a command of Docker's command line with this input and answers its standard output.
    ///
    /// # Errors
    /// When there is no command line, or it fails: with what it complained of.
    pub async fn cli(&self, arguments: &[&str], input: Option<&str>) -> anyhow::Result<String> {
        let mut command = self.command();
        command.args(arguments);
        finish(command, input).await.with_context(|| {
            format!(
                "docker {}",
                arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ")
            )
        })
    }

    /// What this engine manages.
    ///
    /// # Errors
    /// When it does not answer, is in no Swarm, or does not manage it.
    pub async fn swarm(&self) -> anyhow::Result<Swarm> {
        let info = self.docker.info().await.context("no Docker engine answers")?;
        let swarm = info.swarm.unwrap_or_default();
        ensure!(
            swarm.local_node_state == Some(LocalNodeState::ACTIVE),
            "this machine is in no Swarm; make swarm-init"
        );
        ensure!(
            swarm.control_available == Some(true),
            "this machine is a worker of its Swarm; run this on a manager"
        );
        let nodes = self.docker.list_nodes(None::<ListNodesOptions>).await?;
        let nodes = nodes.into_iter().map(|node| {
            let description = node.description.unwrap_or_default();
            let platform = description.platform.unwrap_or_default();
            let ready = node.status.and_then(|status| status.state) == Some(NodeState::READY);
            let available = node.spec.and_then(|spec| spec.availability) == Some(NodeSpecAvailabilityEnum::ACTIVE);
            Node {
                id: node.id.unwrap_or_default(),
                name: description.hostname.unwrap_or_default(),
                platform: platform_name(platform.os.as_deref(), platform.architecture.as_deref()),
                usable: ready && available,
            }
        });
        Ok(Swarm {
            node: swarm.node_id.unwrap_or_default(),
            root: info.docker_root_dir.unwrap_or_default(),
            nodes: nodes.collect(),
        })
    }

    /// The services of a stack, by name.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn services(&self, stack: &str) -> anyhow::Result<Vec<Service>> {
        let filters = label_filter(&format!("{NAMESPACE}={stack}"));
        let options = ListServicesOptions {
            filters: Some(filters),
            ..Default::default()
        };
        let services = self.docker.list_services(Some(options)).await?;
        let mut services: Vec<Service> = services.into_iter().map(|one| Service::read(one, stack)).collect();
        services.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(services)
    }

    /// The tasks of a stack that Swarm remembers, newest last.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn tasks(&self, stack: &str) -> anyhow::Result<Vec<Task>> {
        let options = ListTasksOptions {
            filters: Some(label_filter(&format!("{NAMESPACE}={stack}"))),
        };
        let tasks = self.docker.list_tasks(Some(options)).await?;
        let mut tasks: Vec<Task> = tasks.into_iter().map(Task::read).collect();
        tasks.sort_by(|a, b| a.created.cmp(&b.created));
        Ok(tasks)
    }

    /// The last lines that a task wrote. Empty when its node does not answer in time.
    pub async fn task_log(&self, task: &str, lines: usize) -> Vec<String> {
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            tail: lines.to_string(),
            ..Default::default()
        };
        let stream = self.docker.task_logs(task, Some(options));
        let read = stream
            .filter_map(async |line| line.ok())
            .map(|line| String::from_utf8_lossy(&line.into_bytes()).trim_end().to_owned())
            .collect::<Vec<String>>();
        let read = tokio::time::timeout(Duration::from_secs(10), read).await;
        let read = read.unwrap_or_default();
        read[read.len().saturating_sub(lines)..].to_vec()
    }

    /// What the last health check of a container said, when it is on this node and had one.
    pub async fn last_health(&self, container: &str) -> Option<String> {
        let inspected = self
            .docker
            .inspect_container(container, None::<InspectContainerOptions>)
            .await
            .ok()?;
        let checks = inspected.state?.health?.log?;
        // A check that was under way when the container was stopped has nothing to say.
        let says = |check: &&HealthcheckResult| {
            check.exit_code != Some(0) && check.output.as_deref().is_some_and(|output| !output.trim().is_empty())
        };
        let last = checks.iter().rev().find(says).or(checks.last())?.clone();
        let output = last.output.unwrap_or_default();
        Some(format!(
            "exit {}: {}",
            last.exit_code.unwrap_or_default(),
            output.trim()
        ))
    }

    /// Names and labels of all secrets.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn secrets(&self) -> anyhow::Result<Vec<(String, HashMap<String, String>)>> {
        let secrets = self.docker.list_secrets(None::<ListSecretsOptions>).await?;
        let secrets = secrets.into_iter().filter_map(|secret| secret.spec);
        Ok(secrets
            .map(|spec| (spec.name.unwrap_or_default(), spec.labels.unwrap_or_default()))
            .collect())
    }

    /// Names of the networks that reach over the whole Swarm.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn swarm_networks(&self) -> anyhow::Result<Vec<String>> {
        let networks = self.docker.list_networks(None::<ListNetworksOptions>).await?;
        let networks = networks
            .into_iter()
            .filter(|network| network.scope.as_deref() == Some("swarm"));
        Ok(networks.filter_map(|network| network.name).collect())
    }

    /// The image of this name on this node.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn local_image(&self, reference: &str) -> anyhow::Result<Option<LocalImage>> {
        match self.docker.inspect_image(reference).await {
            Ok(image) => Ok(Some(LocalImage {
                id: image.id.unwrap_or_default(),
                digests: image.repo_digests.unwrap_or_default(),
                platform: platform_name(image.os.as_deref(), image.architecture.as_deref()),
            })),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The image of this name as its registry knows it, asked with the credentials of `docker login`.
    ///
    /// # Errors
    /// When there is none, it is not ours to see, or the registry does not answer.
    pub async fn remote_image(&self, reference: &str) -> anyhow::Result<RemoteImage> {
        let credentials = crate::image::credentials(reference);
        let found = self.docker.inspect_registry_image(reference, credentials).await;
        let found = found.map_err(|error| anyhow::anyhow!(message(&error)))?;
        let platforms = found.platforms.iter();
        Ok(RemoteImage {
            digest: found.descriptor.digest.unwrap_or_default(),
            platforms: platforms
                .map(|one| platform_name(one.os.as_deref(), one.architecture.as_deref()))
                .collect(),
        })
    }

    /// Gives an image of this node another name.
    ///
    /// # Errors
    /// When there is no such image.
    pub async fn tag(&self, image: &str, name: &str, tag: &str) -> anyhow::Result<()> {
        let options = TagImageOptions {
            repo: Some(name.to_owned()),
            tag: Some(tag.to_owned()),
        };
        self.docker.tag_image(image, Some(options)).await?;
        Ok(())
    }

    /// Takes a name away from an image of this node, and the image with its last name; false when something uses it.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn remove_image(&self, reference: &str) -> anyhow::Result<bool> {
        match self
            .docker
            .remove_image(reference, None::<RemoveImageOptions>, None)
            .await
        {
            Ok(_) => Ok(true),
            Err(error) if matches!(status(&error), Some(404 | 409)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Runs a command to its end with this input and answers its standard output.
///
/// # Errors
/// When it cannot be started or fails: with its standard error.
pub(crate) async fn finish(mut command: Command, input: Option<&str>) -> anyhow::Result<String> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{program} cannot be started"))?;
    let give = child.stdin.take().zip(input.map(str::to_owned));
    let giving = async {
        if let Some((mut pipe, text)) = give {
            // who does not read to the end says why himself
            drop(pipe.write_all(text.as_bytes()).await);
        }
    };
    let ((), output) = tokio::join!(giving, child.wait_with_output());
    let output = output?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", complaint.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The status of an answer that was a refusal.
fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// What the engine said, without the words around it.
fn message(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        other => other.to_string(),
    }
}

fn label_filter(label: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![label.to_owned()])])
}

/// Operating system and architecture by the names that images use: nodes say `x86_64`, images `amd64`.
fn platform_name(os: Option<&str>, architecture: Option<&str>) -> String {
    let architecture = match architecture.unwrap_or_default() {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{}/{architecture}", os.unwrap_or_default())
}
