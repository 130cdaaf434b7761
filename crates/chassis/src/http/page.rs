//! Cursor pagination: `?limit=&cursor=` in, `{items, next_cursor}` out.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use poem_openapi::{
    Object,
    types::{ParseFromJSON, ToJSON, Type},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::problem::{FieldError, Problem};

/// Items of a page when the client does not say.
pub const DEFAULT_LIMIT: u64 = 50;
/// Items of a page at most.
pub const MAX_LIMIT: u64 = 200;

/// One page of a list.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct Page<T: Send + Sync + Type + ParseFromJSON + ToJSON> {
    /// The items.
    pub items: Vec<T>,
    /// Pass it as `cursor` to get the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// The number of items to answer.
///
/// # Errors
/// 422 when it is zero or too large.
pub fn limit(asked: Option<u64>) -> Result<u64, Problem> {
    match asked {
        None => Ok(DEFAULT_LIMIT),
        Some(limit @ 1..=MAX_LIMIT) => Ok(limit),
        Some(_) => Err(Problem::invalid(vec![FieldError::parameter(
            "limit",
            format!("must be 1 to {MAX_LIMIT}"),
        )])),
    }
}

/// Builds a page of at most `limit` items from `limit + 1` rows: the extra one only shows that there is a next page.
///
/// `list` names the list with its filter and order, so that a cursor of another list is refused; `position` is what the
/// query continues after.
pub fn page<R, T, P>(
    mut rows: Vec<R>,
    limit: u64,
    list: &str,
    position: impl Fn(&R) -> P,
    item: impl FnMut(R) -> T,
) -> Page<T>
where
    T: Send + Sync + Type + ParseFromJSON + ToJSON,
    P: Serialize,
{
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = if more {
        rows.last().map(|row| cursor(list, &position(row)))
    } else {
        None
    };
    Page {
        items: rows.into_iter().map(item).collect(),
        next_cursor,
    }
}

/// The cursor that continues `list` after `position`; letters, digits, `-` and `_` only.
pub fn cursor<P: Serialize>(list: &str, position: &P) -> String {
    let json = serde_json::to_vec(&(fingerprint(list), position)).unwrap_or_default();
    BASE64_URL_SAFE_NO_PAD.encode(json)
}

/// Where a page of `list` begins.
///
/// # Errors
/// 400 when the cursor is not one that this list gave out.
pub fn position<P: DeserializeOwned>(list: &str, cursor: Option<&str>) -> Result<Option<P>, Problem> {
    let Some(cursor) = cursor else { return Ok(None) };
    let wrong = || {
        Problem::malformed("the cursor is not from this list with these filters; leave it out to begin at the start")
            .with_errors(vec![FieldError::parameter(
                "cursor",
                "must be the next_cursor of the page before",
            )])
    };
    let json = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
    let (from, position): (String, P) = serde_json::from_slice(&json).map_err(|_| wrong())?;
    if from == fingerprint(list) {
        Ok(Some(position))
    } else {
        Err(wrong())
    }
}

fn fingerprint(list: &str) -> String {
    use sha2::Digest;
    BASE64_URL_SAFE_NO_PAD.encode(&sha2::Sha256::digest(list.as_bytes())[..6])
}
