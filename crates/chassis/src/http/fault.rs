//! Every error on its way out becomes a [`Problem`].
//!
//! Handlers answer problems themselves; the rest comes from poem, poem-openapi and identity, whose own answers are plain
//! text. What is not known here is 500 with a fixed text: an unknown error's text may tell too much.

use poem::{
    error::{MethodNotAllowedError, NotFoundError, ReadBodyError},
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::error::{
    AuthorizationError, ContentTypeError, ParseParamError, ParsePathError, ParseRequestPayloadError,
};

use super::{
    body::OverLimit,
    problem::{FieldError, Problem},
};

/// The problem that `error` is; `expected` tells what a parameter must be.
pub(crate) fn problem(error: poem::Error, expected: impl FnOnce(&str) -> String) -> Problem {
    if let Some(problem) = error.downcast_ref::<Problem>() {
        return problem.clone();
    }
    if let Some(error) = error.downcast_ref::<identity::TokenError>() {
        return match error {
            identity::TokenError::Invalid | identity::TokenError::Personal | identity::TokenError::Refresh => {
                unauthorised("invalid-token", error.to_string(), "Bearer error=\"invalid_token\"")
            }
            identity::TokenError::Unavailable => {
                let wait = std::time::Duration::from_secs(1);
                Problem::unavailable("tokens-unverifiable", error.to_string(), wait)
            }
        };
    }
    if let Some(wrong) = error.downcast_ref::<identity::service::WrongSecret>() {
        return unauthorised(
            "wrong-service-secret",
            wrong.to_string(),
            "Bearer error=\"invalid_token\"",
        );
    }
    if let Some(error) = error.downcast_ref::<identity::service::WrongSecret>() {
        return unauthorised("invalid-token", error.to_string(), "Bearer error=\"invalid_token\"");
    }
    if error.is::<AuthorizationError>() {
        let detail = "sign in and send Authorization: Bearer ACCESS_TOKEN";
        return unauthorised("unauthenticated", detail.to_owned(), "Bearer");
    }
    if let Some(forbidden) = error.downcast_ref::<identity::bearer::Forbidden>() {
        return Problem::forbidden("forbidden", forbidden.to_string());
    }
    if error.is::<NotFoundError>() {
        return no_such_path();
    }
    if error.is::<MethodNotAllowedError>() {
        return method_not_allowed();
    }
    parameter(&error, expected)
        .or_else(|| body(&error))
        .unwrap_or_else(|| unknown(error))
}

/// 404 for a path that no operation has.
pub(crate) fn no_such_path() -> Problem {
    Problem::not_found(
        "no-such-path",
        "there is nothing at this path; /docs lists what there is",
    )
}

/// 405; the caller adds `Allow`.
pub(crate) fn method_not_allowed() -> Problem {
    let detail = "this path has no such method; Allow lists those it has";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}

fn unauthorised(kind: &'static str, detail: String, challenge: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, kind, detail)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

fn parameter(error: &poem::Error, expected: impl FnOnce(&str) -> String) -> Option<Problem> {
    if let Some(error) = error.downcast_ref::<ParseParamError>() {
        let wrong = FieldError::parameter(error.name, expected(error.name));
        return Some(Problem::invalid(vec![wrong]));
    }
    if error.is::<ParsePathError>() || error.is::<poem::error::ParsePathError>() {
        // A path that cannot be read names nothing: invalid UTF-8, or a number that is none.
        return Some(no_such_path());
    }
    error
        .is::<poem::error::ParseQueryError>()
        .then(|| Problem::malformed("the query cannot be read; it must be name=value pairs, joined by &"))
}

/// poem-openapi puts Rust's name of the type before the reason: `failed to parse "integer_uint64": …`.
fn readable(reason: &str) -> String {
    let text = match reason
        .strip_prefix("failed to parse ")
        .and_then(|rest| rest.split_once(": "))
    {
        Some((_, text)) => text,
        None => reason,
    };
    text.replace("(occurred while parsing ", "(in ")
}

fn body(error: &poem::Error) -> Option<Problem> {
    if let Some(error) = error.downcast_ref::<ContentTypeError>() {
        return Some(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            error.to_string(),
        ));
    }
    if let Some(error) = error.downcast_ref::<ParseRequestPayloadError>() {
        return Some(Problem::malformed(format!(
            "the body cannot be read: {}",
            readable(&error.reason)
        )));
    }
    match error.downcast_ref::<ReadBodyError>()? {
        ReadBodyError::PayloadTooLarge => Some(too_large(None)),
        ReadBodyError::Io(error) => Some(unreadable_body(error)),
        ReadBodyError::Utf8(_) => Some(Problem::malformed("the body is not UTF-8")),
        ReadBodyError::BodyHasBeenTaken => None,
    }
}

/// What became of a body that a handler reads piece by piece: over its limit (413), or broken off (400).
pub fn unreadable_body(error: &std::io::Error) -> Problem {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<OverLimit>()) {
        Some(OverLimit(limit)) => too_large(Some(*limit)),
        None => Problem::malformed("the body ended before it was whole"),
    }
}

/// 413.
pub(crate) fn too_large(limit: Option<usize>) -> Problem {
    let detail = match limit {
        Some(limit) => format!("the body is larger than the {limit} bytes that are taken here; send less at a time"),
        None => "the body is larger than this service takes; send less at a time".to_owned(),
    };
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail)
}

fn unknown(error: poem::Error) -> Problem {
    let status = error.status();
    if status.is_client_error() {
        let kind = match status {
            StatusCode::NOT_FOUND => return no_such_path(),
            StatusCode::PAYLOAD_TOO_LARGE => return too_large(None),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported-media-type",
            _ => "malformed-request",
        };
        return Problem::new(status, kind, error.to_string());
    }
    Problem::internal(Foreign(error.to_string()))
}

/// An error that nobody here knows, as text for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Foreign(String);
