//! The internal listener: `/livez`, `/readyz`, `/metrics`. Reached by the orchestrator and Prometheus, never published.
//!
//! `/livez` is red until the process has started, which is what a rolling update waits for before it ends the old one, and
//! when restarting would help: something is stuck. `/readyz` is red when requests should go elsewhere: not
//! started yet, about to stop, no database. A broker that is down is no reason for either: events wait in the outbox.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use database::Db;
use messaging::worker::Progress;
use poem::{
    Endpoint, Request, Response,
    http::{Method, StatusCode},
};
use prometheus_client::registry::Registry;
use serde_json::json;

use crate::http::problem::Problem;

const STARTING: u8 = 0;
const READY: u8 = 1;
const STOPPING: u8 = 2;

/// How long the database may take to answer `/readyz`.
const PING: Duration = Duration::from_secs(2);

/// How the process is; clones share it.
#[derive(Clone, Default)]
pub(super) struct Health {
    phase: Arc<AtomicU8>,
    parts: Arc<Mutex<Parts>>,
}

#[derive(Default)]
struct Parts {
    databases: Vec<(&'static str, Db)>,
    progress: Vec<(String, Progress, Duration)>,
    metrics: Vec<Arc<Registry>>,
}

impl Health {
    pub(super) fn ready(&self) {
        self.phase.store(READY, Ordering::Release);
    }

    pub(super) fn stopping(&self) {
        self.phase.store(STOPPING, Ordering::Release);
    }

    pub(super) fn watch_database(&self, service: &'static str, db: Db) {
        self.parts().databases.push((service, db));
    }

    /// Stuck when there was no progress for `limit`.
    pub(super) fn watch_progress(&self, name: String, progress: Progress, limit: Duration) {
        self.parts().progress.push((name, progress, limit));
    }

    pub(super) fn publish_metrics(&self, registry: Registry) {
        self.parts().metrics.push(Arc::new(registry));
    }

    fn parts(&self) -> std::sync::MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> Response {
        if self.phase.load(Ordering::Acquire) == STARTING {
            return answer(StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "starting" }));
        }
        let stuck: BTreeMap<String, u64> = self
            .parts()
            .progress
            .iter()
            .filter(|(_, progress, limit)| progress.age() > *limit)
            .map(|(name, progress, _)| (name.clone(), progress.age().as_secs()))
            .collect();
        let status = if stuck.is_empty() {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        answer(
            status,
            json!({ "status": if stuck.is_empty() { "ok" } else { "stuck" }, "stuck_for_s": stuck }),
        )
    }

    async fn readiness(&self) -> Response {
        let phase = match self.phase.load(Ordering::Acquire) {
            STARTING => "starting",
            READY => "ready",
            _ => "stopping",
        };
        if phase != "ready" {
            return answer(StatusCode::SERVICE_UNAVAILABLE, json!({ "status": phase }));
        }
        let databases = self.parts().databases.clone();
        let pings = databases.iter().map(async |(name, db)| {
            let answered = tokio::time::timeout(PING, db.ping()).await;
            (!matches!(answered, Ok(Ok(())))).then_some(*name)
        });
        let silent: Vec<&str> = futures_util::future::join_all(pings)
            .await
            .into_iter()
            .flatten()
            .collect();
        if silent.is_empty() {
            answer(StatusCode::OK, json!({ "status": "ready" }))
        } else {
            answer(
                StatusCode::SERVICE_UNAVAILABLE,
                json!({ "status": "unavailable", "databases": silent }),
            )
        }
    }

    fn metrics(&self) -> Result<Response, Problem> {
        let registries = self.parts().metrics.clone();
        let texts = registries.iter().map(|registry| {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, registry).map(|()| text)
        });
        let texts = texts.collect::<Result<Vec<_>, _>>().map_err(Problem::internal)?;
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        Ok(Response::builder().content_type(kind).body(merged(&texts)))
    }
}

/// One text of several: OpenMetrics wants all samples of a metric in one place.
fn merged(texts: &[String]) -> String {
    if let [one] = texts {
        return one.clone();
    }
    let mut families: BTreeMap<&str, (Vec<&str>, Vec<&str>)> = BTreeMap::new();
    for text in texts {
        let mut family = "";
        for line in text.lines().filter(|line| *line != "# EOF") {
            match line.strip_prefix("# ").and_then(|rest| rest.split(' ').nth(1)) {
                Some(name) => {
                    family = name;
                    let (about, _) = families.entry(family).or_default();
                    if !about.contains(&line) {
                        about.push(line);
                    }
                }
                None => families.entry(family).or_default().1.push(line),
            }
        }
    }
    let lines = families
        .values()
        .flat_map(|(about, samples)| about.iter().chain(samples));
    lines.fold(String::new(), |text, line| text + line + "\n") + "# EOF\n"
}

fn answer(status: StatusCode, body: serde_json::Value) -> Response {
    Response::builder()
        .status(status)
        .content_type("application/json")
        .body(body.to_string())
}

impl Endpoint for Health {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(poem::error::MethodNotAllowedError.into());
        }
        match request.uri().path() {
            "/livez" => Ok(self.live()),
            "/readyz" => Ok(self.readiness().await),
            "/metrics" => Ok(self.metrics()?),
            _ => Err(poem::error::NotFoundError.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stuck_is_named_and_turns_livez_red() {
        let health = Health::default();
        health.ready();
        health.watch_progress(
            "project relay".to_owned(),
            Progress::new("relay"),
            Duration::from_secs(3600),
        );
        assert_eq!(health.live().status(), StatusCode::OK);
        let stuck = Progress::new("consumer");
        health.watch_progress("project consumer".to_owned(), stuck.clone(), Duration::ZERO);
        while stuck.age() == Duration::ZERO {
            std::hint::spin_loop();
        }
        let answer = health.live();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn a_process_that_still_starts_does_not_take_the_place_of_another() {
        let health = Health::default();
        assert_eq!(health.live().status(), StatusCode::SERVICE_UNAVAILABLE);
        health.ready();
        assert_eq!(health.live().status(), StatusCode::OK);
        // An orchestrator must not kill what is finishing its requests.
        health.stopping();
        assert_eq!(health.live().status(), StatusCode::OK);
    }

    #[test]
    fn metrics_of_several_services_are_one_valid_text() {
        let text = |service: &str| {
            format!(
                "# HELP a_total Count.\n# TYPE a_total counter\na_total{{service=\"{service}\"}} 1\n# HELP b Depth.\n# TYPE b gauge\nb{{service=\"{service}\"}} 2\n# EOF\n"
            )
        };
        let expected = "# HELP a_total Count.\n# TYPE a_total counter\na_total{service=\"auth\"} 1\na_total{service=\"project\"} 1\n\
            # HELP b Depth.\n# TYPE b gauge\nb{service=\"auth\"} 2\nb{service=\"project\"} 2\n# EOF\n";
        assert_eq!(merged(&[text("auth"), text("project")]), expected);
    }
}
