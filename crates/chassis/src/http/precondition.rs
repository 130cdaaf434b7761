//! `ETag` and `If-Match` (RFC 9110, 13.1.1): an update names the version that it was made from.

use poem::http::StatusCode;

use super::problem::Problem;

/// The strong entity tag of a version.
pub fn etag(version: i64) -> String {
    format!("\"v{version}\"")
}

/// The versions a client is ready to overwrite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// `*`
    Any,
    /// One of these.
    Versions(Vec<i64>),
}

/// Reads `If-Match`.
///
/// # Errors
/// 428 when it is absent, 400 when it is not a list of entity tags.
pub fn if_match(header: Option<&str>) -> Result<Expected, Problem> {
    let text = header.map(str::trim).filter(|text| !text.is_empty()).ok_or_else(|| {
        let detail = "send If-Match with the ETag of the version that you changed, or * to overwrite any";
        Problem::new(StatusCode::PRECONDITION_REQUIRED, "precondition-required", detail)
    })?;
    if text == "*" {
        return Ok(Expected::Any);
    }
    let mut versions = Vec::new();
    for tag in text.split(',').map(str::trim) {
        let inner = tag
            .strip_prefix("W/")
            .unwrap_or(tag)
            .strip_prefix('"')
            .and_then(|tag| tag.strip_suffix('"'));
        let inner = inner.ok_or_else(|| Problem::malformed("If-Match is not a list of entity tags like \"v3\""))?;
        // A weak tag never matches strongly; a tag that is not ours matches no version.
        if let (false, Some(Ok(version))) = (tag.starts_with("W/"), inner.strip_prefix('v').map(str::parse)) {
            versions.push(version);
        }
    }
    Ok(Expected::Versions(versions))
}

impl Expected {
    /// Goes on only when `version` is expected.
    ///
    /// # Errors
    /// 412.
    pub fn check(&self, version: i64) -> Result<(), Problem> {
        match self {
            Expected::Versions(versions) if !versions.contains(&version) => Err(Problem::new(
                StatusCode::PRECONDITION_FAILED,
                "precondition-failed",
                "somebody changed it in the meantime; read it again and repeat your change",
            )),
            _ => Ok(()),
        }
    }
}
