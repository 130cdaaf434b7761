//! From a task's commit to the notification on the assignee's open stream.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use anyhow::Context;
use contracts::Timestamp;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::{
    client::Client,
    hub::Hub,
    load::{Outcome, histogram},
    team::Member,
};

/// Assigns `rate` new tasks a second to one member for `length`, and measures for each how long after its creation the
/// notification arrived. Both times are of this machine's clock. A notification that never arrives is an error.
pub(crate) async fn commit_to_notification(
    hub: &Hub,
    team: &[Member],
    project: &str,
    rate: u32,
    length: Duration,
) -> anyhow::Result<Outcome> {
    let (author, reader) = (&team[0], &team[1]);
    let mut listener = Client::connect(hub.address).await?;
    let answer = listener.open("GET", "/v1/stream", &reader.token, None).await?;
    anyhow::ensure!(answer.status().is_success(), "the stream answered {}", answer.status());
    let mut stream = answer.into_body();

    let begun = Instant::now();
    let create = async {
        let mut client = Client::connect(hub.address).await?;
        let path = format!("/v1/projects/{project}/tasks");
        let mut created = Vec::new();
        let mut tick = tokio::time::interval(Duration::from_secs(1) / rate);
        while begun.elapsed() < length {
            tick.tick().await;
            let body = json!({ "title": "Tell the assignee", "assignee_ids": [reader.id] });
            let (status, answer) = client.call("POST", &path, &author.token, Some(&body)).await?;
            anyhow::ensure!(status.is_success(), "creating a task answered {status}");
            let task: Value = serde_json::from_slice(&answer)?;
            let id = task["id"].as_str().context("a task has an id")?.to_owned();
            let at: Timestamp = task["created_at"].as_str().context("a task has a time")?.parse()?;
            created.push((id, at));
        }
        anyhow::Ok(created)
    };
    let listen = async {
        let mut arrived = Vec::new();
        let mut text = String::new();
        // Ends when nothing came for two seconds after the last creation.
        while let Ok(Some(frame)) = tokio::time::timeout(
            length.saturating_sub(begun.elapsed()) + Duration::from_secs(2),
            stream.frame(),
        )
        .await
        {
            if let Ok(data) = frame?.into_data() {
                text.push_str(&String::from_utf8_lossy(&data));
                while let Some(end) = text.find("\n\n") {
                    let event: String = text.drain(..end + 2).collect();
                    if let Some(task) = assigned(&event) {
                        arrived.push((task, Timestamp::now()));
                    }
                }
            }
            if begun.elapsed() > length + Duration::from_secs(10) {
                break;
            }
        }
        anyhow::Ok(arrived)
    };
    let (created, arrived) = tokio::try_join!(create, listen)?;
    let mut delays = histogram()?;
    let times: std::collections::HashMap<&str, Timestamp> = created.iter().map(|(id, at)| (id.as_str(), *at)).collect();
    let mut seen = HashSet::new();
    for (task, at) in &arrived {
        if let Some(created_at) = times.get(task.as_str()) {
            anyhow::ensure!(seen.insert(task), "the notification for {task} came twice");
            delays.saturating_record(u64::try_from(at.since(*created_at).as_micros())?);
        }
    }
    anyhow::ensure!(
        seen.len() == created.len(),
        "{} of {} notifications arrived",
        seen.len(),
        created.len()
    );
    Ok(Outcome::of(delays, length))
}

/// The task that a server-sent event says was assigned.
fn assigned(event: &str) -> Option<String> {
    let data = event.lines().find_map(|line| line.strip_prefix("data:"))?;
    let value: Value = serde_json::from_str(data.trim()).ok()?;
    let data = &value["data"];
    (data["kind"] == "task_assigned").then(|| data["task_id"].as_str().map(str::to_owned))?
}
