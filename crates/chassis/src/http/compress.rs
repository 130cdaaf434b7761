//! Compresses larger texts for clients that ask for it.
//!
//! poem's own middleware compresses every answer, streams included, and unpacks request bodies past their limit. Small
//! answers are left alone: they fit one packet, and compressing them costs more than it saves.

use http_body::Body as _;
use http_body_util::combinators::BoxBody;
use poem::{
    IntoResponse, Request, Response,
    http::{HeaderValue, header},
    web::{Compress, CompressionAlgo, CompressionLevel},
};

/// The size in bytes from which on it pays.
const LEAST: u64 = 1400;

/// Whether the client takes gzip.
pub(crate) fn accepted(request: &Request) -> bool {
    let values = request
        .headers()
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|text| text.split(',')).any(|coding| {
        let (name, quality) = coding
            .split_once(';')
            .map_or((coding, ""), |(name, quality)| (name, quality.trim()));
        let refused = quality
            .strip_prefix("q=")
            .is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// Compresses `response` if it is a text of a known, larger size that is not compressed yet.
pub(crate) fn compress(mut response: Response) -> Response {
    let text = response
        .content_type()
        .is_some_and(|text| text.starts_with("application/json") || text.starts_with("text/html"));
    if !text || response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    let body: BoxBody<bytes::Bytes, std::io::Error> = response.take_body().into();
    let large = body.size_hint().exact().is_some_and(|size| size >= LEAST);
    response.set_body(body);
    if !large {
        return response;
    }
    // Another representation has another tag; without this a cache could mix the two up.
    response
        .headers_mut()
        .append(header::VARY, HeaderValue::from_static("accept-encoding"));
    Compress::new(response, CompressionAlgo::GZIP)
        .with_quality(CompressionLevel::Fastest)
        .into_response()
}
