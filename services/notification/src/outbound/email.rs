//! A mail to a user: written, sent, and what the mail server's answer means.

use std::time::Instant;

use contracts::{Timestamp, id::UserId};
use mail::{Letter, SendError, Transport};
use serde_json::Value;

use super::templates::Templates;
use crate::domain::delivery::{Attempt, Outcome, shortened};

/// What the deliveries of digests are called.
pub const DIGEST: &str = "digest";
/// The target of all mails: they share the mail server.
pub const TARGET: &str = "email";
/// Bytes of a mail that are kept for its reader.
const KEPT: usize = 4 * 1024;

/// A reader as they are when an attempt begins.
pub(super) struct Reader {
    /// Who.
    pub(super) user: UserId,
    /// Where.
    pub(super) address: String,
    /// Their name.
    pub(super) name: String,
    /// Mails in a row that came back.
    pub(super) bounces: i64,
    /// One click ends mails like this one.
    pub(super) unsubscribe_url: String,
}

/// Makes one attempt.
pub(super) async fn send(
    transport: &Transport,
    templates: &Templates,
    reader: &Reader,
    delivery: &crate::store::delivery::Model,
    now: Timestamp,
) -> Attempt {
    let begun = Instant::now();
    let ended = |outcome, request: String| Attempt {
        outcome,
        started_at: now,
        duration: begun.elapsed(),
        status: None,
        request,
        response: None,
    };
    let letter = match letter(templates, reader, delivery) {
        Ok(letter) => letter,
        Err(reason) => return ended(Outcome::Never { reason }, String::new()),
    };
    let request = format!(
        "Subject: {}\nMessage-ID: {}",
        shortened(&letter.subject, KEPT),
        letter.id
    );
    let outcome = match transport.send(&letter).await {
        Ok(()) => Outcome::Taken,
        Err(error @ SendError::Later(_)) => Outcome::Later {
            reason: format!("the mail server took it {error}"),
            after: None,
        },
        Err(error @ SendError::Final(_)) => Outcome::Never {
            reason: format!("the mail was {error}"),
        },
        Err(error @ SendError::Mailbox(_)) => Outcome::Gone {
            reason: format!("the mail was {error}"),
        },
    };
    ended(outcome, request)
}

fn letter(templates: &Templates, reader: &Reader, delivery: &crate::store::delivery::Model) -> Result<Letter, String> {
    let unwritable = |error: &dyn std::fmt::Display| format!("the mail cannot be written: {error}");
    let mut data: Value = serde_json::from_str(&delivery.payload).map_err(|error| unwritable(&error))?;
    let Some(fields) = data.as_object_mut() else {
        return Err(unwritable(&"its data is no object"));
    };
    fields.insert("name".to_owned(), reader.name.clone().into());
    fields.insert("unsubscribe_url".to_owned(), reader.unsubscribe_url.clone().into());
    let template = match delivery.event_type == DIGEST {
        true => DIGEST,
        false => "notification",
    };
    let words = templates.write(template, &data).map_err(|error| unwritable(&error))?;
    Ok(Letter {
        id: delivery.id.to_string(),
        to: reader.address.clone(),
        to_name: reader.name.clone(),
        subject: words.subject,
        text: words.text.into(),
        html: Some(words.html.into()),
        // RFC 8058
        headers: vec![
            ("List-Unsubscribe", format!("<{}>", reader.unsubscribe_url)),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()),
        ],
    })
}
