//! The envelope of an event: CloudEvents 1.0 in Kafka's binary content mode.
//!
//! Attributes are message headers (`ce_id`, `ce_type`, …), the value is the data alone, the key is the aggregate's id.
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md>

use crate::{EventId, Timestamp};

/// Everything about an event but its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// `ce_id`: the outbox row's id; what inboxes remember.
    pub id: EventId,
    /// `ce_source`: `/services/project`.
    pub source: String,
    /// `ce_type`: `com.cloudtaskhub.task.created.v1`.
    pub event_type: String,
    /// `ce_time`: when it happened.
    pub time: Timestamp,
    /// `ce_subject`: the aggregate's id, equal to the message's key.
    pub subject: String,
    /// `ce_causationid`: the event whose reaction published this one.
    pub causation_id: Option<EventId>,
    /// W3C Trace Context, `traceparent`.
    pub traceparent: Option<String>,
    /// W3C Trace Context, `tracestate`.
    pub tracestate: Option<String>,
}

/// A message's headers are not those of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("header {header} is missing or malformed")]
pub struct InvalidEnvelope {
    /// The first header found wrong.
    pub header: &'static str,
}

impl Envelope {
    /// The headers to send, in a stable order.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", self.id.to_string()),
            ("ce_source", self.source.clone()),
            ("ce_type", self.event_type.clone()),
            ("ce_time", self.time.to_string()),
            ("ce_subject", self.subject.clone()),
            ("ce_dataschema", data_schema(&self.event_type)),
            ("content-type", "application/json".to_owned()),
        ];
        let optional = [
            ("ce_causationid", self.causation_id.map(|id| id.to_string())),
            ("traceparent", self.traceparent.clone()),
            ("tracestate", self.tracestate.clone()),
        ];
        headers.extend(
            optional
                .into_iter()
                .filter_map(|(name, value)| value.map(|value| (name, value))),
        );
        headers
    }

    /// Reads the headers of a message; the last one of a name counts. Unknown headers are passed over.
    ///
    /// # Errors
    /// The first required header that is missing or cannot be read.
    pub fn parse<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<Self, InvalidEnvelope> {
        let mut found = std::collections::HashMap::new();
        for (name, value) in headers {
            found.insert(name.to_owned(), std::str::from_utf8(value).ok().map(str::to_owned));
        }
        let mut take = |header: &'static str| found.remove(header).flatten().ok_or(InvalidEnvelope { header });
        if take("ce_specversion")? != "1.0" {
            return Err(InvalidEnvelope {
                header: "ce_specversion",
            });
        }
        Ok(Self {
            id: take("ce_id")?
                .parse()
                .map_err(|_| InvalidEnvelope { header: "ce_id" })?,
            source: take("ce_source")?,
            event_type: take("ce_type")?,
            time: take("ce_time")?
                .parse()
                .map_err(|_| InvalidEnvelope { header: "ce_time" })?,
            subject: take("ce_subject")?,
            causation_id: match take("ce_causationid") {
                Ok(text) => Some(text.parse().map_err(|_| InvalidEnvelope {
                    header: "ce_causationid",
                })?),
                Err(_) => None,
            },
            traceparent: take("traceparent").ok(),
            tracestate: take("tracestate").ok(),
        })
    }
}

/// `ce_dataschema` of an event type: the `$id` of its schema in `docs/schemas`. A name and no address (CloudEvents wants an
/// absolute URI), because where the files are published is up to whoever runs the hub.
pub fn data_schema(event_type: &str) -> String {
    format!(
        "urn:cloudtaskhub:schema:{}",
        event_type.strip_prefix(crate::event::TYPE_PREFIX).unwrap_or(event_type)
    )
}
