//! A service was down while the others went on: how long it takes to catch up, and whether the hub is as quick as ever then.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    client::Client,
    hub::{Conditions, Hub},
    import,
    report::{Goal, Report},
    stream,
    team::{Member, sign_in, team},
};

/// Events of the outage.
const EVENTS: f64 = 50_000.0;
/// The project that they are about.
const PROJECT: &str = "Outage";
/// When it is said that catching up gets nowhere.
const PATIENCE: Duration = Duration::from_secs(1200);

/// Makes `share` of the events while analytics is down, and has it catch up; answers the folder of the stopped hub.
pub(crate) async fn measure(
    binary: &Path,
    share: f64,
    length: Duration,
    report: &mut Report,
) -> anyhow::Result<TempDir> {
    let events = (EVENTS * share) as u64;
    let data = tempfile::tempdir()?;
    let outage = Conditions {
        without: Some("analytics"),
        ..Conditions::default()
    };
    let mut hub = Hub::start_in(binary, data.path(), &outage).await?;
    let mut team = team(&hub, 2).await?;
    import::rows(&hub, &team[0].token, PROJECT, events).await?;
    hub.drained().await?;
    hub.stop().await?;

    let begun = Instant::now();
    let mut hub = Hub::start_in(binary, data.path(), &Conditions::default()).await?;
    // Tokens name the address of the hub that gave them.
    for (number, member) in team.iter_mut().enumerate() {
        member.token = sign_in(&hub, number).await?;
    }
    caught_up(&hub, &team[0], events, begun).await?;
    report.figure(
        format!("caught up after an outage of {events} events"),
        "s",
        begun.elapsed().as_secs_f64(),
    );
    hub.drained().await?;
    let delays = stream::commit_to_notification(&hub, &team, &team[0].project, 100, length).await?;
    report.goal(
        Goal::at_most("commit to notification after the outage, p50", "ms", 40.0),
        delays.millis(0.5),
    );
    report.goal(
        Goal::at_most("commit to notification after the outage, p99", "ms", 250.0),
        delays.millis(0.99),
    );
    hub.stop().await?;
    Ok(data)
}

/// Waits until the figures hold every task that was made during the outage.
async fn caught_up(hub: &Hub, owner: &Member, events: u64, begun: Instant) -> anyhow::Result<()> {
    let mut client = Client::connect(hub.address).await?;
    let projects = client
        .until_allowed("GET", "/v1/projects?limit=200", &owner.token, None)
        .await?;
    let mut all = projects["items"].as_array().into_iter().flatten();
    let project = all.find(|project| project["name"] == PROJECT);
    let id = project.and_then(|project| project["id"].as_str()).unwrap_or_default();
    let path = format!("/v1/analytics/projects/{id}/throughput");
    loop {
        // Unknown until analytics has heard of the project.
        let (status, answer) = client.call("GET", &path, &owner.token, None).await?;
        let figures: Value = serde_json::from_slice(&answer)?;
        if status.is_success() && figures["whole"]["created"] == events {
            return Ok(());
        }
        anyhow::ensure!(
            begun.elapsed() < PATIENCE,
            "analytics did not catch up: {status} {}",
            figures["whole"]
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
