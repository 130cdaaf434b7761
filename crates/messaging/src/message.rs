//! A message as it came from the broker, and whether it is an event that is handled here.

use contracts::{Envelope, EventId};
use sha2::{Digest, Sha256};

use crate::{Reactions, reaction::is_known};

/// A message and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Topic, without the prefix of this installation.
    pub topic: String,
    /// Partition of the topic.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
    /// Message key.
    pub key: Option<Vec<u8>>,
    /// Headers, in their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The value; empty when there is none.
    pub payload: Vec<u8>,
}

/// What is to be done with a message.
#[derive(Debug)]
pub(crate) enum Kind {
    /// There are reactions to it.
    Handled(Envelope),
    /// An event of a known type that nothing here reacts to.
    PassedOver,
    /// Nobody could handle it.
    Undeliverable {
        /// Why.
        error: String,
        /// Whether later messages of its key have to wait: not when its type is unknown, as such an event has no
        /// reaction whose order could be broken.
        blocks: bool,
        /// The envelope, if there is one.
        envelope: Option<Envelope>,
    },
}

impl Message {
    /// The message that publishes this event; for tests that skip the broker.
    pub fn of(envelope: &Envelope, topic: &str, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic: topic.to_owned(),
            partition: 0,
            offset: 0,
            key: Some(envelope.subject.clone().into_bytes()),
            headers: envelope
                .headers()
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into_bytes()))
                .collect(),
            payload: payload.into(),
        }
    }

    /// The last header of this name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().rev().find(|(found, _)| found == name)?;
        std::str::from_utf8(value).ok()
    }

    /// Reads the envelope.
    ///
    /// # Errors
    /// The first header that is missing or malformed.
    pub fn envelope(&self) -> Result<Envelope, contracts::envelope::InvalidEnvelope> {
        Envelope::parse(
            self.headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_slice())),
        )
    }

    pub(crate) fn kind(&self, reactions: &Reactions) -> Kind {
        match self.envelope() {
            Ok(envelope) if reactions.handles(&envelope.event_type) => Kind::Handled(envelope),
            Ok(envelope) if is_known(&envelope.event_type) => Kind::PassedOver,
            Ok(envelope) => Kind::Undeliverable {
                error: format!("no event type {:?} is known to this release", envelope.event_type),
                blocks: false,
                envelope: Some(envelope),
            },
            Err(error) => Kind::Undeliverable {
                error: error.to_string(),
                blocks: true,
                envelope: None,
            },
        }
    }

    /// The key as text; bytes that are not UTF-8 are replaced.
    pub(crate) fn key_text(&self) -> Option<String> {
        self.key.as_deref().map(|key| String::from_utf8_lossy(key).into_owned())
    }

    /// What the inbox remembers a message without an event id by: place and content, as places come again when a broker
    /// was lost.
    pub(crate) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update(bytes.len().to_be_bytes());
            hash.update(bytes);
        };
        add(self.topic.as_bytes());
        add(&self.partition.to_be_bytes());
        add(&self.offset.to_be_bytes());
        add(self.key.as_deref().unwrap_or_default());
        for (name, value) in &self.headers {
            add(name.as_bytes());
            add(value);
        }
        add(&self.payload);
        hash.finalize()
            .iter()
            .take(16)
            .fold("msg_".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// Roughly what it takes of memory.
    pub(crate) fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.key.as_ref().map_or(0, Vec::len) + headers + self.payload.len()
    }
}

/// What the inbox remembers a message by.
pub(crate) fn identity(message: &Message, envelope: Option<&Envelope>) -> String {
    envelope.map_or_else(|| message.fingerprint(), |envelope| EventId::to_string(&envelope.id))
}
