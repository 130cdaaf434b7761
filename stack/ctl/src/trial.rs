//! What a release has to show once it runs: the story of a user, and whatever the operator adds.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, bail, ensure};
use reqwest::Url;
use tokio::process::Command;

use crate::{definition::Definition, report::Progress, smoke};

/// What is tried out, and where.
#[derive(Debug, Clone, clap::Args)]
pub struct Trial {
    /// No user's story: for stacks that are no hub.
    #[arg(long, env = "NO_SMOKE", value_parser = clap::builder::FalseyValueParser::new())]
    pub no_smoke: bool,
    /// Where the router listens, seen from here. By itself: this machine, at the port that the definition publishes.
    #[arg(long, value_name = "URL", env = "SMOKE_AT")]
    pub at: Option<Url>,
    /// A further check, a program with arguments: it has `HUB_URL` and `STACK`, and fails by its exit status.
    #[arg(long, value_name = "COMMAND", env = "SMOKE_COMMAND")]
    pub smoke_command: Option<String>,
    /// After so many seconds that command has failed.
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = crate::watch::seconds)]
    pub smoke_patience: Duration,
}

impl Trial {
    /// Tries out what runs.
    ///
    /// # Errors
    /// With the step that failed.
    pub async fn run(&self, definition: &Definition, stack: &str, progress: &Progress) -> anyhow::Result<()> {
        let site = Site::of(definition);
        let at = match (&self.at, &site) {
            (Some(at), _) => Some(at.clone()),
            (None, Some(site)) => Some(site.address()?),
            (None, None) => None,
        };
        if !self.no_smoke {
            let (Some(site), Some(at)) = (&site, &at) else {
                bail!("the definition has no router and no gateway to ask; --no-smoke leaves the story out");
            };
            let target = smoke::Target::new(at.clone(), &site.domain);
            let report = smoke::run(&target).await?;
            let seconds: f64 = report.steps.iter().map(|step| step.seconds).sum();
            progress.say(format!("a user's story was told in {seconds:.1} s"));
        }
        if let Some(command) = self
            .smoke_command
            .as_deref()
            .filter(|command| !command.trim().is_empty())
        {
            let url = at.as_ref().zip(site).and_then(|(at, site)| {
                let mut url = at.clone();
                url.set_host(Some(&format!("gateway.{}", site.domain))).ok()?;
                Some(url)
            });
            self.own(command, stack, url).await?;
            progress.say("the operator's own check has passed");
        }
        Ok(())
    }

    async fn own(&self, line: &str, stack: &str, url: Option<Url>) -> anyhow::Result<()> {
        let mut words = line.split_whitespace();
        let program = words.next().context("an empty command")?;
        let mut command = Command::new(program);
        command
            .args(words)
            .env("STACK", stack)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(url) = url {
            command.env("HUB_URL", url.as_str().trim_end_matches('/'));
        }
        let output = tokio::time::timeout(self.smoke_patience, command.output()).await;
        let Ok(output) = output else {
            bail!("{line}: no end after {} s", self.smoke_patience.as_secs());
        };
        let output = output.with_context(|| format!("{program} cannot be started"))?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let last: Vec<&str> = said.lines().rev().take(20).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        ensure!(
            output.status.success(),
            "{line}: {}\n    {}",
            output.status,
            last.join("\n    ")
        );
        Ok(())
    }
}

/// Where a definition publishes the hub.
#[derive(Debug, PartialEq, Eq)]
struct Site {
    domain: String,
    port: u64,
    tls: bool,
}

impl Site {
    /// Read out of the definition: an old release is asked for where it was.
    fn of(definition: &Definition) -> Option<Self> {
        let services = definition.value()["services"].as_object()?;
        let labels = || {
            services
                .values()
                .filter_map(|service| service["deploy"]["labels"].as_object())
        };
        let rule = labels().find_map(|labels| labels.get("traefik.http.routers.gateway.rule")?.as_str())?;
        let domain = rule.split_once("gateway.")?.1.split('`').next()?.to_owned();
        let tls = labels().any(|labels| {
            labels
                .get("traefik.http.routers.gateway.entrypoints")
                .is_some_and(|entry| entry == "websecure")
        });
        let target = if tls { 443 } else { 80 };
        let ports = services
            .values()
            .filter_map(|service| service["ports"].as_array())
            .flatten();
        let published = ports.filter(|port| port["target"] == target).find_map(|port| {
            let published = &port["published"];
            published.as_u64().or_else(|| published.as_str()?.parse().ok())
        });
        Some(Self {
            domain,
            port: published?,
            tls,
        })
    }

    /// The router on this machine; in a container, this is the machine only with its network.
    fn address(&self) -> anyhow::Result<Url> {
        let scheme = if self.tls { "https" } else { "http" };
        Ok(Url::parse(&format!("{scheme}://127.0.0.1:{}", self.port))?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(entrypoint: &str) -> Definition {
        let value = json!({"services": {
            "gateway-service": {"deploy": {"labels": {
                "traefik.http.routers.gateway.rule": "Host(`gateway.hub.example.com`)",
                "traefik.http.routers.gateway.entrypoints": entrypoint,
            }}},
            "traefik": {"ports": [{"target": 80, "published": "8088"}, {"target": 443, "published": 8443}]},
        }});
        Definition::parse(&value.to_string()).unwrap()
    }

    #[test]
    fn the_hub_is_asked_for_where_its_definition_publishes_it() {
        let site = Site::of(&definition("web")).unwrap();
        assert_eq!(
            (site.domain.as_str(), site.port, site.tls),
            ("hub.example.com", 8088, false)
        );
        assert_eq!(site.address().unwrap().as_str(), "http://127.0.0.1:8088/");
        assert_eq!(Site::of(&definition("websecure")).unwrap().port, 8443);
        assert_eq!(Site::of(&Definition::parse("{}").unwrap()), None);
    }

    #[tokio::test]
    async fn the_operators_own_check_fails_by_its_status_with_its_words() {
        let trial = Trial {
            no_smoke: true,
            at: None,
            smoke_command: Some("ls /no/such/place".to_owned()),
            smoke_patience: Duration::from_secs(60),
        };
        let definition = Definition::parse("{}").unwrap();
        let failed = trial.run(&definition, "hub", &Progress::new()).await.unwrap_err();
        assert!(failed.to_string().contains("/no/such/place"), "{failed:#}");
        let passes = Trial {
            smoke_command: Some("true".to_owned()),
            ..trial
        };
        passes.run(&definition, "hub", &Progress::new()).await.unwrap();
    }
}
