//! What makes a type an event.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};
use statement::Retired;

/// A topic: one for each publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// `auth.events`
    Auth,
    /// `project.events`
    Project,
    /// `notification.events`
    Notification,
    /// `gateway.events`
    Gateway,
    /// `billing.events`
    Billing,
    /// `analytics.events`
    Analytics,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Topic; 6] = [
        Topic::Auth,
        Topic::Project,
        Topic::Notification,
        Topic::Gateway,
        Topic::Billing,
        Topic::Analytics,
    ];

    /// The name on the broker.
    pub const fn name(self) -> &'static str {
        match self {
            Topic::Auth => "auth.events",
            Topic::Project => "project.events",
            Topic::Notification => "notification.events",
            Topic::Gateway => "gateway.events",
            Topic::Billing => "billing.events",
            Topic::Analytics => "analytics.events",
        }
    }

    /// The service that publishes to it.
    pub const fn publisher(self) -> &'static str {
        match self {
            Topic::Auth => "auth",
            Topic::Project => "project",
            Topic::Notification => "notification",
            Topic::Gateway => "gateway",
            Topic::Billing => "billing",
            Topic::Analytics => "analytics",
        }
    }
}

/// A fact that one service publishes and others react to.
///
/// The value on the wire is the JSON of the type alone; everything about it is in the headers ([`crate::Envelope`]).
pub trait Event: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// `com.cloudtaskhub.task.created.v1`. A change that old consumers can read keeps it; any other is a new type.
    const TYPE: &'static str;
    /// Where it is published.
    const TOPIC: Topic;

    /// The id of the aggregate it is about: the message's key, so that one aggregate's events keep their order.
    fn key(&self) -> String;
}

/// One entry of the catalogue of all events.
#[derive(Clone, Copy)]
pub struct EventKind {
    /// [`Event::TYPE`].
    pub type_name: &'static str,
    /// [`Event::TOPIC`].
    pub topic: Topic,
    /// The field of the value that [`Event::key`] takes.
    pub key_field: &'static str,
    /// The JSON Schema of the value: draft 7, which AsyncAPI 3 understands without being told.
    pub schema: fn() -> schemars::Schema,
    /// Reads a value as a consumer does and writes it again as its publisher does.
    ///
    /// # Errors
    /// Why the value is not one of this type.
    pub reread: fn(&serde_json::Value) -> Result<serde_json::Value, serde_json::Error>,
}

impl EventKind {
    /// The entry for one event type, whose key is the field `key_field`.
    pub const fn of<E: Event>(key_field: &'static str) -> Self {
        Self {
            type_name: E::TYPE,
            topic: E::TOPIC,
            key_field,
            schema: schema::<E>,
            reread: reread::<E>,
        }
    }

    /// The type without what all types share: `task.created.v1`.
    pub fn short_name(&self) -> &'static str {
        self.type_name.strip_prefix(TYPE_PREFIX).unwrap_or(self.type_name)
    }

    /// The schema with what else consumers rely on, in one order of keys: what `docs/schemas` holds.
    pub fn document(&self) -> Value {
        let mut schema = (self.schema)().to_value();
        schema["$id"] = crate::envelope::data_schema(self.type_name).into();
        schema["x-topic"] = self.topic.name().into();
        schema["x-key"] = self.key_field.into();
        sorted(schema)
    }

    /// A hash of [`EventKind::document`], so that two releases can be compared without their documents.
    pub fn fingerprint(&self) -> String {
        let hash = Sha256::digest(self.document().to_string());
        hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Keys in one order, whichever features of serde_json other crates of the build ask for.
pub fn sorted(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let entries: BTreeMap<String, Value> =
                entries.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

fn schema<E: Event>() -> schemars::Schema {
    schemars::generate::SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<E>()
}

fn reread<E: Event>(value: &serde_json::Value) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::to_value(serde_json::from_value::<E>(value.clone())?)
}

/// What every type name begins with.
pub const TYPE_PREFIX: &str = "com.cloudtaskhub.";

/// Every event type that exists, in a stable order.
pub fn catalogue() -> Vec<EventKind> {
    [
        crate::auth::EVENTS,
        crate::project::EVENTS,
        crate::notification::EVENTS,
        crate::gateway::EVENTS,
        crate::billing::EVENTS,
        crate::analytics::EVENTS,
    ]
    .concat()
}

/// Types that are no longer published, and what took their place.
///
/// A type goes in two releases: one publishes the successor beside it and reacts to the successor, the next takes the type
/// out of the catalogue and enters it here. Without an entry the test of the documents refuses that, and with one the release
/// tool keeps apart the releases that would not hear each other.
pub fn retired() -> Vec<Retired> {
    Vec::new()
}

/// Declares an event type's name, topic and key.
macro_rules! events {
    ($topic:ident: $($event:ident = $type:literal by $key:ident;)*) => {
        $(impl $crate::event::Event for $event {
            const TYPE: &'static str = concat!("com.cloudtaskhub.", $type);
            const TOPIC: $crate::event::Topic = $crate::event::Topic::$topic;

            fn key(&self) -> String {
                self.$key.to_string()
            }
        })*

        /// What this publisher can say.
        pub const EVENTS: &[$crate::event::EventKind] = &[$($crate::event::EventKind::of::<$event>(stringify!($key)),)*];
    };
}
pub(crate) use events;
