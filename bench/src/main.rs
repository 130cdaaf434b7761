//! `make bench`: how fast the embedded hub is on this machine, beside the machine's own limits.
//!
//! It starts the hub as a user would, in a process and a folder of its own, and speaks to it through the gateway with
//! authentication. Every figure says what it should be; the exit status says only whether the benchmark could run.

mod client;
mod hub;
mod import;
mod limits;
mod load;
mod outage;
mod rebuild;
mod report;
mod stream;
mod team;
mod webhooks;

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, value_parser};
use serde_json::json;

use hub::{Conditions, Hub};
use report::{Goal, Report};
use team::{small_project, team};

/// Benchmark of the embedded hub.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The hub's binary.
    #[arg(long, default_value = "target/release/cloudtaskhub")]
    hub: PathBuf,
    /// Where the JSON report goes.
    #[arg(long, default_value = "target/bench.json")]
    json: PathBuf,
    /// Concurrent clients, each with a connection of its own.
    #[arg(long, default_value_t = 32)]
    clients: usize,
    /// Seconds of each measured phase.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seconds of load before the first measured phase.
    #[arg(long, default_value_t = 10)]
    warmup: u64,
    /// Percent of the full size of the phases with a fixed amount of work: import, webhooks, outage, rebuild.
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=100))]
    percent: u32,
    /// Only these phases: limits, create, read, notify, import, webhooks, outage, rebuild.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

impl Arguments {
    fn wanted(&self, phase: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == phase)
    }
}

#[derive(Subcommand)]
enum Command {
    /// Serves a fixed answer with Poem alone: the limit of the HTTP library on this machine.
    Bare {
        /// Port on the loopback address.
        #[arg(long)]
        port: u16,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(Command::Bare { port }) = arguments.command {
        return limits::serve_bare(port).await;
    }
    let mut report = Report::default();
    let done = phases(&arguments, &mut report).await;
    // Also when a phase failed: what was measured before it is worth reading.
    report.print()?;
    report.write(&arguments.json)?;
    done
}

async fn phases(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let wanted = |phase| arguments.wanted(phase);
    let length = Duration::from_secs(arguments.seconds);
    if wanted("limits") {
        report.machine(
            "bare Poem answer",
            "1/s",
            limits::bare_http(arguments.clients, length.min(Duration::from_secs(10))).await?,
        );
        let (alone, together) = limits::sqlite_commits(Duration::from_secs(5), arguments.clients).await?;
        report.machine("bare SQLite commit, one writer", "1/s", alone);
        report.machine("bare SQLite commit, all clients grouped", "1/s", together);
    }
    typical(arguments, report).await?;
    let share = f64::from(arguments.percent) / 100.0;
    if wanted("import") {
        import::measure(&arguments.hub, share, report).await?;
    }
    if wanted("webhooks") {
        webhooks::measure(&arguments.hub, share, report).await?;
    }
    if wanted("outage") || wanted("rebuild") {
        let data = outage::measure(&arguments.hub, share, length, report).await?;
        rebuild::measure(&arguments.hub, data.path(), report).await?;
    }
    Ok(())
}

/// What a team does all day, on one hub.
async fn typical(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let wanted = |phase| arguments.wanted(phase);
    let length = Duration::from_secs(arguments.seconds);
    let warmup = Duration::from_secs(arguments.warmup);
    let mut hub = Hub::start(&arguments.hub, &Conditions::default()).await?;
    report.goal(
        Goal::at_most("ready after start", "ms", 2000.0),
        hub.ready_after.as_secs_f64() * 1000.0,
    );
    let team = team(&hub, 8).await?;
    let project = team[0].project.clone();

    if wanted("create") {
        let body = |n: u64| json!({ "title": format!("Measure the thing, number {n}"), "priority": "medium" });
        let path = format!("/v1/projects/{project}/tasks");
        let create = |n: u64| ("POST", path.clone(), Some(body(n)));
        load::run(&hub, &team, arguments.clients, warmup, &create).await?;
        let result = load::run(&hub, &team, arguments.clients, length, &create).await?;
        result.must_succeed()?;
        report.goal(
            Goal::at_least("create a task, durable, with its events", "1/s", 1500.0),
            result.rate(),
        );
        report.goal(Goal::at_most("create a task, p99", "ms", 60.0), result.millis(0.99));
        report.figure("create a task, p50", "ms", result.millis(0.5));
        report.figure(
            "events drained after the last creation",
            "s",
            hub.drained().await?.as_secs_f64(),
        );
        report.figure("resident memory after creating", "MB", hub.resident_mb()?);
    }
    if wanted("read") {
        let small = small_project(&hub, &team).await?;
        let path = format!("/v1/projects/{small}/tasks?limit=50");
        let read = |_: u64| ("GET", path.clone(), None);
        load::run(&hub, &team, arguments.clients, warmup, &read).await?;
        let result = load::run(&hub, &team, arguments.clients, length, &read).await?;
        result.must_succeed()?;
        report.goal(Goal::at_least("read a page of 50 tasks", "1/s", 3000.0), result.rate());
        report.figure("read a page of 50 tasks, p50", "ms", result.millis(0.5));
        report.figure("read a page of 50 tasks, p99", "ms", result.millis(0.99));
    }
    if wanted("notify") {
        let delays = stream::commit_to_notification(&hub, &team, &project, 100, length).await?;
        report.goal(
            Goal::at_most("commit to notification at 100 tasks/s, p50", "ms", 40.0),
            delays.millis(0.5),
        );
        report.goal(
            Goal::at_most("commit to notification at 100 tasks/s, p99", "ms", 250.0),
            delays.millis(0.99),
        );
    }
    report.goal(
        Goal::at_most("resident memory at the end", "MB", 150.0),
        hub.resident_mb()?,
    );
    hub.stop().await
}
