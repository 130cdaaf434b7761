//! People who use the hub, and a project of theirs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{client::Client, hub::Hub};

/// How long the people may take to come together, and an order to be carried out.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who calls the hub.
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) project: String,
}

/// People in one project, the first of them its owner, whose plan has no limits.
pub(crate) async fn team(hub: &Hub, size: usize) -> anyhow::Result<Vec<Member>> {
    let mut client = Client::connect(hub.address).await?;
    let mut members = Vec::new();
    let mut project = String::new();
    for number in 0..size {
        let mut person = credentials(number);
        person["display_name"] = json!(format!("Bench {number}"));
        let user = client
            .until_allowed("POST", "/v1/auth/register", "", Some(&person))
            .await?;
        let id = user["id"].as_str().unwrap_or_default().to_owned();
        let token = sign_in(hub, number).await?;
        if number == 0 {
            order_everything(hub, &token).await?;
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
    let begun = Instant::now();
    loop {
        let list = client
            .until_allowed("GET", &format!("/v1/projects/{project}/members"), &owner, None)
            .await?;
        if list["items"].as_array().is_some_and(|items| items.len() == size) {
            return Ok(members);
        }
        anyhow::ensure!(begun.elapsed() < PATIENCE, "the team did not come together: {list}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn credentials(number: usize) -> Value {
    json!({ "email": format!("bench{number}@example.com"), "password": "correct horse battery staple" })
}

/// A token of the member of this number.
pub(crate) async fn sign_in(hub: &Hub, number: usize) -> anyhow::Result<String> {
    let mut client = Client::connect(hub.address).await?;
    let session = client
        .until_allowed("POST", "/v1/auth/login", "", Some(&credentials(number)))
        .await?;
    Ok(session["access_token"].as_str().unwrap_or_default().to_owned())
}

/// Orders the plan without limits, and waits until every service has heard of it.
async fn order_everything(hub: &Hub, token: &str) -> anyhow::Result<()> {
    let mut client = Client::connect(hub.address).await?;
    let begun = Instant::now();
    let body = json!({ "plan": "business", "seats": 1, "interval": "month" });
    client.until_allowed("POST", "/v1/orders", token, Some(&body)).await?;
    loop {
        let me = client.until_allowed("GET", "/v1/me", token, None).await?;
        if me["plan"] == "business" {
            break;
        }
        anyhow::ensure!(begun.elapsed() < PATIENCE, "the business plan did not arrive: {me}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    hub.drained().await?;
    Ok(())
}

/// A project with 60 tasks, so that reading does not depend on what was created before.
pub(crate) async fn small_project(hub: &Hub, team: &[Member]) -> anyhow::Result<String> {
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
