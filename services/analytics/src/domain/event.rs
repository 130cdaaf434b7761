//! An event as the log keeps it.

use contracts::{Envelope, EventId, Timestamp, event::TYPE_PREFIX};

/// An event, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Which.
    pub id: EventId,
    /// `com.cloudtaskhub.task.created.v1`
    pub event_type: String,
    /// Who published it: `/services/project`.
    pub source: String,
    /// The aggregate's id.
    pub subject: String,
    /// When it happened.
    pub time: Timestamp,
    /// When it was written down here.
    pub received_at: Timestamp,
    /// W3C trace that it is part of.
    pub trace_id: Option<String>,
    /// The event whose reaction published it.
    pub causation_id: Option<EventId>,
    /// What happened, JSON.
    pub data: String,
}

impl Logged {
    /// As it arrived at `received_at`.
    pub fn new(envelope: &Envelope, data: String, received_at: Timestamp) -> Self {
        Self {
            id: envelope.id,
            event_type: envelope.event_type.clone(),
            source: envelope.source.clone(),
            subject: envelope.subject.clone(),
            time: envelope.time,
            received_at,
            trace_id: envelope.traceparent.as_deref().and_then(trace_id).map(str::to_owned),
            causation_id: envelope.causation_id,
            data,
        }
    }

    /// The type without what all types share.
    pub fn short_type(&self) -> &str {
        self.event_type.strip_prefix(TYPE_PREFIX).unwrap_or(&self.event_type)
    }
}

/// The trace of a `traceparent`: `00-TRACE-SPAN-FLAGS`.
fn trace_id(traceparent: &str) -> Option<&str> {
    let trace = traceparent.split('-').nth(1)?;
    (trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(trace)
}

/// The full name of a type that is asked for by its full or its short name.
pub fn type_named(name: &str) -> Option<&'static str> {
    contracts::event::catalogue()
        .into_iter()
        .find(|kind| kind.type_name == name || kind.short_name() == name)
        .map(|kind| kind.type_name)
}
