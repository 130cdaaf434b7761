//! The route table: which service answers which path, made from the services' own OpenAPI documents.
//!
//! A path belongs to one service; two that claim it are a mistake that [`Table::build`] names, but for those that the gateway
//! answers in front of a service ([`FRONTED`]). An operation for services
//! alone is never routed. A path with a dot segment matches nothing, whichever way it is written: what an upstream would make
//! of it is not what was matched here.

use std::collections::BTreeMap;

use identity::{Access, access};
use poem::http::{HeaderValue, Method};

/// The gateway's own place among the services.
pub const OWN: &str = "gateway";

/// Paths that the gateway answers though a service has them too: it asks that service, and knows what the service has not
/// heard of yet.
pub const FRONTED: [(&str, &str); 2] = [("billing", "/v1/orders"), ("billing", "/v1/orders/{id}")];

/// One path of the API.
#[derive(Debug, Clone)]
pub struct Route {
    /// Who answers.
    pub service: &'static str,
    /// The path with its parameters: `/v1/tasks/{id}`.
    pub template: std::sync::Arc<str>,
    /// What may be done, by whom.
    pub operations: Vec<(Method, Access)>,
    /// `Allow`.
    pub allow: HeaderValue,
}

impl Route {
    /// Who may use `method` here. HEAD is GET without the body.
    pub fn access(&self, method: &Method) -> Option<Access> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.operations
            .iter()
            .find(|(name, _)| name == method)
            .map(|(_, access)| *access)
    }
}

/// Why the documents do not make a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Two services have the same path, or paths that cannot be told apart.
    #[error("{path} of {service} is claimed by another service too: {why}")]
    Claimed {
        /// The path.
        path: String,
        /// The second service that claims it.
        service: &'static str,
        /// What it collides with.
        why: String,
    },
    /// An operation that the access table does not know.
    #[error("{method} {path} of {service} is not in the access table")]
    Unguarded {
        /// The method.
        method: String,
        /// The path.
        path: String,
        /// Whose.
        service: &'static str,
    },
}

/// See the head of the file.
#[derive(Debug, Default)]
pub struct Table {
    paths: matchit::Router<Route>,
    count: usize,
}

impl Table {
    /// The table of the services' documents.
    ///
    /// # Errors
    /// The first path that is wrong.
    pub fn build<'a>(
        documents: impl IntoIterator<Item = (&'static str, &'a serde_json::Value)>,
    ) -> Result<Self, RouteError> {
        let mut table = Self::default();
        for (service, document) in documents {
            for (path, operations) in operations(service, document)? {
                if FRONTED.contains(&(service, path.as_str())) {
                    continue;
                }
                let mut names: Vec<&str> = operations.iter().map(|(method, _)| method.as_str()).collect();
                if names.contains(&"GET") {
                    names.push("HEAD");
                }
                let allow = HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static("GET"));
                let route = Route {
                    service,
                    template: path.as_str().into(),
                    operations,
                    allow,
                };
                table
                    .paths
                    .insert(path.clone(), route)
                    .map_err(|error| RouteError::Claimed {
                        path,
                        service,
                        why: error.to_string(),
                    })?;
                table.count += 1;
            }
        }
        Ok(table)
    }

    /// The route of a raw request path.
    pub fn find(&self, path: &str) -> Option<&Route> {
        let route = self.paths.at(path).ok()?.value;
        if path.split('/').any(is_dots) {
            None
        } else {
            Some(route)
        }
    }

    /// How many paths there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// `.` or `..`, with any dot written `%2e`.
fn is_dots(segment: &str) -> bool {
    let mut rest = segment;
    let mut dots = 0;
    while !rest.is_empty() {
        rest = match (rest.strip_prefix('.'), rest.get(..3)) {
            (Some(rest), _) => rest,
            (None, Some(escaped)) if escaped.eq_ignore_ascii_case("%2e") => &rest[3..],
            _ => return false,
        };
        dots += 1;
    }
    matches!(dots, 1 | 2)
}

type Operations = BTreeMap<String, Vec<(Method, Access)>>;

fn operations(service: &'static str, document: &serde_json::Value) -> Result<Operations, RouteError> {
    let mut found = Operations::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for name in item.as_object().into_iter().flatten().map(|(name, _)| name) {
            // A path item also holds `parameters`, `summary`, ….
            let method = match name.as_str() {
                "get" => Method::GET,
                "put" => Method::PUT,
                "post" => Method::POST,
                "delete" => Method::DELETE,
                "patch" => Method::PATCH,
                _ => continue,
            };
            let access = access::of(method.as_str(), path).ok_or_else(|| RouteError::Unguarded {
                method: method.to_string(),
                path: path.clone(),
                service,
            })?;
            if access != Access::Service {
                found.entry(path.clone()).or_default().push((method, access));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn auth() -> serde_json::Value {
        json!({"paths": {
            "/v1/me": {"get": {}, "patch": {}, "parameters": []},
            "/v1/auth/login": {"post": {}},
            "/v1/auth/introspect": {"post": {}},
            "/v1/sessions/{id}": {"delete": {}},
        }})
    }

    #[test]
    fn a_path_leads_to_its_service_whatever_its_parameters_hold() {
        let project =
            json!({"paths": {"/v1/me/tasks": {"get": {}}, "/v1/tasks/{id}/comments": {"get": {}, "post": {}}}});
        let auth = auth();
        let table = Table::build([("auth", &auth), ("project", &project)]).unwrap();
        assert_eq!(table.find("/v1/me").unwrap().service, "auth");
        assert_eq!(table.find("/v1/me/tasks").unwrap().service, "project");
        let comments = table.find("/v1/tasks/%2Fa%20b/comments").unwrap();
        assert_eq!(&*comments.template, "/v1/tasks/{id}/comments");
        assert_eq!(comments.allow, "GET, POST, HEAD");
        assert!(comments.access(&Method::HEAD).is_some() && comments.access(&Method::DELETE).is_none());
    }

    #[test]
    fn what_no_document_has_leads_nowhere() {
        let auth = auth();
        let table = Table::build([("auth", &auth)]).unwrap();
        for path in [
            "/",
            "",
            "/v1/me/",
            "//v1/me",
            "/v1//me",
            "/V1/me",
            "/v1/sessions/",
            "/v1/sessions/a/b",
        ] {
            assert!(table.find(path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_dot_segment_matches_nothing_however_it_is_written() {
        let auth = auth();
        let table = Table::build([("auth", &auth)]).unwrap();
        for id in [".", "..", "%2e", "%2E%2e", ".%2e", "%2E."] {
            assert!(table.find(&format!("/v1/sessions/{id}")).is_none(), "{id}");
        }
        assert!(table.find("/v1/sessions/...").is_some(), "three dots are a name");
        assert!(table.find("/v1/sessions/%2").is_some());
        assert!(table.find("/v1/sessions/é").is_some());
    }

    #[test]
    fn an_operation_for_services_is_not_routed() {
        let auth = auth();
        let table = Table::build([("auth", &auth)]).unwrap();
        assert!(table.find("/v1/auth/introspect").is_none());
    }

    #[test]
    fn two_services_that_claim_one_path_are_a_mistake() {
        let auth = auth();
        let other = json!({"paths": {"/v1/me": {"get": {}}}});
        let claimed = Table::build([("auth", &auth), ("project", &other)]).unwrap_err();
        assert!(
            matches!(claimed, RouteError::Claimed { service: "project", .. }),
            "{claimed}"
        );
    }

    #[test]
    fn a_path_that_the_gateway_fronts_is_its_own_whoever_has_it_too() {
        let own = json!({"paths": {"/v1/orders": {"get": {}, "post": {}}, "/v1/orders/{id}": {"get": {}}}});
        let billing = json!({"paths": {"/v1/orders": {"get": {}}, "/v1/orders/{id}": {"get": {}}}});
        let table = Table::build([(OWN, &own), ("billing", &billing)]).unwrap();
        for path in ["/v1/orders", "/v1/orders/ord_1"] {
            assert_eq!(table.find(path).unwrap().service, OWN, "{path}");
        }
        assert!(
            Table::build([(OWN, &own), ("project", &billing)]).is_err(),
            "nobody else's"
        );
    }

    #[test]
    fn an_operation_that_the_access_table_does_not_know_is_a_mistake() {
        let document = json!({"paths": {"/v1/secrets": {"get": {}}}});
        let unguarded = Table::build([("auth", &document)]).unwrap_err();
        assert!(matches!(unguarded, RouteError::Unguarded { .. }), "{unguarded}");
    }
}
