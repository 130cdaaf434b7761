//! `GET /v1/home`: what a client shows first, in one answer.

use chassis::{Clock, Problem, http::json::Json};
use identity::Bearer;
use poem::{
    Request,
    http::{StatusCode, uri::PathAndQuery},
};
use poem_openapi::{Object, OpenApi};
use serde::Serialize;
use serde_json::Value;

use super::Tag;
use crate::{
    edge::{inquiry, upstream::Upstreams},
    settings,
};

/// The overview.
pub struct HomeApi {
    /// The services.
    pub upstreams: Upstreams,
    /// For how long each may take, and how far to look.
    pub settings: settings::Home,
    /// The time.
    pub clock: Clock,
}

/// What concerns the caller, at a glance. A part that cannot be had now is `null` and listed under `degraded`.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example)]
pub(super) struct Home {
    /// The caller's profile.
    pub me: Option<Value>,
    /// The first page of the caller's projects.
    pub projects: Option<Value>,
    /// Notifications that were not read.
    pub unread_count: Option<u64>,
    /// The first page of tasks that the caller works on and that are due within a week, or overdue.
    pub tasks_due: Option<Value>,
    /// Parts that are missing because a service does not work at the moment.
    pub degraded: Vec<String>,
    /// Parts that are missing because the token's scopes do not cover them.
    pub withheld: Vec<String>,
}

impl poem_openapi::types::Example for Home {
    fn example() -> Self {
        Self {
            me: Some(
                serde_json::json!({ "id": "usr_01h455vb4pex5vsknk084sn02q", "email": "ada@example.com", "display_name": "Ada" }),
            ),
            projects: Some(serde_json::json!([{ "id": "prj_01h455vb4pex5vsknk084sn02q", "name": "Apollo" }])),
            unread_count: None,
            tasks_due: Some(serde_json::json!([])),
            degraded: vec!["unread_count".to_owned()],
            withheld: vec![],
        }
    }
}

/// Why a part is missing.
enum Missing {
    /// Its service does not work.
    Degraded,
    /// The caller may not see it.
    Withheld,
}

#[OpenApi]
impl HomeApi {
    /// See everything at a glance: profile, projects, unread notifications and tasks due.
    ///
    /// The parts are asked for at the same time and each has a short deadline. The answer is 200 also when services are down.
    #[oai(path = "/v1/home", method = "get", operation_id = "getHome", tag = "Tag::Overview")]
    async fn home(&self, request: &Request, Bearer(_caller): Bearer) -> Result<Json<Home>, Problem> {
        let due_before = self.clock.now() + self.settings.due;
        let tasks = format!("/v1/me/tasks?due_before={}&limit=50", due_before);
        let (me, projects, unread, tasks) = tokio::join!(
            self.part(request, "auth", "/v1/me"),
            self.part(request, "project", "/v1/projects?limit=50"),
            self.part(request, "notification", "/v1/notifications/unread-count"),
            self.part(request, "project", &tasks),
        );
        let (mut degraded, mut withheld) = (Vec::new(), Vec::new());
        let mut place = |name: &str, part: Result<Value, Missing>, inside: Option<&str>| {
            let part = part.and_then(|mut part| match inside {
                None => Ok(part),
                Some(field) => Some(part[field].take())
                    .filter(|value| !value.is_null())
                    .ok_or(Missing::Degraded),
            });
            match part {
                Ok(value) => return Some(value),
                Err(Missing::Degraded) => degraded.push(name.to_owned()),
                Err(Missing::Withheld) => withheld.push(name.to_owned()),
            }
            None
        };
        let me = place("me", me, None);
        let projects = place("projects", projects, Some("items"));
        let unread_count = place("unread_count", unread, Some("unread_count")).and_then(|count| count.as_u64());
        let tasks_due = place("tasks_due", tasks, Some("items"));
        Ok(Json(Home {
            me,
            projects,
            unread_count,
            tasks_due,
            degraded,
            withheld,
        }))
    }
}

impl HomeApi {
    async fn part(&self, request: &Request, service: &'static str, path: &str) -> Result<Value, Missing> {
        let degraded = |reason: &dyn std::fmt::Display| {
            tracing::warn!(service, reason = %reason, "a part of the overview is missing");
            Missing::Degraded
        };
        let upstream = self
            .upstreams
            .of(service)
            .ok_or_else(|| degraded(&"there is no such service"))?;
        let path = path.parse::<PathAndQuery>().map_err(|error| degraded(&error))?;
        let answer = inquiry::ask(request, upstream, path, self.settings.timeout)
            .await
            .map_err(|error| degraded(&chassis::worker::chain(&error)))?;
        match answer.status() {
            StatusCode::OK => serde_json::from_slice(answer.body()).map_err(|error| degraded(&error)),
            StatusCode::FORBIDDEN => Err(Missing::Withheld),
            status => Err(degraded(&status)),
        }
    }
}
