//! Tells people and dashboards what becomes of a release: Slack, a webhook, Grafana.
//!
//! A release never waits long for any of them and never fails because of one: what could not be told is a warning. Addresses
//! and tokens are secrets. They come from files or variables, and no warning has one.
//!
//! | variable (or the same with `_FILE`) | what |
//! |---|---|
//! | `RELEASE_SLACK_URL` | an incoming webhook of Slack, or of what speaks its language |
//! | `RELEASE_WEBHOOK_URL` | gets each [`Notice`] as JSON |
//! | `GRAFANA_URL`, `GRAFANA_TOKEN` | gets annotations: a moment at the start, the whole time at the end |

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::{Client, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json};

/// How long each of them may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a release is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// It is about to change something.
    Started,
    /// It stands, and was seen working.
    Succeeded,
    /// It does not stand, and nothing else was brought back.
    Failed,
    /// It failed, and the release before is back.
    Restored,
    /// An operator went back to an earlier release, and that stands.
    RolledBack,
}

/// What is told.
#[derive(Debug, Clone, Serialize)]
pub struct Notice {
    /// Where the release is.
    pub moment: Moment,
    /// Name of the stack.
    pub stack: String,
    /// Tag that is, or was to be, deployed.
    pub tag: String,
    /// Tag that was there before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// Who began it.
    pub actor: String,
    /// When it began, RFC 3339.
    pub started_at: jiff::Timestamp,
    /// How long it took, in seconds; not at its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Why it failed, or why it was gone back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Notice {
    /// In one line, or two with a reason.
    fn text(&self) -> String {
        let Self { stack, tag, actor, .. } = self;
        let back = self.previous.as_deref().unwrap_or("the release before");
        let mut text = match self.moment {
            Moment::Started => format!("{stack}: {actor} releases {tag}"),
            Moment::Succeeded => format!("{stack}: {tag} is released"),
            Moment::Failed => format!("{stack}: the release of {tag} FAILED; the stack needs a look"),
            Moment::Restored => format!("{stack}: the release of {tag} failed; {back} is back and works"),
            Moment::RolledBack => format!("{stack}: {actor} went back to {tag}"),
        };
        if let Some(seconds) = self.seconds {
            text += &format!(" after {seconds:.0} s");
        }
        if let Some(reason) = &self.reason {
            text += &format!("\n{reason}");
        }
        text
    }

    fn annotation(&self) -> Value {
        let begun = self.started_at.as_millisecond();
        // In milliseconds: a release takes minutes.
        #[expect(clippy::cast_possible_truncation, reason = "minutes")]
        let took = (self.seconds.unwrap_or_default() * 1000.0) as i64;
        let moment = serde_json::to_value(self.moment).unwrap_or_default();
        let mut annotation = json!({
            "time": begun,
            "tags": ["release", self.stack, moment, self.tag],
            "text": self.text(),
        });
        if self.seconds.is_some() {
            annotation["timeEnd"] = json!(begun + took);
        }
        annotation
    }
}

/// Tells whoever wants to know.
pub struct Notifier {
    client: Client,
    slack: Option<Target>,
    webhook: Option<Target>,
    grafana: Option<(Target, SecretString)>,
    warnings: Vec<String>,
}

/// An address, which is a secret as a whole.
struct Target(SecretString);

impl Target {
    fn parse(name: &str, url: SecretString) -> anyhow::Result<Self> {
        let parsed = Url::parse(url.expose_secret());
        let address = parsed.is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        ensure!(address, "{name} is no address: https://…");
        Ok(Self(url))
    }
}

impl Notifier {
    /// By the variables of this process.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// By these variables. What is wrong with them is told with the first notice.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let mut warnings = Vec::new();
        let mut given = |name: &str| match secret(name, &variable) {
            Ok(secret) => secret,
            Err(error) => {
                warnings.push(format!("{error:#}"));
                None
            }
        };
        let (slack, webhook) = (given("RELEASE_SLACK_URL"), given("RELEASE_WEBHOOK_URL"));
        let (grafana, token) = (given("GRAFANA_URL"), given("GRAFANA_TOKEN"));
        let mut target = |name: &str, url: Option<SecretString>| {
            let target = Target::parse(name, url?);
            target.map_err(|error| warnings.push(error.to_string())).ok()
        };
        let (slack, webhook) = (
            target("RELEASE_SLACK_URL", slack),
            target("RELEASE_WEBHOOK_URL", webhook),
        );
        let grafana = target("GRAFANA_URL", grafana);
        if grafana.is_some() && token.is_none() {
            warnings.push("GRAFANA_URL is given without GRAFANA_TOKEN: no annotations".to_owned());
        }
        #[expect(clippy::disallowed_methods, reason = "each request has a timeout of its own")]
        let client = Client::new();
        Self {
            client,
            slack,
            webhook,
            grafana: grafana.zip(token),
            warnings,
        }
    }

    /// Tells all of them at once. Answers what could not be told, one warning each; that is nothing to stop for.
    #[must_use = "warnings are for the operator to see"]
    pub async fn say(&self, notice: &Notice) -> Vec<String> {
        let slack = self.send("Slack", self.slack.as_ref(), |request| {
            request.json(&json!({ "text": notice.text() }))
        });
        let webhook = self.send("the webhook", self.webhook.as_ref(), |request| {
            let mut value = serde_json::to_value(notice).unwrap_or_default();
            value["text"] = notice.text().into();
            request.json(&value)
        });
        let grafana = self.annotate(notice);
        let (slack, webhook, grafana) = tokio::join!(slack, webhook, grafana);
        let first = notice.moment == Moment::Started;
        let settings = self.warnings.iter().filter(|_| first).cloned();
        settings
            .chain([slack, webhook, grafana].into_iter().flatten())
            .collect()
    }

    async fn annotate(&self, notice: &Notice) -> Option<String> {
        let (Target(url), token) = self.grafana.as_ref()?;
        let url = format!("{}/api/annotations", url.expose_secret().trim_end_matches('/'));
        self.send("Grafana", Some(&Target(url.into())), |request| {
            request.bearer_auth(token.expose_secret()).json(&notice.annotation())
        })
        .await
    }

    /// Posts to `target`, if there is one; answers why that failed, in words without the address.
    async fn send(
        &self,
        whom: &str,
        target: Option<&Target>,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Option<String> {
        let Target(url) = target?;
        let request = fill(self.client.post(url.expose_secret())).timeout(PATIENCE);
        match request.send().await {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("{whom} was not told: it answers {}", answer.status())),
            Err(error) => {
                let why = if error.is_timeout() {
                    "no answer in time"
                } else {
                    "no connection"
                };
                Some(format!("{whom} was not told: {why}"))
            }
        }
    }
}

/// The secret called `name`: what the variable holds, or the file that `NAME_FILE` names.
fn secret(name: &str, variable: &impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<SecretString>> {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty());
    let file = format!("{name}_FILE");
    let text = match (given(name), given(&file)) {
        (Some(_), Some(_)) => anyhow::bail!("{name} and {file} are both given; neither is used"),
        (Some(text), None) => text,
        (None, Some(path)) => {
            std::fs::read_to_string(&path).with_context(|| format!("{file}: {path} cannot be read"))?
        }
        (None, None) => return Ok(None),
    };
    let text = text.trim();
    ensure!(!text.is_empty(), "{file}: the file is empty");
    Ok(Some(text.into()))
}

#[cfg(test)]
mod tests;
