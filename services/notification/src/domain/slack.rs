//! Slack's incoming webhooks: their address, and what is posted there.

use chassis::FieldError;
use reqwest::Url;
use serde_json::json;

use super::webhook;

/// The only host that Slack's incoming webhooks have.
const HOST: &str = "hooks.slack.com";
/// Characters of a message at most; Slack cuts at 40,000.
const LONGEST: usize = 3000;

/// The address of an incoming webhook. With `allow_private` (test beds) it may be anywhere.
///
/// # Errors
/// What is wrong with it.
pub fn target(text: &str, allow_private: bool) -> Result<Url, FieldError> {
    let url = webhook::target(text, "/url", allow_private)?;
    if !allow_private && (url.scheme() != "https" || url.host_str() != Some(HOST) || url.port().is_some()) {
        let detail = "must be the address of an incoming webhook: https://hooks.slack.com/services/…";
        return Err(FieldError::new("/url", detail));
    }
    Ok(url)
}

/// A title and some more as the body of a post. `&`, `<` and `>` are Slack's control characters; escaped, nothing that
/// somebody wrote can be a link, a mention or `<!channel>`.
pub fn message(title: &str, body: &str) -> String {
    let text = match body.is_empty() {
        true => escaped(title),
        false => format!("{}\n{}", escaped(title), escaped(body)),
    };
    json!({ "text": text }).to_string()
}

fn escaped(text: &str) -> String {
    let short: String = text.chars().take(LONGEST).collect();
    short.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Why a Slack webhook cannot be set or read.
#[derive(Debug, thiserror::Error)]
pub enum SlackError {
    /// None is set.
    #[error("no Slack webhook is set")]
    NotFound,
    /// Unknown, or the caller is no member.
    #[error("there is no such project")]
    NoProject,
    /// The caller's role does not allow it.
    #[error("only admins and owners of the project may set its Slack webhook")]
    Role,
    /// The address could not be sealed.
    #[error(transparent)]
    Seal(#[from] seal::SealError),
    /// The database failed.
    #[error("reading or storing Slack webhooks")]
    Store(#[from] sea_orm::DbErr),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_somebody_wrote_is_an_order_to_slack() {
        let body = message("<!channel> & <@U1>", "a > b");
        assert_eq!(body, r#"{"text":"&lt;!channel&gt; &amp; &lt;@U1&gt;\na &gt; b"}"#);
    }

    #[test]
    fn only_slacks_own_host_is_accepted() {
        assert!(target("https://hooks.slack.com/services/T0/B0/x", false).is_ok()); // pragma: allowlist secret
        for url in [
            "http://hooks.slack.com/services/T0/B0/x",
            "https://hooks.slack.com.example.com/services/x",
            "https://hooks.slack.com:8443/services/x",
            "https://example.com/",
            "nowhere",
        ] {
            assert!(target(url, false).is_err(), "{url}");
        }
        assert!(target("http://127.0.0.1:8080/slack", true).is_ok());
    }
}
