//! Limits a request's body while it is read: a sender's `Content-Length` is a claim, and may be missing.

use bytes::Bytes;
use futures_util::StreamExt;
use poem::{Body, Request, http::header};

use super::{fault, problem::Problem};

/// The body went over its limit.
#[derive(Debug, thiserror::Error)]
#[error("the body is larger than its limit of {0} bytes")]
pub(crate) struct OverLimit(pub(crate) usize);

/// Refuses a body that says it is over `limit` bytes, and cuts off one that turns out to be.
///
/// # Errors
/// 413.
pub(crate) fn limit(request: &mut Request, limit: usize) -> Result<(), Problem> {
    if let Some(length) = request.headers().get(header::CONTENT_LENGTH) {
        // hyper reads no more than a Content-Length says, so this is enough.
        let length = length.to_str().ok().and_then(|text| text.parse::<usize>().ok());
        return if length.is_none_or(|length| length > limit) {
            Err(fault::too_large(Some(limit)))
        } else {
            Ok(())
        };
    }
    let body = request.take_body();
    if body.is_empty() {
        return Ok(());
    }
    let mut left = limit;
    let counted = body
        .into_bytes_stream()
        .map(move |chunk: Result<Bytes, std::io::Error>| {
            let chunk = chunk?;
            left = left
                .checked_sub(chunk.len())
                .ok_or_else(|| std::io::Error::other(OverLimit(limit)))?;
            Ok::<_, std::io::Error>(chunk)
        });
    request.set_body(Body::from_bytes_stream(counted));
    Ok(())
}
