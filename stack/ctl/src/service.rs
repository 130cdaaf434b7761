//! What Swarm says of a stack's services and their tasks: as much as judging them needs.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// A service as Swarm has it.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its id.
    pub id: String,
    /// Its name within the stack: `auth-service`.
    pub name: String,
    /// Its own labels (`deploy.labels`); those of its containers are in `container`.
    pub labels: BTreeMap<String, String>,
    /// The image that its next tasks start from.
    pub image: String,
    /// How many tasks it should have; none when there is one on each node.
    pub replicas: Option<u64>,
    /// Whether it is a job: what ends well is not started again.
    pub job: bool,
    /// What its containers are made of. Tasks have a copy of what they were started with.
    pub container: Value,
    /// Its last update, if there was one since the service was changed.
    pub update: Option<Update>,
}

/// How an update of a service goes, by Swarm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// `updating`, `completed`, `paused`, `rollback_started`, `rollback_completed`, `rollback_paused`.
    pub state: String,
    /// When it began.
    pub started: String,
    /// Why it is in this state.
    pub message: String,
}

/// A task: one replica of a service, from its first to its last state.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// The id of its service.
    pub service: String,
    /// Which replica; 0 where there is one on each node.
    pub slot: i64,
    /// The id of its node; empty before one is found.
    pub node: String,
    /// The state that Swarm wants it to be in.
    pub desired: String,
    /// The state that it is in.
    pub state: String,
    /// What went wrong, in Swarm's words.
    pub error: String,
    /// How its container ended.
    pub exit_code: Option<i64>,
    /// Its container.
    pub container_id: String,
    /// What its container was made of.
    pub container: Value,
    /// The image it was started from.
    pub image: String,
    /// When Swarm made it.
    pub created: String,
}

/// What a container of a service is given, by names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Given {
    /// Secrets: file name → secret.
    pub secrets: BTreeMap<String, String>,
    /// Configs: file name → config.
    pub configs: BTreeMap<String, String>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
}

impl Service {
    pub(crate) fn read(service: bollard::models::Service, stack: &str) -> Self {
        let spec = service.spec.unwrap_or_default();
        let template = spec.task_template.unwrap_or_default();
        let name = spec.name.unwrap_or_default();
        let policy = template.restart_policy.and_then(|policy| policy.condition);
        let update = service.update_status.map(|update| Update {
            state: update.state.map(|state| state.to_string()).unwrap_or_default(),
            started: update.started_at.unwrap_or_default(),
            message: update.message.unwrap_or_default(),
        });
        let replicated = spec.mode.and_then(|mode| mode.replicated);
        let container = container(template.container_spec.as_ref(), template.force_update);
        Self {
            id: service.id.unwrap_or_default(),
            name: name
                .strip_prefix(&format!("{stack}_"))
                .map(str::to_owned)
                .unwrap_or(name),
            labels: spec.labels.unwrap_or_default().into_iter().collect(),
            image: template.container_spec.and_then(|spec| spec.image).unwrap_or_default(),
            replicas: replicated.map(|mode| mode.replicas.unwrap_or(1).unsigned_abs()),
            job: policy.is_some_and(|policy| policy.to_string() == "on-failure"),
            container,
            update: update.filter(|update| !update.state.is_empty()),
        }
    }

    /// Secrets, configs and variables that its next tasks are given.
    #[must_use]
    pub fn given(&self) -> Given {
        let named = |list: &str, name: &str| {
            let entries = self.container[list].as_array().into_iter().flatten();
            entries
                .filter_map(|entry| {
                    let file = entry["File"]["Name"].as_str()?;
                    Some((file.to_owned(), entry[name].as_str()?.to_owned()))
                })
                .collect()
        };
        let variables = self.container["Env"].as_array().into_iter().flatten();
        let variables = variables.filter_map(|line| line.as_str()?.split_once('='));
        Given {
            secrets: named("Secrets", "SecretName"),
            configs: named("Configs", "ConfigName"),
            environment: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }
}

impl Task {
    pub(crate) fn read(task: bollard::models::Task) -> Self {
        let spec = task.spec.unwrap_or_default();
        let status = task.status.unwrap_or_default();
        let ended = status.container_status.unwrap_or_default();
        Self {
            id: task.id.unwrap_or_default(),
            service: task.service_id.unwrap_or_default(),
            slot: task.slot.unwrap_or_default(),
            node: task.node_id.unwrap_or_default(),
            desired: task.desired_state.map(|state| state.to_string()).unwrap_or_default(),
            state: status.state.map(|state| state.to_string()).unwrap_or_default(),
            error: status.err.unwrap_or_default(),
            exit_code: ended.exit_code,
            container_id: ended.container_id.unwrap_or_default(),
            container: container(spec.container_spec.as_ref(), spec.force_update),
            image: spec.container_spec.and_then(|spec| spec.image).unwrap_or_default(),
            created: task.created_at.unwrap_or_default(),
        }
    }

    /// Whether it ended by itself, though its service is none that ends. A task that Swarm took away is `shutdown`. One that was
    /// stopped because it was unhealthy, and obeyed, is `complete`: what is right for a job is a failure here.
    #[must_use]
    pub fn broken(&self, service: &Service) -> bool {
        match self.state.as_str() {
            "failed" | "rejected" => true,
            "complete" => !service.job,
            _ => false,
        }
    }

    /// Why it ended, in Swarm's words, or what they would be.
    #[must_use]
    pub fn words(&self) -> &str {
        match (self.state.as_str(), self.error.as_str()) {
            ("complete", "") => "it ended by itself, or was unhealthy and stopped",
            (_, error) => error,
        }
    }
}

/// What two tasks have in common when they run the same: the container, and how often a restart was forced.
fn container(spec: Option<&bollard::models::TaskSpecContainerSpec>, forced: Option<u64>) -> Value {
    // The model has only strings, numbers and lists of them.
    let mut value = serde_json::to_value(spec).unwrap_or_default();
    if let Some(map) = value.as_object_mut() {
        map.insert("ForceUpdate".to_owned(), forced.unwrap_or_default().into());
    }
    value
}
