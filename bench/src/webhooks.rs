//! Webhooks: how fast messages leave the house when they are all there at once.
//!
//! The messages are made while the webhook is disabled, and measured is a replay of all of them: otherwise the figure would
//! say how fast tasks can be made.

use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use bytes::Bytes;
use contracts::Timestamp;
use http_body_util::Full;
use hyper::header;
use poem::{EndpointExt, Request, Server, handler, http::StatusCode, listener::TcpListener, web::Data};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    client::{Client, read, request},
    hub::{Conditions, Hub, free_address},
    import,
    report::{Goal, Report},
    team::team,
};

/// Messages of the goal; a replay takes no more at once.
const MESSAGES: f64 = 10_000.0;
/// Seconds that they may take.
const SECONDS: f64 = 30.0;
/// When it is said that messages are missing.
const PATIENCE: Duration = Duration::from_secs(600);

/// The ids of messages that arrived, each once, and how many there are.
#[derive(Default)]
struct Arrived {
    ids: Mutex<HashSet<String>>,
    count: watch::Sender<usize>,
}

#[handler]
fn take(request: &Request, arrived: Data<&Arc<Arrived>>) -> StatusCode {
    let id = request.header("webhook-id").unwrap_or_default().to_owned();
    let mut ids = arrived.ids.lock().unwrap_or_else(PoisonError::into_inner);
    ids.insert(id);
    arrived.count.send_replace(ids.len());
    StatusCode::NO_CONTENT
}

/// Has `share` of the messages delivered to this process.
pub(crate) async fn measure(binary: &Path, share: f64, report: &mut Report) -> anyhow::Result<()> {
    let count = (MESSAGES * share) as u64;
    let conditions = Conditions {
        local_targets: true,
        ..Conditions::default()
    };
    let mut hub = Hub::start(binary, &conditions).await?;
    let team = team(&hub, 1).await?;
    let token = &team[0].token;

    let arrived = Arc::new(Arrived::default());
    let address = free_address()?;
    // Ends the target when this function ends.
    let mut target = JoinSet::new();
    target.spawn(Server::new(TcpListener::bind(address)).run(take.data(Arc::clone(&arrived))));

    let mut client = Client::connect(hub.address).await?;
    let since = Timestamp::now().to_string();
    let wanted = json!({ "url": format!("http://{address}/"), "event_types": ["task.created.v1"] });
    let webhook = client
        .until_allowed("POST", "/v1/webhooks", token, Some(&wanted))
        .await?;
    let path = format!(
        "/v1/webhooks/{}",
        webhook["id"].as_str().context("a webhook has an id")?
    );
    enable(&mut client, &path, token, false).await?;
    import::rows(&hub, token, "Webhooks", count).await?;
    let begun = Instant::now();
    while deliveries(&mut client, &path, token).await? < count {
        anyhow::ensure!(begun.elapsed() < PATIENCE, "not every task became a message");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    hub.drained().await?;
    enable(&mut client, &path, token, true).await?;

    let begun = Instant::now();
    let replay = client
        .until_allowed(
            "POST",
            &format!("{path}/replay"),
            token,
            Some(&json!({ "since": since })),
        )
        .await?;
    anyhow::ensure!(replay["queued"] == count, "the replay is not of all messages: {replay}");
    let mut seen = arrived.count.subscribe();
    let all = seen.wait_for(|seen| *seen as u64 >= count);
    tokio::time::timeout(PATIENCE, all)
        .await
        .with_context(|| format!("{} of {count} messages arrived", *arrived.count.borrow()))??;
    let goal = Goal::at_most(format!("deliver {count} webhooks"), "s", SECONDS * share);
    report.goal(goal, begun.elapsed().as_secs_f64());
    hub.stop().await
}

async fn enable(client: &mut Client, path: &str, token: &str, enabled: bool) -> anyhow::Result<()> {
    let now = client.open("GET", path, token, None).await?;
    let tag = now
        .headers()
        .get(header::ETAG)
        .context("a webhook has a version")?
        .clone();
    read(now).await?;
    let change = json!({ "enabled": enabled });
    let request = request("PATCH", path, token)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::IF_MATCH, tag)
        .body(Full::new(Bytes::from(serde_json::to_vec(&change)?)))?;
    read(client.send(request).await?).await?;
    Ok(())
}

/// How many deliveries a webhook has.
async fn deliveries(client: &mut Client, path: &str, token: &str) -> anyhow::Result<u64> {
    let (mut count, mut cursor) = (0, String::new());
    loop {
        let page = client
            .until_allowed("GET", &format!("{path}/deliveries?limit=200{cursor}"), token, None)
            .await?;
        count += page["items"].as_array().map_or(0, Vec::len) as u64;
        match &page["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return Ok(count),
        }
    }
}
