//! People who use the hub while parts of it are taken away. Each outage has a team of its own, so that its counts are exact.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::{
    hub::{Ask, Hub},
    swarm::{Stack, pause},
};

const PASSWORD: &str = "correct horse battery staple";
/// People who order, each one order after the other.
const BUYERS: usize = 3;

/// Somebody with an account.
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) token: String,
}

/// Who works during an outage.
pub(crate) struct Team {
    /// Makes tasks.
    pub(crate) ada: Person,
    /// Is assigned all of them, and so is notified of each.
    pub(crate) bob: Person,
    /// Order seats.
    pub(crate) buyers: Vec<Person>,
    /// Where the tasks are.
    pub(crate) project: String,
}

impl Person {
    /// Opens an account and signs in.
    pub(crate) async fn join(hub: &Hub, name: &str) -> anyhow::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let email = format!("{name}.{}.{number}@example.com", run_id());
        let account = json!({ "email": email, "password": PASSWORD, "display_name": name });
        // An address that is taken: a try before was carried out, only its answer was lost.
        let made = hub.once(&Ask::post("/v1/auth/register", "", account.clone())).await;
        if let Err(why) = made
            && !why.starts_with("409")
        {
            pause().await;
            if let Err(why) = hub.once(&Ask::post("/v1/auth/register", "", account)).await {
                ensure!(why.starts_with("409"), "{email} cannot register: {why}");
            }
        }
        let mut person = Self {
            id: String::new(),
            email,
            token: String::new(),
        };
        person.sign_in(hub).await?;
        let me = hub.call(&Ask::get("/v1/me", &person.token)).await?;
        person.id = text(&me, "id")?;
        Ok(person)
    }

    /// Signs in (again).
    pub(crate) async fn sign_in(&mut self, hub: &Hub) -> anyhow::Result<()> {
        let session = json!({ "email": self.email, "password": PASSWORD });
        let session = hub.call(&Ask::post("/v1/auth/login", "", session)).await?;
        self.token = text(&session, "access_token")?;
        Ok(())
    }

    /// An administrator, by the operator's own command.
    pub(crate) async fn admin(hub: &Hub, stack: &Stack) -> anyhow::Result<Self> {
        let mut admin = Self::join(hub, "admin").await?;
        stack
            .operate("auth-service", &["users", "promote", &admin.email])
            .await?;
        admin.sign_in(hub).await?;
        Ok(admin)
    }
}

impl Team {
    /// A team with room for as many tasks as it likes.
    pub(crate) async fn gather(hub: &Hub) -> anyhow::Result<Self> {
        let ada = Person::join(hub, "ada").await?;
        let bob = Person::join(hub, "bob").await?;
        let mut buyers = Vec::new();
        for _ in 0..BUYERS {
            buyers.push(Person::join(hub, "buyer").await?);
        }
        let order = json!({ "plan": "team", "seats": 2, "interval": "month" });
        let order = hub
            .call(&Ask::post("/v1/orders", &ada.token, order).keyed("room"))
            .await?;
        let path = format!("/v1/orders/{}", text(&order, "id")?);
        until("the team's own order is completed", async || {
            Ok(hub.call(&Ask::get(&path, &ada.token)).await?["status"] == "completed")
        })
        .await?;
        let project = json!({ "name": "Outage" });
        let project = hub
            .call(&Ask::post("/v1/projects", &ada.token, project).keyed("project"))
            .await?;
        let project = text(&project, "id")?;
        let member = json!({ "email": bob.email, "role": "member" });
        let members = format!("/v1/projects/{project}/members");
        hub.call(&Ask::post(members, &ada.token, member).keyed("bob")).await?;
        let path = format!("/v1/projects/{project}");
        until("Bob is in the project", async || {
            Ok(hub.once(&Ask::get(&path, &bob.token)).await.is_ok())
        })
        .await?;
        Ok(Self {
            ada,
            bob,
            buyers,
            project,
        })
    }
}

/// A text field of an answer.
pub(crate) fn text(value: &Value, field: &str) -> anyhow::Result<String> {
    let text = value[field]
        .as_str()
        .with_context(|| format!("no {field} in {value}"))?;
    Ok(text.to_owned())
}

/// Asks again until it is so.
pub(crate) async fn until(what: &str, mut ask: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let begun = tokio::time::Instant::now();
    while !ask().await? {
        ensure!(
            begun.elapsed() < Duration::from_secs(240),
            "waited in vain until {what}"
        );
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

/// Different in each run, so that a stack that was kept can be used again.
fn run_id() -> u64 {
    static RUN: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *RUN.get_or_init(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |now| now.as_secs())
    })
}
