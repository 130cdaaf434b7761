//! `make bench`: how fast the embedded hub is on this machine, beside the machine's own limits.
//!
//! It starts the hub as a user would, in a process and a folder of its own, and speaks to it through the gateway with
//! authentication. Every figure says what it should be; the exit status says only whether the benchmark could run.

mod client;
mod hub;
mod limits;
mod load;
mod report;
mod stream;

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};
use serde_json::json;

use client::Client;
use hub::Hub;
use report::{Goal, Report};

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
    /// Only these phases: limits, create, read, notify.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
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
    let wanted = |phase: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == phase);
    let length = Duration::from_secs(arguments.seconds);
    let warmup = Duration::from_secs(arguments.warmup);
    let mut report = Report::default();

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

    let mut hub = Hub::start(&arguments.hub).await?;
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
    hub.stop().await?;
    report.print()?;
    report.write(&arguments.json)
}

/// Somebody who calls the hub.
struct Member {
    id: String,
    token: String,
    project: String,
}

/// People in one project, the first of them its owner.
async fn team(hub: &Hub, size: usize) -> anyhow::Result<Vec<Member>> {
    let mut client = Client::connect(hub.address).await?;
    let mut members = Vec::new();
    let mut project = String::new();
    for number in 0..size {
        let credentials =
            json!({ "email": format!("bench{number}@example.com"), "password": "correct horse battery staple" });
        let mut person = credentials.clone();
        person["display_name"] = json!(format!("Bench {number}"));
        let user = client
            .until_allowed("POST", "/v1/auth/register", "", Some(&person))
            .await?;
        let session = client
            .until_allowed("POST", "/v1/auth/login", "", Some(&credentials))
            .await?;
        let id = user["id"].as_str().unwrap_or_default().to_owned();
        let token = session["access_token"].as_str().unwrap_or_default().to_owned();
        if number == 0 {
            let made = client
                .until_allowed("POST", "/v1/projects", &token, Some(&json!({ "name": "Bench" })))
                .await?;
            project = made["id"].as_str().unwrap_or_default().to_owned();
        }
        members.push(Member {
            id,
            token,
            project: project.clone(),
        });
    }
    let owner = members[0].token.clone();
    for number in 1..size {
        let body = json!({ "email": format!("bench{number}@example.com"), "role": "member" });
        client
            .until_allowed("POST", &format!("/v1/projects/{project}/members"), &owner, Some(&body))
            .await?;
    }
    // An account that the project service had not heard of yet was invited; wait until everybody is a member.
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let list = client
            .until_allowed("GET", &format!("/v1/projects/{project}/members"), &owner, None)
            .await?;
        if list["items"].as_array().is_some_and(|items| items.len() == size) {
            return Ok(members);
        }
        anyhow::ensure!(
            std::time::Instant::now() < deadline,
            "the team did not come together: {list}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A project with 50 tasks, so that reading does not depend on what was created before.
async fn small_project(hub: &Hub, team: &[Member]) -> anyhow::Result<String> {
    let mut client = Client::connect(hub.address).await?;
    let made = client
        .until_allowed("POST", "/v1/projects", &team[0].token, Some(&json!({ "name": "Read" })))
        .await?;
    let project = made["id"].as_str().unwrap_or_default().to_owned();
    for number in 1..team.len() {
        let body = json!({ "email": format!("bench{number}@example.com"), "role": "member" });
        client
            .until_allowed(
                "POST",
                &format!("/v1/projects/{project}/members"),
                &team[0].token,
                Some(&body),
            )
            .await?;
    }
    for number in 0..60 {
        let body = json!({
            "title": format!("Read me, number {number}"), "description": "A few words about what has to be done and why.",
            "labels": ["bench", "reading"], "assignee_ids": [team[number % team.len()].id],
        });
        client
            .until_allowed(
                "POST",
                &format!("/v1/projects/{project}/tasks"),
                &team[0].token,
                Some(&body),
            )
            .await?;
    }
    Ok(project)
}
