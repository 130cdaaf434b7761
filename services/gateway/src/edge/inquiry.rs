//! A question that the gateway asks a service for the caller, to read the answer itself and not to pass it on.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chassis::http::Deadline;
use http_body_util::{BodyExt, Limited};
use poem::{
    Request,
    http::{HeaderMap, HeaderValue, Method, Response, header, uri::PathAndQuery},
};
use tokio::time::Instant;

use super::{
    forwarded,
    upstream::{Call, CallError, Outgoing, Upstream},
};

/// The largest answer that is read.
const LARGEST: usize = 1024 * 1024;
/// What is kept of the request's own time, for our answer.
const KEPT_BACK: Duration = Duration::from_millis(50);

/// Why there is no answer to read.
#[derive(Debug, thiserror::Error)]
pub enum InquiryError {
    /// None came.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Its address leads back here.
    #[error("the address of {0} leads back to the gateway")]
    Loop(&'static str),
    /// It is too large, or broke off.
    #[error("the answer of {upstream} cannot be read: {reason}")]
    Unreadable {
        /// Which service.
        upstream: &'static str,
        /// Why.
        reason: String,
    },
}

/// Asks `upstream` for `path` as the caller of `request`, for `time` at most and no longer than the request has.
///
/// # Errors
/// See [`InquiryError`]. An answer of whatever status is an answer.
pub async fn ask(
    request: &Request,
    upstream: &Arc<Upstream>,
    path: PathAndQuery,
    time: Duration,
) -> Result<Response<Bytes>, InquiryError> {
    if forwarded::loops(request.headers()) {
        return Err(InquiryError::Loop(upstream.name()));
    }
    let mut headers = HeaderMap::new();
    for name in [
        header::AUTHORIZATION,
        header::ACCEPT_LANGUAGE,
        header::USER_AGENT,
        header::VIA,
    ] {
        for value in request.headers().get_all(&name) {
            headers.append(&name, value.clone());
        }
    }
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    forwarded::add_via(&mut headers);
    let left = request.data::<Deadline>().map_or(time, Deadline::left);
    let time = time.min(left.saturating_sub(KEPT_BACK).max(left / 2));
    let until = Instant::now() + time;
    let call = Call {
        method: Method::GET,
        path,
        headers,
        body: Outgoing::Empty,
        time,
    };
    let (mut parts, body) = upstream.send(call).await?.into_parts();
    forwarded::end_hop(&mut parts.headers);
    // The deadline of a call is for its answer's beginning; this one is for its end as well.
    let read = tokio::time::timeout_at(until, Limited::new(body, LARGEST).collect()).await;
    let late = |_| CallError::Late {
        upstream: upstream.name(),
        after: time,
    };
    let body = read.map_err(late)?.map_err(|error| InquiryError::Unreadable {
        upstream: upstream.name(),
        reason: error.to_string(),
    })?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}
