//! Errors as RFC 9457 problem details.

use std::{borrow::Cow, sync::Arc, time::Duration};

use poem::{
    IntoResponse, PathPattern, Response,
    error::ResponseError,
    http::{StatusCode, header},
};
use poem_openapi::{
    ApiResponse, Object,
    payload::Payload,
    registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry},
    types::Type,
};
use serde::Serialize;

/// One wrong value in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body; `#/title`. For a parameter: `?limit`; for a header: its name.
    pub pointer: String,
    /// What is wrong and what is expected.
    pub detail: String,
}

impl FieldError {
    /// `pointer` without its `#`.
    pub fn new(pointer: impl AsRef<str>, detail: impl Into<String>) -> Self {
        Self {
            pointer: format!("#{}", pointer.as_ref()),
            detail: detail.into(),
        }
    }

    /// A query parameter.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        Self {
            pointer: format!("?{name}"),
            detail: detail.into(),
        }
    }
}

/// An answer that says what went wrong: `application/problem+json`.
///
/// The text is written for the client. What is for us travels as `source`, is logged once with its chain by the
/// middleware, and cannot be formatted into the answer.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: Cow<'static, str>,
    // Boxed: every fallible function's result is as large as its error.
    more: Box<More>,
}

#[derive(Debug, Clone, Default)]
struct More {
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    headers: Vec<(header::HeaderName, header::HeaderValue)>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    pattern: Option<PathPattern>,
    members: serde_json::Map<String, serde_json::Value>,
}

/// What is on the wire.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Problem")]
#[serde(rename_all = "snake_case")]
struct Body {
    /// Names the kind of problem; stable. `urn:cloudtaskhub:problem:task-not-found`
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What went wrong this time, and what to do.
    detail: String,
    /// Each wrong value, when the request was not valid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    errors: Vec<FieldError>,
    /// Trace of the request; name it when you ask for help.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    trace_id: Option<String>,
    /// What this kind of problem says beside that (RFC 9457, 3.2).
    #[serde(flatten)]
    #[oai(skip)]
    members: serde_json::Map<String, serde_json::Value>,
}

impl Problem {
    /// A problem of a stable `kind` (`task-not-found`).
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            kind,
            detail: detail.into(),
            more: Box::default(),
        }
    }

    /// 404: there is no such thing, or the caller may not know of it.
    pub fn not_found(kind: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, kind, detail)
    }

    /// 403.
    pub fn forbidden(kind: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, kind, detail)
    }

    /// 409: it contradicts what is there.
    pub fn conflict(kind: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, kind, detail)
    }

    /// 422: values that are understood but not acceptable.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => Cow::Owned(format!("{}: {}", one.pointer, one.detail)),
            many => Cow::Owned(format!("{} values are not acceptable; see errors", many.len())),
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation-failed", detail).with_errors(errors)
    }

    /// 400: the request itself cannot be understood.
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed-request", detail)
    }

    /// 503: try again later.
    pub fn unavailable(kind: &'static str, detail: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, detail).with_retry_after(retry_after)
    }

    /// Something failed on our side: a fixed text for the client, `error` for the log. What can pass is 503, the rest 500.
    pub fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        let source: Arc<dyn std::error::Error + Send + Sync> = Arc::new(error);
        let mut problem = if transient(source.as_ref()) {
            let detail = "the service is short of a resource it needs; try again in a moment";
            Self::unavailable("temporarily-unavailable", detail, Duration::from_secs(1))
        } else {
            let detail = "something went wrong on our side; the trace id tells us what";
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal-error", detail)
        };
        problem.more.source = Some(source);
        problem
    }

    /// A handler panicked; the panic hook has logged why.
    pub(crate) fn panicked() -> Self {
        let detail = "something went wrong on our side; the trace id tells us what";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal-error", detail)
    }

    /// Notes which operation it happened in, for the metrics.
    pub(crate) fn at(mut self, pattern: Option<PathPattern>) -> Self {
        self.more.pattern = pattern;
        self
    }

    /// Which operation it happened in.
    pub(crate) fn pattern(&self) -> Option<&PathPattern> {
        self.more.pattern.as_ref()
    }

    /// Adds the wrong values.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.more.errors = errors;
        self
    }

    /// Adds `Retry-After`.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.more.retry_after = Some(wait);
        self
    }

    /// Adds a member of its own to the body, for programs (RFC 9457, 3.2): not one of the standard names.
    #[must_use]
    pub fn with_member(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        self.more.members.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: header::HeaderName, value: impl TryInto<header::HeaderValue>) -> Self {
        if let Ok(value) = value.try_into() {
            self.more.headers.push((name, value));
        }
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable name of the kind.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The wrong values.
    pub fn errors(&self) -> &[FieldError] {
        &self.more.errors
    }

    /// What is for the log.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.more.source.as_deref()
    }

    /// The answer, naming the request's trace.
    pub fn render(&self, trace_id: Option<String>) -> Response {
        let body = Body {
            kind: format!("urn:cloudtaskhub:problem:{}", self.kind),
            title: title(self.kind),
            status: self.status.as_u16(),
            detail: self.detail.to_string(),
            errors: self.more.errors.clone(),
            trace_id,
            members: self.more.members.clone(),
        };
        let text = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::builder()
            .status(self.status)
            .content_type("application/problem+json")
            .body(text);
        for (name, value) in &self.more.headers {
            response.headers_mut().insert(name, value.clone());
        }
        if let Some(wait) = self.more.retry_after {
            // Rounded up: a client that waits so long is welcome.
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            if let Ok(value) = header::HeaderValue::from_str(&seconds.to_string()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
        }
        response.extensions_mut().insert(self.clone());
        response
    }
}

/// `task-not-found` → `Task not found`.
fn title(kind: &str) -> String {
    let words = kind.replace('-', " ");
    let mut letters = words.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn transient(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<sea_orm::DbErr>() {
            return database::is_transient(error);
        }
        next = error.source();
    }
    false
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.kind, self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn as_response(&self) -> Response {
        self.render(None)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.render(None)
    }
}

/// For the OpenAPI document: every operation may answer a problem.
struct ProblemJson;

impl Payload for ProblemJson {
    const CONTENT_TYPE: &'static str = "application/problem+json";

    fn schema_ref() -> MetaSchemaRef {
        Body::schema_ref()
    }

    fn register(registry: &mut Registry) {
        Body::register(registry);
    }
}

impl ApiResponse for Problem {
    fn meta() -> MetaResponses {
        let response = |description, range: &str| MetaResponse {
            description,
            status: None,
            status_range: Some(range.to_owned()),
            content: vec![MetaMediaType {
                content_type: ProblemJson::CONTENT_TYPE,
                schema: ProblemJson::schema_ref(),
            }],
            headers: vec![],
        };
        MetaResponses {
            responses: vec![
                response("The request was not carried out; `type` says why.", "4XX"),
                response(
                    "The service failed; nothing was done, or it is safe to ask again.",
                    "5XX",
                ),
            ],
        }
    }

    fn register(registry: &mut Registry) {
        ProblemJson::register(registry);
    }
}
