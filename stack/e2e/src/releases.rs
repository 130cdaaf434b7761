//! Releases while people work: good ones, bad ones, the way back, two at once, and one that is killed.
//!
//! All versions are the same services under other names. A bad one has one image in which another program stands in the
//! service's place (`cloudtaskhub-faulty`), or a setting that only a newcomer notices. After each release every request and every event of
//! the time is accounted for, as after an outage, and the six services must run what they should, by the names of images.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::process::Child;

use crate::{
    hub::Hub,
    load::{Meter, Reading, during},
    outages::Scene,
    proof::SERVICES,
    report::{Release, Report, say},
    swarm::pause,
    team::{Person, Team},
    workshop::{BAD, Bad, V1, V2, Workshop, short},
};

/// In this order: each begins where the one before ends.
pub(crate) const RELEASES: [&str; 11] = [
    "release",
    "crash",
    "deaf",
    "late",
    "smoke",
    "image",
    "migration",
    "lock",
    "killed",
    "rollback",
    "forward",
];

/// People who look at their own things, beside the team.
const VIEWERS: usize = 24;
/// Streams that stay open.
const STREAMS: usize = 6;
/// What a release may take.
const PATIENCE: Duration = Duration::from_secs(900);
/// Load before and after, to compare with.
const AROUND: Duration = Duration::from_secs(5);

/// What a release said in the end.
struct Ended {
    status: i64,
    /// Its whole answer.
    said: String,
}

impl Scene<'_> {
    /// Brings the stack under the care of the release tool, at the first version.
    pub(crate) async fn first_release(&self, workshop: &Workshop) -> anyhow::Result<()> {
        let ended = self.deploy(workshop, V1).await?;
        ensure!(
            ended.status == 0,
            "the first release ended with {}: {}",
            ended.status,
            ended.said
        );
        self.stands(V1).await
    }

    /// Runs a scenario by its name under load, counts, and reports.
    pub(crate) async fn release(
        &mut self,
        name: &str,
        workshop: &Workshop,
        viewers: &mut [Person],
        report: &mut Report,
    ) -> anyhow::Result<()> {
        say(format!("\n--- release: {name}"))?;
        let team = Team::gather(self.hub).await?;
        for viewer in viewers.iter_mut() {
            viewer.sign_in(self.hub).await?;
        }
        let released = during(self.hub, &team, viewers, STREAMS, async |meter| {
            tokio::time::sleep(AROUND).await;
            let before = meter.read();
            let begun = Instant::now();
            let (what, judged) = self.act(name, workshop).await?;
            let took = begun.elapsed();
            let meanwhile = meter.read();
            tokio::time::sleep(AROUND).await;
            Ok(self.account(what, judged, took, meter, [before, meanwhile]))
        });
        let (accepted, release) = released.await.with_context(|| format!("release {name}"))?;
        let (what, load) = (&release.what, &release.load);
        say(format!(
            "  {what}: {:.1} s, {} requests, {} failed",
            release.took.as_secs_f64(),
            load.sent,
            load.failed
        ))?;
        if release.failed() {
            report.broken.push(format!("{name}: {release:?}"));
        } else {
            report.passed += 1;
        }
        report.releases.push(release);
        self.prove(name, &team, &accepted, report).await
    }

    fn account(
        &self,
        what: String,
        judged: Result<(), String>,
        took: Duration,
        meter: &Meter,
        [before, meanwhile]: [Reading; 2],
    ) -> Release {
        let after = meter.read();
        Release {
            what,
            judged,
            took,
            p99: [
                meter.p99(&Reading::default(), &before),
                meter.p99(&before, &meanwhile),
                meter.p99(&meanwhile, &after),
            ],
            rate: meanwhile.since(&before).sent as f64 / took.as_secs_f64(),
            load: after,
        }
    }

    /// Does it; answers what it was, and whether it ended as it must.
    async fn act(&self, name: &str, workshop: &Workshop) -> anyhow::Result<(String, Result<(), String>)> {
        if let Some(bad) = BAD.iter().find(|bad| bad.name == name) {
            let said = self.bad(workshop, bad).await?;
            return Ok((format!("a bad release: {name}"), said));
        }
        let (what, ended, stands) = match name {
            "release" => ("all six services, v1 to v2", self.deploy(workshop, V2).await?, V2),
            "rollback" => {
                self.move_schema_on().await?;
                let ended = self.tell(workshop, &["rollback", "--tag", V1]).await?;
                ("back to v1, on a newer schema", ended, V1)
            }
            "forward" => ("forward to v2 again", self.deploy(workshop, V2).await?, V2),
            "lock" => ("two at once", self.two_at_once(workshop).await?, V2),
            "killed" => (
                "one killed in the middle, and the next",
                self.killed(workshop).await?,
                V2,
            ),
            _ => bail!("there is no release {name}"),
        };
        let judged = if ended.status == 0 {
            self.stands(stands).await.map_err(|error| format!("{error:#}"))
        } else {
            Err(format!("ended with {}: {}", ended.status, ended.said))
        };
        Ok((what.to_owned(), judged))
    }

    async fn bad(&self, workshop: &Workshop, bad: &Bad) -> anyhow::Result<Result<(), String>> {
        if bad.name == "migration" {
            self.spoil_schema().await?;
        }
        let before = self.images().await?;
        let ended = self.deploy(workshop, &format!("e2e-{}", bad.name)).await?;
        if ended.status != bad.status {
            let (status, said) = (ended.status, ended.said);
            return Ok(Err(format!("ended with {status}, not {}: {said}", bad.status)));
        }
        if let Some(missing) = bad.said.iter().find(|words| !ended.said.contains(**words)) {
            return Ok(Err(format!("does not say '{missing}': {}", ended.said)));
        }
        let after = self.images().await?;
        if after != before {
            return Ok(Err(format!("{after:?} run, not {before:?}")));
        }
        Ok(Ok(()))
    }

    async fn deploy(&self, workshop: &Workshop, version: &str) -> anyhow::Result<Ended> {
        self.tell(workshop, &["deploy", "--tag", version]).await
    }

    async fn tell(&self, workshop: &Workshop, arguments: &[&str]) -> anyhow::Result<Ended> {
        let output = self.start(workshop, arguments).await?.wait_with_output();
        let Ok(output) = tokio::time::timeout(PATIENCE, output).await else {
            bail!("stackctl {} does not end", arguments.join(" "));
        };
        let output = output?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let answer: Value = serde_json::from_str(&said).unwrap_or_default();
        let status = i64::from(output.status.code().context("stackctl was killed")?);
        ensure!(
            status == 1 || answer["exit_code"] == status,
            "stackctl ends with {status}, and says: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(Ended {
            status,
            said: said + &String::from_utf8_lossy(&output.stderr),
        })
    }

    async fn start(&self, workshop: &Workshop, arguments: &[&str]) -> anyhow::Result<Child> {
        let mut command = self.stack.manager().await?.command(&workshop.tool);
        command
            .args(["--stack", &self.stack.name, "--output", "json"])
            .args(arguments)
            .envs(self.stack.variables.iter().map(|(name, value)| (name, value)))
            .env_remove("TAG")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(command.spawn()?)
    }

    /// The second is told who is at it; the first goes on.
    async fn two_at_once(&self, workshop: &Workshop) -> anyhow::Result<Ended> {
        let version = format!("{V2}-again");
        for service in SERVICES.map(short) {
            workshop
                .derive(self.stack.manager().await?, service, &version, "")
                .await?;
        }
        let first = self.deploy(workshop, &version);
        let second = async {
            self.locked().await?;
            self.deploy(workshop, V1).await
        };
        let (first, second) = tokio::try_join!(first, second)?;
        ensure!(
            second.status == 3,
            "the second ended with {}: {}",
            second.status,
            second.said
        );
        ensure!(
            second.said.contains("holder"),
            "the second is not told who holds the lock: {}",
            second.said
        );
        ensure!(
            first.status == 0,
            "the first ended with {}: {}",
            first.status,
            first.said
        );
        // Where the next one begins.
        self.deploy(workshop, V2).await
    }

    /// Waits until somebody releases.
    async fn locked(&self) -> anyhow::Result<()> {
        let name = format!("{}_release_lock", self.stack.name);
        let begun = Instant::now();
        while self.stack.docker(&["config", "inspect", &name]).await.is_err() {
            ensure!(begun.elapsed() < Duration::from_secs(60), "nobody takes the lock");
            pause().await;
        }
        Ok(())
    }

    /// A release dies once services follow the new definition; the next one repairs.
    async fn killed(&self, workshop: &Workshop) -> anyhow::Result<Ended> {
        let before = self.images().await?;
        let mut first = self.start(workshop, &["deploy", "--tag", V1]).await?;
        let begun = Instant::now();
        while self.images().await? == before {
            ensure!(
                begun.elapsed() < Duration::from_secs(120),
                "the release changes nothing"
            );
            pause().await;
        }
        first.kill().await?;
        let next = self.deploy(workshop, V2).await?;
        ensure!(
            next.said.contains("took over the lock"),
            "the next one does not notice: {}",
            next.said
        );
        Ok(next)
    }

    /// The images that services are to run, by name.
    async fn images(&self) -> anyhow::Result<Vec<String>> {
        let mut images = Vec::new();
        for service in SERVICES {
            let format = "{{.Spec.TaskTemplate.ContainerSpec.Image}}";
            let name = self.stack.service(service);
            images.push(
                self.stack
                    .docker(&["service", "inspect", "--format", format, &name])
                    .await?,
            );
        }
        Ok(images)
    }

    /// Whether all services run this version: every task, by its own image.
    async fn stands(&self, version: &str) -> anyhow::Result<()> {
        let label = "{{index .Config.Labels \"cloudtaskhub.e2e\"}}";
        for service in SERVICES {
            let replicas = self.stack.replicas(service).await?;
            ensure!(!replicas.is_empty(), "{service} does not run");
            for (node, container) in replicas {
                let runs = node
                    .docker(&["container", "inspect", "--format", label, &container])
                    .await?;
                ensure!(runs == version, "{service} runs {runs}, not {version}");
            }
        }
        Ok(())
    }

    /// As a later release would: something more, and a migration of which older binaries know nothing.
    async fn move_schema_on(&self) -> anyhow::Result<()> {
        for service in SERVICES.map(short) {
            let sql = "CREATE TABLE IF NOT EXISTS of_a_later_release (id BIGINT PRIMARY KEY);
                INSERT INTO migrations (name, applied_at) VALUES ('m9999_of_a_later_release', 0)
                ON CONFLICT DO NOTHING";
            self.sql(service, sql).await?;
        }
        Ok(())
    }

    /// A schema in which the first migration finds a table that is there already.
    async fn spoil_schema(&self) -> anyhow::Result<()> {
        let sql = "CREATE SCHEMA IF NOT EXISTS spoiled; GRANT ALL ON SCHEMA spoiled TO PUBLIC;
            CREATE TABLE IF NOT EXISTS spoiled.projects (id BIGINT PRIMARY KEY); GRANT ALL ON spoiled.projects TO PUBLIC";
        self.sql("project", sql).await
    }

    async fn sql(&self, database: &str, sql: &str) -> anyhow::Result<()> {
        let replicas = self.stack.replicas("postgres").await?;
        let (node, container) = replicas.first().context("postgres does not run")?;
        // As backups do: the socket's place and the password are the image's affair.
        let script = "PGPASSWORD=$(</run/secrets/postgres_password) exec psql -qh 127.0.0.1 -U postgres -v ON_ERROR_STOP=1 \"$@\"";
        let psql = ["exec", container, "bash", "-c", script, "-", "-d", database, "-c", sql];
        node.docker(&psql).await?;
        Ok(())
    }
}

/// People who look at what is theirs.
pub(crate) async fn viewers(hub: &Hub) -> anyhow::Result<Vec<Person>> {
    let mut viewers = Vec::new();
    for _ in 0..VIEWERS {
        viewers.push(Person::join(hub, "viewer").await?);
    }
    Ok(viewers)
}
