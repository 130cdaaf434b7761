//! How long a request may take: the setting, or less when the client says so.

use std::time::{Duration, Instant};

use poem::{
    Request,
    http::{HeaderName, StatusCode},
};

use super::problem::Problem;

/// The header by which a caller asks for less time, in milliseconds, and passes its own deadline on.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// When the answer must have begun, as request data. Pass what is [`Deadline::left`] on with every outgoing request.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// What is left; zero when it has passed.
    pub fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// The time for `request`, `longest` at most.
///
/// # Errors
/// 400 when the header is not a number of milliseconds.
pub(crate) fn of(request: &Request, longest: Duration) -> Result<Duration, Problem> {
    let Some(value) = request.headers().get(HEADER) else {
        return Ok(longest);
    };
    let millis = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok())
        .filter(|millis| *millis > 0);
    let millis = millis
        .ok_or_else(|| Problem::malformed("X-Request-Timeout-Ms must be a whole number of milliseconds, at least 1"))?;
    Ok(longest.min(Duration::from_millis(millis)))
}

/// 504.
pub(crate) fn passed(after: Duration) -> Problem {
    let detail = format!(
        "there was no answer within {} ms; the change may or may not have been made",
        after.as_millis()
    );
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "deadline-passed", detail)
}
