//! A large CSV file becomes a project.

use std::{
    fmt::Write,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header;

use crate::{
    client::{Client, read, request},
    hub::{Conditions, Hub},
    report::{Goal, Report},
    team::team,
};

/// Rows of a file at most, and of the goal.
const ROWS: f64 = 100_000.0;
/// Seconds that they may take.
const SECONDS: f64 = 60.0;
/// When it is said that an import gets nowhere.
const PATIENCE: Duration = Duration::from_secs(1200);

/// Imports `share` of the largest file into a hub of its own.
pub(crate) async fn measure(binary: &Path, share: f64, report: &mut Report) -> anyhow::Result<()> {
    let count = (ROWS * share) as u64;
    let mut hub = Hub::start(binary, &Conditions::default()).await?;
    let team = team(&hub, 1).await?;
    let taken = rows(&hub, &team[0].token, "Import", count).await?;
    let goal = Goal::at_most(format!("import {count} CSV rows"), "s", SECONDS * share);
    report.goal(goal, taken.as_secs_f64());
    let drained = hub.drained().await?;
    report.figure("events drained after the import", "s", drained.as_secs_f64());
    report.goal(
        Goal::at_most("resident memory while importing, at most", "MB", 200.0),
        hub.peak_mb()?,
    );
    hub.stop().await
}

/// Sends a file of so many rows, and waits until each of them is a task; answers how long both took together.
pub(crate) async fn rows(hub: &Hub, token: &str, name: &str, count: u64) -> anyhow::Result<Duration> {
    let mut file = "id,title,description,status,priority,labels\n".to_owned();
    for number in 0..count {
        writeln!(
            file,
            "{number},\"Task {number}, of an import\",A few words about what has to be done and why.,todo,medium,bench"
        )?;
    }
    let mut client = Client::connect(hub.address).await?;
    let begun = Instant::now();
    let request = request("POST", &format!("/v1/projects/import?name={name}"), token)
        .header(header::CONTENT_TYPE, "text/csv")
        .body(Full::new(Bytes::from(file)))?;
    let accepted = read(client.send(request).await?).await.context("the import")?;
    let path = format!(
        "/v1/imports/{}",
        accepted["id"].as_str().context("an import has an id")?
    );
    loop {
        let import = &client.until_allowed("GET", &path, token, None).await?["import"];
        if import["status"] == "completed" {
            anyhow::ensure!(import["created"] == count, "rows are missing: {import}");
            return Ok(begun.elapsed());
        }
        anyhow::ensure!(import["status"] != "failed", "the import failed: {import}");
        anyhow::ensure!(begun.elapsed() < PATIENCE, "the import is not done: {import}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
