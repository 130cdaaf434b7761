//! An endpoint that receives webhooks: where it is, what it wants to hear, and when it is given up.

use std::{net::IpAddr, time::Duration};

use chassis::{FieldError, Problem, http::idempotency::KeyError};
use contracts::Timestamp;
use reqwest::Url;

use super::{address, notification::one_line, signature::NoRandomness};

/// Endpoints of one user at most.
pub const MOST_ENDPOINTS: u64 = 20;
/// Characters of an endpoint's address at most.
const LONGEST_URL: usize = 2000;
/// Characters of a description at most.
const LONGEST_DESCRIPTION: usize = 200;
/// How long the secret before the last is good.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// The type of a test message.
pub const TEST: &str = "webhook.test";

/// The types of messages that an endpoint can hear, as the event schemas name them.
pub const EVENT_TYPES: [&str; 28] = [
    "project.created.v1",
    "project.updated.v1",
    "project.deleted.v1",
    "member.invited.v1",
    "member.added.v1",
    "member.role_changed.v1",
    "member.removed.v1",
    "task.created.v1",
    "task.updated.v1",
    "task.assigned.v1",
    "task.deleted.v1",
    "task.due_soon.v1",
    "comment.created.v1",
    "comment.updated.v1",
    "comment.deleted.v1",
    "notification.created.v1",
    "milestone.reached.v1",
    "report.generated.v1",
    "order.completed.v1",
    "order.failed.v1",
    "subscription.updated.v1",
    "invoice.issued.v1",
    "invoice.paid.v1",
    "invoice.credited.v1",
    "payment.succeeded.v1",
    "payment.failed.v1",
    "usage.threshold_reached.v1",
    "webhook.disabled.v1",
];

/// What an endpoint wants to hear: types (`task.created.v1`) and groups of them (`task.*`); none means all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter(Vec<String>);

impl Filter {
    /// Reads a list from a request.
    ///
    /// # Errors
    /// The entries that match no type.
    pub fn parse(given: &[String]) -> Result<Self, Vec<FieldError>> {
        if given.len() > EVENT_TYPES.len() {
            let detail = format!("must have {} entries at most", EVENT_TYPES.len());
            return Err(vec![FieldError::new("/event_types", detail)]);
        }
        let unknown = given
            .iter()
            .enumerate()
            .filter(|(_, entry)| !EVENT_TYPES.iter().any(|name| matches(entry, name)));
        let wrong: Vec<FieldError> = unknown
            .map(|(position, _)| {
                let detail = format!(
                    "must be a type or a group like task.*; there are {}",
                    EVENT_TYPES.join(", ")
                );
                FieldError::new(format!("/event_types/{position}"), detail)
            })
            .collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let mut entries = given.to_vec();
        entries.sort_unstable();
        entries.dedup();
        Ok(Self(entries))
    }

    /// The entries; none means all.
    pub fn entries(&self) -> &[String] {
        &self.0
    }

    /// As the database keeps it.
    pub fn of_stored(entries: Vec<String>) -> Self {
        Self(entries)
    }

    /// Whether messages of this type are heard.
    pub fn hears(&self, event_type: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|entry| matches(entry, event_type))
    }
}

fn matches(entry: &str, event_type: &str) -> bool {
    match entry.strip_suffix(".*") {
        Some(group) => event_type.strip_prefix(group).is_some_and(|rest| rest.starts_with('.')),
        None => entry == event_type,
    }
}

/// The address of an endpoint.
///
/// A name is looked up, and what it leads to is checked, at each connection: see `outbound`.
///
/// # Errors
/// What is wrong with it, for the field at `pointer`.
pub fn target(text: &str, pointer: &str, allow_private: bool) -> Result<Url, FieldError> {
    let wrong = |detail: &str| Err(FieldError::new(pointer, detail));
    if text.len() > LONGEST_URL {
        return wrong("must have 2000 characters at most");
    }
    let Ok(url) = text.parse::<Url>() else {
        return wrong("must be an address like https://example.com/hooks");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return wrong("must begin with https:// or http://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("must hold no user name or password; verify the signature of messages instead");
    }
    if url.fragment().is_some() {
        return wrong("must hold no #fragment: it would not be sent");
    }
    if !allow_private && leads_home(&url) {
        return wrong("must lead to the public Internet, not to a private, local or reserved address");
    }
    Ok(url)
}

/// The numeric address that `url` names instead of a host, if it does.
pub fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn leads_home(url: &Url) -> bool {
    let name = url.host_str().unwrap_or_default().trim_end_matches('.');
    literal(url).is_some_and(|literal| !address::is_public(literal))
        || name == "localhost"
        || name.ends_with(".localhost")
}

/// What may be shown of an address to others and in events: its path and query may be secret.
pub fn shown(url: &str) -> String {
    match url.parse::<Url>() {
        Ok(url) => url.origin().ascii_serialization(),
        Err(_) => String::new(),
    }
}

/// A new endpoint as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDraft {
    /// Where it is.
    pub url: Url,
    /// What its owner calls it.
    pub description: String,
    /// What it wants to hear.
    pub filter: Filter,
}

impl WebhookDraft {
    /// Reads a request.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(
        url: &str,
        text: Option<&str>,
        types: &[String],
        allow_private: bool,
    ) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let url = target(url, "/url", allow_private)
            .map_err(|error| wrong.push(error))
            .ok();
        let description = description(text.unwrap_or_default())
            .map_err(|error| wrong.push(error))
            .ok();
        let filter = Filter::parse(types)
            .map_err(|mut errors| wrong.append(&mut errors))
            .ok();
        match (url, description, filter) {
            (Some(url), Some(description), Some(filter)) => Ok(Self {
                url,
                description,
                filter,
            }),
            _ => Err(wrong),
        }
    }
}

/// Reads a description.
///
/// # Errors
/// It is too long.
pub fn description(text: &str) -> Result<String, FieldError> {
    if text.chars().count() > LONGEST_DESCRIPTION {
        let detail = format!("must have {LONGEST_DESCRIPTION} characters at most");
        return Err(FieldError::new("/description", detail));
    }
    Ok(one_line(text))
}

/// Whether an endpoint that has done nothing but fail since `failing_since` is given up.
pub fn is_given_up(failing_since: Timestamp, now: Timestamp, patience: Duration) -> bool {
    now.since(failing_since) >= patience
}

/// Why an endpoint cannot be made, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Unknown, or somebody else's.
    #[error("there is no such webhook")]
    NotFound,
    /// The user has as many as they may.
    #[error("you have {MOST_ENDPOINTS} webhooks, which is the most; delete one first")]
    TooMany,
    /// Not of the version that the client changed.
    #[error("somebody changed it in the meantime")]
    Stale(Problem),
    /// It is disabled.
    #[error("the webhook is disabled; enable it first: PATCH it with \"enabled\": true")]
    Disabled,
    /// The change is not acceptable.
    #[error("the request is not valid")]
    Invalid(Vec<FieldError>),
    /// The idempotency key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A secret could not be sealed or opened.
    #[error(transparent)]
    Seal(#[from] seal::SealError),
    /// A secret could not be made.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// An answer could not be kept.
    #[error("keeping an answer")]
    Answer(#[from] serde_json::Error),
    /// The database failed.
    #[error("reading or storing webhooks")]
    Store(#[from] sea_orm::DbErr),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_leads_home_is_refused_however_its_number_is_written() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1:8080/hook",
            "https://[::1]/",
            "https://[::ffff:169.254.169.254]/",
            "http://169.254.169.254/latest/meta-data",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://hub.localhost/",
        ] {
            let error = target(url, "/url", false).unwrap_err();
            assert!(error.detail.contains("public Internet"), "{url}: {}", error.detail);
            assert!(target(url, "/url", true).is_ok(), "{url}");
        }
        assert!(target("https://example.com:8443/hooks?team=1", "/url", false).is_ok());
    }

    #[test]
    fn a_target_that_is_no_web_address_is_refused() {
        let long = format!("https://example.com/{}", "a".repeat(2000));
        for url in [
            "",
            "example.com",
            "ftp://example.com",
            "file:///etc/passwd",
            "https://ada:hunter2@example.com", // pragma: allowlist secret
            "https://example.com/#part",
            "https://",
            &long,
        ] {
            assert!(target(url, "/url", true).is_err(), "{url}");
        }
    }

    #[test]
    fn an_endpoint_hears_what_it_named_and_without_names_everything() {
        let filter = |entries: &[&str]| Filter::parse(&entries.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>());
        assert!(filter(&[]).unwrap().hears("task.created.v1"));
        let tasks = filter(&["task.*", "invoice.paid.v1"]).unwrap();
        assert!(tasks.hears("task.created.v1") && tasks.hears("invoice.paid.v1"));
        assert!(!tasks.hears("invoice.issued.v1") && !tasks.hears("comment.created.v1"));
        let wrong = filter(&["task.*", "birthday", "*"]).unwrap_err();
        let pointers: Vec<&str> = wrong.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["#/event_types/1", "#/event_types/2"]);
    }

    #[test]
    fn of_an_address_only_its_origin_is_shown() {
        assert_eq!(
            shown("https://example.com:8443/hooks/s3cret?token=x"),
            "https://example.com:8443"
        );
    }

    #[test]
    fn every_type_that_can_be_heard_is_one_that_somebody_publishes() {
        let known: Vec<&str> = contracts::event::catalogue()
            .iter()
            .map(|kind| kind.short_name())
            .collect();
        for name in EVENT_TYPES {
            assert!(known.contains(&name), "{name}");
        }
    }
}
