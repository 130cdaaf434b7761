//! Cross-origin requests (<https://fetch.spec.whatwg.org/#http-cors-protocol>), for the origins in the settings.
//!
//! poem's own middleware refuses requests whose `Origin` is not listed; browsers send one with same-origin POSTs too, so
//! that would lock out a service's own `/docs`. Here an unlisted origin gets no headers, and the browser does the rest.

use poem::{
    Request, Response,
    http::{HeaderValue, Method, StatusCode, header},
};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id, x-request-id, x-request-timeout-ms",
);
const EXPOSED: HeaderValue =
    HeaderValue::from_static("etag, location, retry-after, ratelimit, ratelimit-policy, x-request-id");
/// Seconds a browser may remember the answer to a preflight.
const MAX_AGE: HeaderValue = HeaderValue::from_static("3600");

/// The origin of `request`, when it may call.
pub(crate) fn origin(request: &Request, allowed: &[HeaderValue]) -> Option<HeaderValue> {
    let origin = request.headers().get(header::ORIGIN)?;
    allowed.contains(origin).then(|| origin.clone())
}

/// The answer to a preflight; `None` when the request is none.
pub(crate) fn preflight(request: &Request) -> Option<Response> {
    let asks =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    asks.then(|| {
        Response::builder()
            .status(StatusCode::NO_CONTENT)
            .header(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS)
            .header(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS)
            .header(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE)
            .finish()
    })
}

/// Lets pages of `origin` read the answer.
pub(crate) fn allow(response: &mut Response, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
