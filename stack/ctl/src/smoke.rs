//! What a user would do, through the router, by host name: the last thing that a release has to show.
//!
//! Two synthetic people open accounts; one makes a project and brings the other in, who hears of a task of theirs: that news
//! has gone through outbox, broker and inbox. Then both close their accounts, and every service says that it has erased them,
//! so all six are seen working, and nothing is left but what a closed account leaves. What goes wrong is said with the step,
//! the request and the hub's own words.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use reqwest::{Client, Method, StatusCode, Url, header::RETRY_AFTER};
use serde::Serialize;
use serde_json::{Value, json};

/// The services, by the first part of their hosts.
const SERVICES: [&str; 6] = ["gateway", "auth", "project", "billing", "notification", "analytics"];
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(15);
/// Between two looks at what shall become true.
const PAUSE: Duration = Duration::from_millis(200);

/// Where the hub is, and what is tried.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where the router listens: `http://127.0.0.1:80`. Hosts are asked for there, whatever their names resolve to.
    pub at: Url,
    /// The hosts, with `{service}` for the name of one: `{service}.hub.example.com`.
    pub hosts: String,
    /// How long a step may take.
    pub patience: Duration,
    /// Domain of the synthetic people's addresses.
    pub mail_domain: String,
}

impl Target {
    /// The hub of `domain` behind the router at `at`, with patience for a busy machine.
    pub fn new(at: Url, domain: &str) -> Self {
        Self {
            at,
            hosts: format!("{{service}}.{domain}"),
            patience: Duration::from_secs(60),
            mail_domain: "example.com".to_owned(),
        }
    }

    fn host(&self, service: &str) -> String {
        self.hosts.replace("{service}", service)
    }

    fn url(&self, service: &str) -> anyhow::Result<Url> {
        let mut url = self.at.clone();
        url.set_host(Some(&self.host(service)))
            .with_context(|| format!("{} is no host", self.host(service)))?;
        Ok(url)
    }
}

/// What was seen working.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// In their order.
    pub steps: Vec<Step>,
}

/// One step of the story.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What happened.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
}

/// Tells the story once.
///
/// # Errors
/// The first step that failed, with the request, the status and the hub's words. The synthetic people are removed then, too,
/// as far as the hub lets them.
pub async fn run(target: &Target) -> anyhow::Result<Report> {
    let mut story = Story::begin(target).await?;
    let told = story.tell().await;
    let left = story.leave().await;
    told?;
    left?;
    Ok(Report { steps: story.steps })
}

/// Somebody who is not there.
struct Person {
    email: String,
    password: String,
    token: String,
    id: String,
}

struct Story<'a> {
    target: &'a Target,
    client: Client,
    gateway: Url,
    people: Vec<Person>,
    steps: Vec<Step>,
    begun: Instant,
}

impl<'a> Story<'a> {
    async fn begin(target: &'a Target) -> anyhow::Result<Self> {
        let host = target.at.host_str().context("the address of the router has no host")?;
        let port = target.at.port_or_known_default().unwrap_or(80);
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host.trim_matches(['[', ']']), port))
            .await
            .with_context(|| format!("{host}: not found; where does the router listen?"))?
            .collect();
        let mut client = Client::builder()
            .timeout(REQUEST)
            .no_proxy()
            // What the router says is looked at, not followed.
            .redirect(reqwest::redirect::Policy::none());
        for service in SERVICES {
            client = client.resolve_to_addrs(&target.host(service), &addresses);
        }
        Ok(Self {
            target,
            client: client.build().context("no HTTP client can be made")?,
            gateway: target.url("gateway")?,
            people: Vec::new(),
            steps: Vec::new(),
            begun: Instant::now(),
        })
    }

    /// Marks the end of a step, or says which one failed.
    fn ends<T>(&mut self, name: impl Into<String>, outcome: anyhow::Result<T>) -> anyhow::Result<T> {
        let name = name.into();
        let seconds = std::mem::replace(&mut self.begun, Instant::now())
            .elapsed()
            .as_secs_f64();
        match outcome {
            Ok(value) => {
                self.steps.push(Step { name, seconds });
                Ok(value)
            }
            Err(error) => Err(error.context(format!("smoke test: failed where {name}"))),
        }
    }

    async fn tell(&mut self) -> anyhow::Result<()> {
        let answers = self.every_service_answers().await;
        self.ends("every service answers at its own host", answers)?;
        for name in ["Ada", "Bob"] {
            let joined = self.join(name).await;
            self.ends(format!("{name} registers and signs in"), joined)?;
        }
        let [ada, bob] = self.people.as_slice() else {
            bail!("two people have joined");
        };
        let (ada, bob) = ((ada.token.clone(), ada.id.clone()), (bob.token.clone(), bob.id.clone()));

        let made = self.post("/v1/projects", &ada.0, json!({ "name": "Smoke test" })).await;
        let made = made.and_then(|project| text(&project, "id"));
        let project = self.ends("Ada creates a project", made)?;
        let member = json!({ "email": self.people[1].email, "role": "member" });
        let path = format!("/v1/projects/{project}");
        let brought = async {
            self.post(&format!("{path}/members"), &ada.0, member).await?;
            // Bob's account is news that project has to hear of.
            self.until("Bob does not see the project", async || {
                self.get(&path, &bob.0).await.map(Some)
            })
            .await
        };
        let brought = brought.await;
        self.ends("Ada brings Bob into it", brought)?;

        let task = json!({ "title": "Look whether it works", "assignee_ids": [bob.1] });
        let made = self.post(&format!("{path}/tasks"), &ada.0, task).await;
        let made = made.and_then(|task| text(&task, "id"));
        let task = self.ends("Ada creates a task for Bob", made)?;
        let notified = self
            .until("Bob's notifications do not show the task", async || {
                let list = self.get("/v1/notifications", &bob.0).await?;
                let items = list["items"].as_array().context("the notifications are no list")?;
                let told = items
                    .iter()
                    .any(|item| item["type"] == "task_assigned" && item["task_id"] == task.as_str());
                Ok(told.then_some(()))
            })
            .await;
        self.ends("Bob is notified of the task, through the broker", notified)
    }

    async fn every_service_answers(&self) -> anyhow::Result<()> {
        for service in SERVICES {
            let url = self.target.url(service)?;
            self.until(&format!("{} does not answer", self.target.host(service)), async || {
                self.send(Method::GET, &url, "/health", "", None).await.map(Some)
            })
            .await?;
        }
        Ok(())
    }

    async fn join(&mut self, name: &str) -> anyhow::Result<()> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        let number = format!("{now:x}-{:x}", std::process::id());
        // Nobody signs in with it twice: the account is closed within the minute.
        let password = format!("smoke test of {name} at {number}");
        let email = format!("smoke.{}.{number}@{}", name.to_lowercase(), self.target.mail_domain);
        let account = json!({ "email": email, "password": password, "display_name": format!("{name} (smoke test)") });
        let account = self.post("/v1/auth/register", "", account).await?;
        self.people.push(Person {
            email: email.clone(),
            password: password.clone(),
            token: String::new(),
            id: text(&account, "id")?,
        });
        let session = self
            .post("/v1/auth/login", "", json!({ "email": email, "password": password }))
            .await?;
        if let Some(person) = self.people.last_mut() {
            person.token = text(&session, "access_token")?;
        }
        Ok(())
    }

    /// Removes the synthetic people and what is theirs.
    async fn leave(&mut self) -> anyhow::Result<()> {
        self.begun = Instant::now();
        let closed = self.close_accounts().await;
        let erasures = self.ends("the accounts are closed", closed)?;
        let erased = async {
            for erasure in erasures {
                let path = format!("/v1/erasures/{erasure}");
                self.until("a service has not erased a closed account", async || {
                    let erasure = self.get(&path, "").await?;
                    Ok((erasure["status"] == "completed").then_some(()))
                })
                .await?;
            }
            Ok(())
        };
        let erased = erased.await;
        self.ends("every service has erased them", erased)
    }

    /// Both, also when closing the first fails.
    async fn close_accounts(&mut self) -> anyhow::Result<Vec<String>> {
        let mut erasures = Vec::new();
        let mut failure = None;
        // The guest first: a project goes with its last member.
        for person in self.people.iter().rev() {
            let body = json!({ "password": person.password });
            let closed = self
                .send(Method::DELETE, &self.gateway, "/v1/me", &person.token, Some(body))
                .await;
            match closed.and_then(|erasure| text(&erasure, "id")) {
                Ok(erasure) => erasures.push(erasure),
                Err(error) => failure = Some(error.context(format!("the account of {} is left", person.email))),
            }
        }
        failure.map_or(Ok(erasures), Err)
    }

    async fn get(&self, path: &str, token: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, &self.gateway, path, token, None).await
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> anyhow::Result<Value> {
        self.send(Method::POST, &self.gateway, path, token, Some(body)).await
    }

    /// One request, once; only a rate limit is waited for.
    async fn send(
        &self,
        method: Method,
        base: &Url,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let begun = Instant::now();
        let asked = || format!("{method} {path} at {}", base.host_str().unwrap_or_default());
        loop {
            let mut request = self.client.request(method.clone(), base.join(path)?);
            if !token.is_empty() {
                request = request.bearer_auth(token);
            }
            if let Some(body) = &body {
                request = request.json(body);
            }
            let answer = request
                .send()
                .await
                .map_err(|error| failure(&error))
                .with_context(asked)?;
            let status = answer.status();
            let wait = answer
                .headers()
                .get(RETRY_AFTER)
                .and_then(|wait| wait.to_str().ok()?.parse().ok());
            let text = answer
                .text()
                .await
                .map_err(|error| failure(&error))
                .with_context(asked)?;
            match wait.map(Duration::from_secs) {
                Some(wait)
                    if status == StatusCode::TOO_MANY_REQUESTS && begun.elapsed() + wait < self.target.patience =>
                {
                    tokio::time::sleep(wait).await;
                }
                _ if status.is_success() => return Ok(serde_json::from_str(&text).unwrap_or_default()),
                _ => bail!("{} answered {}", asked(), said(status, &text)),
            }
        }
    }

    /// Looks again until there is something, or the step's time is up; then says what it saw last.
    async fn until<T>(&self, or: &str, mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
        let begun = Instant::now();
        loop {
            let last = match look().await {
                Ok(Some(value)) => return Ok(value),
                Ok(None) => None,
                Err(error) => Some(error),
            };
            if begun.elapsed() > self.target.patience {
                let or = format!("{or}, {} s long", self.target.patience.as_secs());
                return Err(match last {
                    Some(error) => error.context(or),
                    None => anyhow::anyhow!(or),
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A status, and what a problem (RFC 9457) or anybody else says with it.
fn said(status: StatusCode, text: &str) -> String {
    let problem: Value = serde_json::from_str(text).unwrap_or_default();
    let words = match (problem["title"].as_str(), problem["detail"].as_str()) {
        (_, Some(detail)) => detail.to_owned(),
        (Some(title), None) => title.to_owned(),
        (None, None) => text.chars().take(200).collect::<String>().trim().to_owned(),
    };
    let trace = problem["trace_id"]
        .as_str()
        .map_or_else(String::new, |trace| format!(" (trace {trace})"));
    format!("{status}: {words}{trace}")
}

fn failure(error: &reqwest::Error) -> anyhow::Error {
    anyhow::anyhow!(if error.is_connect() {
        "no connection"
    } else if error.is_timeout() {
        "no answer in time"
    } else {
        "the answer broke off"
    })
}

fn text(value: &Value, field: &str) -> anyhow::Result<String> {
    let text = value[field].as_str();
    Ok(text
        .with_context(|| format!("the answer has no {field}: {value}"))?
        .to_owned())
}

#[cfg(test)]
mod tests;
