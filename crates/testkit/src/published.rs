//! What a service has published: the rows of its outbox.

use contracts::{Event, EventId};
use serde_json::Value;

/// A published event.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// `ce_type`
    pub event_type: String,
    /// The aggregate's id.
    pub key: String,
    /// The data.
    pub data: Value,
    /// The event whose reaction published it.
    pub causation_id: Option<EventId>,
    /// The trace that it is part of.
    pub trace_id: Option<String>,
}

impl Published {
    /// The event as its type; `None` when it is of another.
    pub fn as_event<E: Event>(&self) -> Option<E> {
        (self.event_type == E::TYPE).then(|| serde_json::from_value(self.data.clone()).expect("an event of its type"))
    }
}
