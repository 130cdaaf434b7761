//! The stack on a Swarm: deployed as an operator would, waited for by what its tasks say.
//!
//! `docker stack deploy` returns before anything has started. So the state of every task is asked: a service is there when
//! as many tasks run as it should have (Swarm calls a task running when its health check has passed), and the stack is when
//! all services are and no task has changed for a while. A task that failed is named with its reason.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::{
    docker::{Node, finish},
    report::say,
};

/// How long a whole deployment or a recovery may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// The stack and the machines it runs on.
pub(crate) struct Stack {
    /// Its name.
    pub(crate) name: String,
    /// All machines; the first is a manager.
    pub(crate) nodes: Vec<Node>,
    /// Variables of the stack file.
    pub(crate) variables: Vec<(String, String)>,
    /// The stack file.
    pub(crate) file: String,
    /// Failed tasks that were named already.
    pub(crate) told: Mutex<BTreeSet<String>>,
}

/// What a task is doing, by Swarm.
#[derive(Debug)]
struct Task {
    id: String,
    service: String,
    wanted: String,
    state: String,
    reason: String,
    node: String,
    created: String,
}

impl Stack {
    /// The full name of one of its services.
    pub(crate) fn service(&self, short: &str) -> String {
        format!("{}_{short}", self.name)
    }

    /// A node that manages the Swarm now.
    pub(crate) async fn manager(&self) -> anyhow::Result<&Node> {
        let begun = Instant::now();
        loop {
            for node in &self.nodes {
                let arguments = ["node", "ls", "--quiet"];
                let asked = tokio::time::timeout(Duration::from_secs(5), node.docker(&arguments)).await;
                if matches!(asked, Ok(Ok(_))) {
                    return Ok(node);
                }
            }
            ensure!(begun.elapsed() < Duration::from_secs(120), "no node manages the Swarm");
            pause().await;
        }
    }

    /// Runs a command of Docker on a manager.
    pub(crate) async fn docker(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.manager().await?.docker(arguments).await
    }

    /// Makes what the stack file expects (by the operator's own command) and deploys it.
    pub(crate) async fn deploy(&self) -> anyhow::Result<()> {
        let manager = &self.nodes[0];
        let others = self.others().await.unwrap_or_default();
        ensure!(
            others.is_empty(),
            "this Swarm runs {} already, whose routes would mix with this stack's: use another, or remove that",
            others.join(", ")
        );
        if let [_, .., last] = &self.nodes[..] {
            // Not where the Swarm is led: that node is to be lost too.
            let [postgres, kafka] = ["cloudtaskhub.postgres=true", "cloudtaskhub.kafka=true"];
            let arguments = [
                "node",
                "update",
                "--label-add",
                postgres,
                "--label-add",
                kafka,
                &last.name,
            ];
            manager.docker(&arguments).await?;
        }
        let mut prepare = manager.command("scripts/stack");
        prepare.arg("swarm-init").env("STACK", &self.name);
        finish(&mut prepare, PATIENCE)
            .await
            .context("scripts/stack swarm-init")?;
        let mut deploy = manager.command("docker");
        deploy
            .args([
                "stack",
                "deploy",
                "--detach=true",
                "--resolve-image",
                "never",
                "-c",
                &self.file,
                &self.name,
            ])
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("STACK", &self.name);
        finish(&mut deploy, PATIENCE).await.context("docker stack deploy")?;
        Ok(())
    }

    /// Other stacks that Traefik would route to.
    async fn others(&self) -> anyhow::Result<Vec<String>> {
        let manager = &self.nodes[0];
        let ids = manager.lines(&["service", "ls", "--quiet"]).await?;
        let services = manager.inspect("service", &ids).await?;
        let routed = services.iter().filter(|service| {
            let labels = &service["Spec"]["Labels"];
            labels["traefik.enable"] == "true" && labels["com.docker.stack.namespace"] != self.name.as_str()
        });
        Ok(routed
            .filter_map(|service| service["Spec"]["Name"].as_str().map(str::to_owned))
            .collect())
    }

    /// Waits until all of it runs and nothing has changed for `stable`. Says which tasks failed on the way, and why.
    ///
    /// # Errors
    /// When a service does not come up, with the reasons of its tasks.
    pub(crate) async fn settled(&self, stable: Duration) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let mut since: Option<(BTreeSet<String>, Instant)> = None;
        loop {
            let missing = match self.missing().await {
                Ok((missing, running)) if missing.is_empty() => {
                    let same = since.take_if(|(tasks, _)| *tasks == running);
                    let (tasks, from) = same.unwrap_or_else(|| (running, Instant::now()));
                    if from.elapsed() >= stable {
                        return Ok(from.duration_since(begun));
                    }
                    since = Some((tasks, from));
                    Vec::new()
                }
                Ok((missing, _)) => {
                    since = None;
                    missing
                }
                // A Swarm that elects a leader has no answer for a while.
                Err(error) if begun.elapsed() < PATIENCE => vec![format!("{error:#}")],
                Err(error) => return Err(error),
            };
            if begun.elapsed() > PATIENCE {
                bail!("not running after {} s: {}", PATIENCE.as_secs(), missing.join("; "));
            }
            pause().await;
        }
    }

    /// What does not run as it should, and the tasks that run.
    async fn missing(&self) -> anyhow::Result<(Vec<String>, BTreeSet<String>)> {
        let manager = self.manager().await?;
        let filter = format!("label=com.docker.stack.namespace={}", self.name);
        let ids = manager
            .lines(&["service", "ls", "--quiet", "--filter", &filter])
            .await?;
        let services = manager.inspect("service", &ids).await?;
        ensure!(!services.is_empty(), "there is no stack {}", self.name);
        let tasks = self.tasks(manager, &services).await?;
        let mut missing = Vec::new();
        let mut running = BTreeSet::new();
        for service in &services {
            let name = service["Spec"]["Name"].as_str().unwrap_or_default();
            let wanted = service["Spec"]["Mode"]["Replicated"]["Replicas"].as_u64().unwrap_or(1);
            let mine: Vec<&Task> = tasks.iter().filter(|task| task.service == name).collect();
            let job = service["Spec"]["TaskTemplate"]["RestartPolicy"]["Condition"] == "on-failure";
            let latest = mine.iter().max_by_key(|task| &task.created);
            if job && (wanted == 0 || latest.is_some_and(|task| task.state == "complete")) {
                continue;
            }
            for task in mine
                .iter()
                .filter(|task| task.state == "failed" || task.state == "rejected")
            {
                let new = self
                    .told
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(task.id.clone());
                if new {
                    say(format!("  {}", self.obituary(manager, task).await))?;
                }
            }
            let up: Vec<&&Task> = mine
                .iter()
                .filter(|task| task.wanted == "running" && task.state == "running")
                .collect();
            running.extend(up.iter().map(|task| task.id.clone()));
            if up.len() as u64 != wanted {
                let short = name.trim_start_matches(&format!("{}_", self.name));
                let states: Vec<&str> = mine
                    .iter()
                    .filter(|task| task.wanted == "running" && task.state != "running")
                    .map(|task| task.state.as_str())
                    .collect();
                let reason = latest.map_or("", |task| &task.reason);
                let note = format!("{short} {}/{wanted} {} {reason}", up.len(), states.join(" "));
                missing.push(note.trim().to_owned());
            }
        }
        Ok((missing, running))
    }

    async fn tasks(&self, manager: &Node, services: &[Value]) -> anyhow::Result<Vec<Task>> {
        let names: BTreeMap<&str, &str> = services
            .iter()
            .filter_map(|service| Some((service["ID"].as_str()?, service["Spec"]["Name"].as_str()?)))
            .collect();
        let ids = manager
            .lines(&["stack", "ps", "--quiet", "--no-trunc", &self.name])
            .await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut tasks = Vec::new();
        for task in manager.inspect("task", &ids).await? {
            let status = &task["Status"];
            let mut reason = text(&status["Err"]);
            if let Some(code) = status["ContainerStatus"]["ExitCode"].as_i64().filter(|code| *code != 0) {
                reason = format!("{reason} (exit code {code})");
            }
            tasks.push(Task {
                id: text(&task["ID"]),
                service: names
                    .get(task["ServiceID"].as_str().unwrap_or_default())
                    .copied()
                    .unwrap_or_default()
                    .to_owned(),
                wanted: text(&task["DesiredState"]),
                state: text(&status["State"]),
                reason,
                node: text(&task["NodeID"]),
                created: text(&task["CreatedAt"]),
            });
        }
        Ok(tasks)
    }

    /// Which task failed, where, why, and what it said last.
    async fn obituary(&self, manager: &Node, task: &Task) -> String {
        let log = manager
            .docker(&["service", "logs", "--raw", "--tail", "3", &task.id])
            .await;
        let log = log.unwrap_or_default();
        let last: String = log
            .lines()
            .map(|line| format!("\n      {}", line.chars().take(200).collect::<String>()))
            .collect();
        let node = manager
            .docker(&["node", "inspect", "--format", "{{.Description.Hostname}}", &task.node])
            .await;
        let node = node.unwrap_or_else(|_| "none".to_owned());
        let (service, state, reason) = (&task.service, &task.state, &task.reason);
        format!("a task of {service} {state} on node {node}: {reason}{last}")
    }

    /// Where tasks of a service run: node and container.
    pub(crate) async fn replicas(&self, short: &str) -> anyhow::Result<Vec<(&Node, String)>> {
        let service = self.service(short);
        let mut found = Vec::new();
        for node in &self.nodes {
            // A node that is down has none that could be asked.
            let containers = tokio::time::timeout(Duration::from_secs(10), node.containers(&service)).await;
            if let Ok(Ok(containers)) = containers {
                found.extend(containers.into_iter().map(|container| (node, container)));
            }
        }
        Ok(found)
    }

    /// Runs an operator's command in a replica of a service.
    pub(crate) async fn operate(&self, short: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let replicas = self.replicas(short).await?;
        let mut error = anyhow::anyhow!("no replica of {short} runs");
        for (node, container) in replicas {
            let mut command = vec!["exec", &container, "/service"];
            command.extend(arguments);
            match node.docker(&command).await {
                Ok(said) => return Ok(said),
                Err(refused) => error = refused,
            }
        }
        Err(error)
    }

    /// Changes the number of a service's replicas; waits for nothing.
    pub(crate) async fn scale(&self, short: &str, replicas: u32) -> anyhow::Result<()> {
        let wish = format!("{}={replicas}", self.service(short));
        self.docker(&["service", "scale", "--detach", &wish]).await?;
        Ok(())
    }

    /// Waits until no container of a service runs.
    pub(crate) async fn gone(&self, short: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !self.replicas(short).await?.is_empty() {
            ensure!(begun.elapsed() < PATIENCE, "{short} still runs after {PATIENCE:?}");
            pause().await;
        }
        Ok(())
    }

    /// Removes the stack with its volumes and secrets, by the operator's own command.
    pub(crate) async fn remove(&self) -> anyhow::Result<()> {
        let manager = self.manager().await?;
        let mut remove = manager.command("scripts/stack");
        remove
            .arg("destroy")
            .env("STACK", &self.name)
            .env("YES", "1")
            .env("VOLUMES", "1");
        finish(&mut remove, PATIENCE).await.context("scripts/stack destroy")?;
        Ok(())
    }
}

/// Between two questions to Docker.
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}
