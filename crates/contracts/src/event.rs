//! What makes a type an event.

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

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
}

impl Topic {
    /// Every topic.
    pub const ALL: [Topic; 4] = [Topic::Auth, Topic::Project, Topic::Notification, Topic::Gateway];

    /// The name on the broker.
    pub const fn name(self) -> &'static str {
        match self {
            Topic::Auth => "auth.events",
            Topic::Project => "project.events",
            Topic::Notification => "notification.events",
            Topic::Gateway => "gateway.events",
        }
    }

    /// The service that publishes to it.
    pub const fn publisher(self) -> &'static str {
        match self {
            Topic::Auth => "auth",
            Topic::Project => "project",
            Topic::Notification => "notification",
            Topic::Gateway => "gateway",
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
    /// The JSON Schema of the value.
    pub schema: fn() -> schemars::Schema,
}

impl EventKind {
    /// The entry for one event type.
    pub const fn of<E: Event>() -> Self {
        Self { type_name: E::TYPE, topic: E::TOPIC, schema: schema::<E> }
    }
}

fn schema<E: Event>() -> schemars::Schema {
    schemars::schema_for!(E)
}

/// Every event type that exists, in a stable order.
pub fn catalogue() -> Vec<EventKind> {
    [crate::auth::EVENTS, crate::project::EVENTS, crate::notification::EVENTS, crate::gateway::EVENTS].concat()
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
        pub const EVENTS: &[$crate::event::EventKind] = &[$($crate::event::EventKind::of::<$event>(),)*];
    };
}
pub(crate) use events;
