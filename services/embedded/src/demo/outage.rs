//! `cloudtaskhub demo-outage`: an order that is accepted while billing or the broker is down is completed afterwards, once.
//!
//! The hub runs as a child process with a folder of its own, so that a part can be missing and the whole can be killed
//! without a chance to tidy up. Everything that is shown was asked over the public API; at the end all events are published
//! once more, and the invoices counted. What is not as promised ends the demonstration with an error.

use std::{
    fs::File,
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::api::Api;

/// How long a part may take to start, and an order to be completed.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the hub logs, in its folder.
const LOG: &str = "hub.log";
const PASSWORD: &str = "correct horse battery staple";

/// Shows it step by step.
///
/// # Errors
/// When the hub cannot be run, or an order was lost or carried out twice.
pub(crate) async fn run() -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    say(format!("A hub of its own, in {}", folder.path().display()))?;
    let shown = show(folder.path()).await;
    if shown.is_err() {
        say(format!(
            "It stays for a look, with the hub's words in {LOG}: {}",
            folder.keep().display()
        ))?;
    }
    shown
}

async fn show(folder: &Path) -> anyhow::Result<()> {
    let hub = Hub::new(folder)?;

    step(1, "The hub starts, but billing is down.")?;
    let running = hub.start(&["--without", "billing"]).await?;
    let token = sign_up(&hub.api).await?;
    say("Ada has an account.")?;

    step(2, "Ada orders the team plan for three people all the same.")?;
    let first = order(&hub.api, &token, "team", 3, "first").await?;
    let again = order(&hub.api, &token, "team", 3, "first").await?;
    ensure!(
        first == again,
        "the same Idempotency-Key made a second order: {first}, {again}"
    );
    say("The same request again, with the same Idempotency-Key: the same order.")?;
    status(&hub.api, &token, &first).await?;

    step(3, "The whole hub is killed (SIGKILL), and starts again with billing.")?;
    kill(running).await?;
    let running = hub.start(&[]).await?;
    completed(&hub.api, &token, &first).await?;
    invoices(&hub.api, &token, 1).await?;

    step(4, "Now the broker is down, and Ada orders two seats more.")?;
    kill(running).await?;
    let running = hub.start(&["--without", "broker"]).await?;
    let second = order(&hub.api, &token, "team", 5, "second").await?;
    status(&hub.api, &token, &second).await?;

    step(5, "The hub is killed again, and starts with its broker.")?;
    kill(running).await?;
    let running = hub.start(&[]).await?;
    completed(&hub.api, &token, &second).await?;
    invoices(&hub.api, &token, 2).await?;

    step(6, "Every event since the beginning is published once more.")?;
    kill(running).await?;
    for service in ["gateway", "auth", "billing"] {
        let arguments = [service, "events", "republish", "--since", "2000-01-01T00:00:00Z"];
        let said = hub.operate(&arguments).await?;
        say(format!("{service} events republish → {said}"))?;
    }
    let running = hub.start(&[]).await?;
    // An order that comes after all those events is completed after them: then they have been looked at.
    let third = order(&hub.api, &token, "team", 6, "third").await?;
    completed(&hub.api, &token, &third).await?;
    invoices(&hub.api, &token, 3).await?;
    kill(running).await?;

    say("\nThree orders, three invoices, three charges: none lost, none twice.")
}

struct Hub {
    data: PathBuf,
    port: u16,
    internal: u16,
    api: Api,
}

impl Hub {
    fn new(data: &Path) -> anyhow::Result<Self> {
        let (port, internal) = (free_port()?, free_port()?);
        Ok(Self {
            data: data.to_owned(),
            port,
            internal,
            api: Api::new(&format!("http://gateway.localhost:{port}"))?,
        })
    }

    fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe().context("finding this program")?);
        command
            .arg("--data")
            .arg(&self.data)
            .args([
                "--port",
                &self.port.to_string(),
                "--internal-port",
                &self.internal.to_string(),
            ])
            .kill_on_drop(true);
        Ok(command)
    }

    /// Starts it and waits until it is ready.
    async fn start(&self, arguments: &[&str]) -> anyhow::Result<Child> {
        let mut command = self.command()?;
        let mut child = command
            .arg("serve")
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(self.log()?)
            .spawn()
            .context("starting the hub")?;
        let begun = Instant::now();
        while !self.api.is_ready(self.internal).await {
            if let Some(ended) = child.try_wait()? {
                bail!("the hub ended at its start: {ended}");
            }
            ensure!(begun.elapsed() < PATIENCE, "the hub is not ready after {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(child)
    }

    fn log(&self) -> anyhow::Result<File> {
        let path = self.data.join(LOG);
        let opened = File::options().create(true).append(true).open(&path);
        opened.with_context(|| format!("{}: cannot be written", path.display()))
    }

    /// Runs an operator's command on the hub's files; answers what it says.
    async fn operate(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let done = self.command()?.args(arguments).output().await?;
        let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        ensure!(
            done.status.success(),
            "{} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&done.stderr)
        );
        Ok(said)
    }
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

async fn kill(mut hub: Child) -> anyhow::Result<()> {
    hub.kill().await.context("killing the hub")
}

async fn sign_up(api: &Api) -> anyhow::Result<String> {
    let person = json!({ "email": "ada@example.com", "password": PASSWORD });
    let mut account = person.clone();
    account["display_name"] = json!("Ada");
    api.post("/v1/auth/register", "", &account).await?;
    super::text(&api.post("/v1/auth/login", "", &person).await?, "access_token")
}

async fn order(api: &Api, token: &str, plan: &str, seats: u32, key: &str) -> anyhow::Result<String> {
    let body = json!({ "plan": plan, "seats": seats, "interval": "month" });
    let accepted = api.post_once("/v1/orders", token, &body, key).await?;
    let id = super::text(&accepted, "id")?;
    say(format!(
        "POST /v1/orders {body} → {} {id}",
        super::text(&accepted, "status")?
    ))?;
    Ok(id)
}

async fn status(api: &Api, token: &str, order: &str) -> anyhow::Result<Value> {
    let order = api.get(&format!("/v1/orders/{order}"), token).await?;
    say(format!("GET /v1/orders/… → {}", super::text(&order, "status")?))?;
    Ok(order)
}

/// Waits until the order is completed and shows its steps.
async fn completed(api: &Api, token: &str, order: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let now = api.get(&format!("/v1/orders/{order}"), token).await?;
        match now["status"].as_str() {
            Some("completed") => {
                let steps: Vec<&str> = now["steps"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|step| step["step"].as_str())
                    .collect();
                return say(format!("GET /v1/orders/{order} → {}", steps.join(" → ")));
            }
            Some("failed") => bail!("the order failed: {now}"),
            _ => {}
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "the order is not completed after {PATIENCE:?}: {now}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Shows the invoices; there must be `expected`, each paid once.
async fn invoices(api: &Api, token: &str, expected: usize) -> anyhow::Result<()> {
    let list = api.get("/v1/invoices", token).await?;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    for invoice in &items {
        let (number, status) = (super::text(invoice, "number")?, super::text(invoice, "status")?);
        let total = invoice["total_minor"].as_i64().context("an invoice has a total")?;
        let currency = super::text(invoice, "currency")?;
        say(format!(
            "  invoice {number}  {}.{:02} {currency}  {status}",
            total / 100,
            total % 100
        ))?;
        ensure!(status == "paid", "{number} is not paid");
    }
    ensure!(
        items.len() == expected,
        "there are {} invoices, and there should be {expected}",
        items.len()
    );
    Ok(())
}

fn step(number: u32, text: &str) -> anyhow::Result<()> {
    say(format!("\n{number}. {text}"))
}

fn say(text: impl AsRef<str>) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{}", text.as_ref())?)
}
