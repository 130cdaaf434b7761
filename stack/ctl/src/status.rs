//! What stands: the release, each service with its version and health, what waits in the broker, and the disk.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::{
    engine::Engine,
    ledger::{self, Ledger, Standing},
    lock::{self, Holder},
    release::Releaser,
    report::table,
    watch::Condition,
};

/// A service that is asked and does not answer for so long has its question left out.
const PATIENCE: Duration = Duration::from_secs(15);

/// What stands.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The stack.
    pub stack: String,
    /// What it runs, in words: a release, or that it is between two.
    pub standing: String,
    /// The number of the release that stands, if one does.
    pub release: Option<u64>,
    /// Its tag.
    pub tag: Option<String>,
    /// Who is releasing now.
    pub lock: Option<Holder>,
    /// Each service.
    pub services: BTreeMap<String, ServiceStatus>,
    /// Sizes of the stack's volumes on this node.
    pub volumes: BTreeMap<String, String>,
    /// Free room where the engine keeps images, in bytes; none when that is on another machine.
    pub disk_free: Option<u64>,
}

/// A service as it is.
#[derive(Debug, Serialize)]
pub struct ServiceStatus {
    /// How it does.
    pub condition: Condition,
    /// What it runs.
    pub image: String,
    /// Events that wait for it, in its own words, if it consumes any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_waiting: Option<String>,
}

impl Releaser<'_> {
    /// What stands now.
    ///
    /// # Errors
    /// When the engine does not answer, or there is no such stack.
    pub async fn status(&self) -> anyhow::Result<Status> {
        let stack = &self.stack;
        let entries = Ledger::new(self.engine, stack).read().await?;
        let lock = lock::holder(self.engine, stack).await?;
        let standing = ledger::standing(&entries);
        let words = match standing {
            Standing::Nothing => "nothing was released with stackctl".to_owned(),
            Standing::Release(entry) => format!("{} of {}", entry.title(), entry.begun.started),
            Standing::Between(attempt, _) if attempt.ended.is_none() && lock.is_some() => {
                format!("{} is under way", attempt.title())
            }
            Standing::Between(attempt, last) => {
                let back = last.map_or("deploy one that works".to_owned(), |last| {
                    format!("make rollback goes back to {}", last.title())
                });
                format!("between two releases: {} did not succeed; {back}", attempt.title())
            }
        };
        let (release, tag) = match standing {
            Standing::Release(entry) => (Some(entry.begun.number), Some(entry.begun.tag.clone())),
            _ => (None, None),
        };
        let found = self.engine.services(stack).await?;
        anyhow::ensure!(!found.is_empty(), "there is no stack {stack}; make deploy");
        let mut conditions = self.conditions().await;
        let asked = found.iter().map(|service| async {
            if service.name.ends_with("-service") {
                Some(lag(self.engine, stack, &service.name).await)
            } else {
                None
            }
        });
        let waiting = futures_util::future::join_all(asked).await;
        let services = found.into_iter().zip(waiting).map(|(service, events_waiting)| {
            let status = ServiceStatus {
                condition: conditions.remove(&service.name).unwrap_or(Condition::Failed {
                    reason: "not known".to_owned(),
                }),
                image: service.image,
                events_waiting,
            };
            (service.name, status)
        });
        Ok(Status {
            stack: stack.clone(),
            standing: words,
            release,
            tag,
            lock,
            services: services.collect(),
            volumes: volumes(self.engine, stack).await?,
            disk_free: crate::preflight::free(&self.swarm.root),
        })
    }
}

/// What a replica on this node says of the events that wait for its service.
async fn lag(engine: &Engine, stack: &str, service: &str) -> String {
    let label = format!("label=com.docker.swarm.service.name={stack}_{service}");
    let healthy = [
        "container",
        "ls",
        "--quiet",
        "--filter",
        &label,
        "--filter",
        "health=healthy",
    ];
    let containers = engine.cli(&healthy, None).await.unwrap_or_default();
    let Some(container) = containers.lines().next() else {
        return "no healthy replica on this node".to_owned();
    };
    let arguments = ["exec", container, "/service", "events", "lag"];
    let asked = tokio::time::timeout(PATIENCE, engine.cli(&arguments, None)).await;
    match asked {
        Ok(Ok(said)) => said
            .lines()
            .last()
            .unwrap_or_default()
            .trim_start_matches("total ")
            .to_owned(),
        Ok(Err(error)) => format!("{error:#}").lines().last().unwrap_or_default().to_owned(),
        Err(_) => "no answer".to_owned(),
    }
}

async fn volumes(engine: &Engine, stack: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let format = "{{range .Volumes}}{{println .Name .Size}}{{end}}";
    let said = engine
        .cli(&["system", "df", "--verbose", "--format", format], None)
        .await?;
    let volumes = said.lines().filter_map(|line| {
        let (name, size) = line.split_once(' ')?;
        let name = name.strip_prefix(stack)?.strip_prefix('_')?;
        Some((name.to_owned(), size.to_owned()))
    });
    Ok(volumes.collect())
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}: {}", self.stack, self.standing)?;
        if let Some(holder) = &self.lock {
            writeln!(f, "a release is under way: {holder}")?;
        }
        let rows = self.services.iter().map(|(name, service)| {
            let image = service.image.split('@').next().unwrap_or_default();
            let waiting = service.events_waiting.clone().unwrap_or_default();
            let condition = service.condition.to_string().chars().take(60).collect();
            vec![name.clone(), condition, image.to_owned(), waiting]
        });
        let rows: Vec<Vec<String>> = rows.collect();
        write!(
            f,
            "\n{}",
            table(&["SERVICE", "HEALTH", "IMAGE", "EVENTS WAITING"], &rows)
        )?;
        let mut rows: Vec<Vec<String>> = self
            .volumes
            .iter()
            .map(|(name, size)| vec![name.clone(), size.clone()])
            .collect();
        if let Some(free) = self.disk_free {
            #[expect(clippy::cast_precision_loss, reason = "gigabytes")]
            let free = free as f64 / 1e9;
            rows.push(vec!["disk of this node".to_owned(), format!("{free:.1} GB free")]);
        }
        write!(f, "\n{}", table(&["VOLUME", "SIZE"], &rows))
    }
}
