//! Why a release failed, with all that tells it: the task, its node, how it ended, its last health check, its last words.

use serde::Serialize;

use crate::{
    engine::{Engine, Swarm},
    service::{Service, Task},
    watch::{Before, Fault},
};

/// So many of the last lines of a log are shown.
const LINES: usize = 20;

/// Why a release failed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Failure {
    /// What was being done: `deploying`, `watching`, `smoke test`.
    pub step: String,
    /// The service, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Why, in one line.
    pub reason: String,
    /// The state of the service's update, in Swarm's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swarm: Option<String>,
    /// The task that tells most: the last that failed, or does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<Witness>,
}

/// A task that failed.
#[derive(Debug, Clone, Serialize)]
pub struct Witness {
    /// Its id.
    pub id: String,
    /// Service and replica: `auth-service.2`.
    pub name: String,
    /// The node it ran on; empty if none was found.
    pub node: String,
    /// What it was started from.
    pub image: String,
    /// Its state.
    pub state: String,
    /// What Swarm says of it.
    pub error: String,
    /// How its process ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// What its last health check answered, if its container is on this node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// Its last lines.
    pub log: Vec<String>,
}

impl Failure {
    /// One that is no service's.
    #[must_use]
    pub fn of(step: &str, reason: impl Into<String>) -> Self {
        Self {
            step: step.to_owned(),
            reason: reason.into(),
            ..Self::default()
        }
    }

    /// One of a service; asks the engine for all that tells why.
    pub async fn witnessed(engine: &Engine, swarm: &Swarm, stack: &str, before: &Before, fault: Fault) -> Self {
        let mut failure = Self::of("watching", fault.reason);
        failure.service = Some(fault.service.clone());
        let (Ok(services), Ok(tasks)) = (engine.services(stack).await, engine.tasks(stack).await) else {
            return failure;
        };
        let Some(service) = services.iter().find(|service| service.name == fault.service) else {
            return failure;
        };
        failure.swarm = service
            .update
            .as_ref()
            .map(|update| format!("{}: {}", update.state, update.message));
        if let Some(task) = witness(service, &tasks, before, &failure.reason) {
            failure.task = Some(Witness::ask(engine, swarm, service, task).await);
        }
        failure
    }

    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        let service = self
            .service
            .as_ref()
            .map(|service| format!("{service}: "))
            .unwrap_or_default();
        let error = self.task.as_ref().map(|task| task.error.as_str()).unwrap_or_default();
        if error.is_empty() || self.reason.contains(error) {
            return format!("{service}{}", self.reason);
        }
        format!("{service}{error}; {}", self.reason)
    }
}

/// The task that tells most: the one that Swarm names, else the last one that failed, else one that does not run.
fn witness<'a>(service: &Service, tasks: &'a [Task], before: &Before, reason: &str) -> Option<&'a Task> {
    let mine = || {
        tasks
            .iter()
            .rev()
            .filter(|task| task.service == service.id && !before.knows(task))
    };
    let named = mine().find(|task| reason.contains(&task.id));
    let failed = || mine().find(|task| task.broken(service));
    let idle = || mine().find(|task| task.desired == "running" && task.state != "running");
    named.or_else(failed).or_else(idle)
}

impl Witness {
    async fn ask(engine: &Engine, swarm: &Swarm, service: &Service, task: &Task) -> Self {
        let node = swarm.nodes.iter().find(|node| node.id == task.node);
        let health = if task.container_id.is_empty() {
            None
        } else {
            engine.last_health(&task.container_id).await
        };
        Self {
            id: task.id.clone(),
            name: format!("{}.{}", service.name, task.slot),
            node: node.map(|node| node.name.clone()).unwrap_or_default(),
            image: task.image.clone(),
            state: task.state.clone(),
            error: task.words().to_owned(),
            exit_code: task.exit_code.filter(|_| task.broken(service)),
            health,
            log: engine.task_log(&task.id, LINES).await,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} failed: {}", self.step, self.line())?;
        if let Some(swarm) = &self.swarm {
            write!(f, "\n  Swarm      {swarm}")?;
        }
        let Some(task) = &self.task else { return Ok(()) };
        let node = if task.node.is_empty() { "no node" } else { &task.node };
        write!(f, "\n  task       {} {} on {node}, {}", task.name, task.id, task.state)?;
        write!(f, "\n  image      {}", task.image)?;
        if !task.error.is_empty() {
            write!(f, "\n  error      {}", task.error)?;
        }
        if let Some(code) = task.exit_code {
            write!(f, "\n  exit code  {code}")?;
        }
        if let Some(health) = &task.health {
            write!(f, "\n  health     {health}")?;
        }
        if !task.log.is_empty() {
            write!(f, "\n  log        the last lines:")?;
        }
        for line in &task.log {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}
