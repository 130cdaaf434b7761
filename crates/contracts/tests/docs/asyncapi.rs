//! The AsyncAPI 3.0 document: <https://www.asyncapi.com/docs/reference/specification/v3.0.0>.

use contracts::{Envelope, EventKind, Topic, consumers, envelope::data_schema, event::catalogue};
use serde_json::{Map, Value, json};

use super::examples::{self, Example};

/// The whole document.
pub(crate) fn document() -> Value {
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:cloudtaskhub:events",
        "info": {
            "title": "CloudTaskHub events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the services of CloudTaskHub say to each other, as CloudEvents 1.0 in Kafka's binary content mode: \
                            attributes are headers, the value is the data alone, the key is the id of the aggregate. Events of one key \
                            keep their order. An event may come more than once: `ce_id` tells. Fields that you do not know are new: \
                            pass over them.",
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{host}:{port}",
                "protocol": "kafka",
                "description": "The Kafka cluster of the installation. Inside the hub that `make run` starts, an in-process broker.",
                "variables": {
                    "host": { "default": "localhost", "description": "Any broker of the cluster." },
                    "port": { "default": "9092", "description": "Its port." },
                },
            },
        },
        "channels": object(Topic::ALL.into_iter().map(|topic| (topic.publisher().to_owned(), channel(topic)))),
        "operations": object(operations()),
        "components": {
            "messages": object(catalogue().iter().map(|kind| (name(kind), message(kind)))),
            "messageTraits": { "cloudEvent": trait_of_all() },
        },
    })
}

/// `taskCreatedV1`: keys of the document may have no dots for some generators' taste.
fn name(kind: &EventKind) -> String {
    let mut words = kind.short_name().split(['.', '_']);
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(1);
        name + &initial.to_uppercase() + rest
    })
}

fn object(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(entries.into_iter().collect::<Map<String, Value>>())
}

fn reference(target: &str) -> Value {
    json!({ "$ref": target })
}

fn of_topic(topic: Topic) -> Vec<EventKind> {
    catalogue().into_iter().filter(|kind| kind.topic == topic).collect()
}

fn channel(topic: Topic) -> Value {
    json!({
        "address": topic.name(),
        "title": format!("Events of {}", topic.publisher()),
        "servers": [reference("#/servers/kafka")],
        "messages": object(of_topic(topic).iter().map(|kind| {
            (name(kind), reference(&format!("#/components/messages/{}", name(kind))))
        })),
        "bindings": { "kafka": { "topic": topic.name(), "bindingVersion": "0.5.0" } },
    })
}

/// What each service sends, and what each receives from each topic.
fn operations() -> Vec<(String, Value)> {
    let operation = |action: &str, summary: String, topic: Topic, kinds: &[EventKind]| {
        let channel = format!("#/channels/{}", topic.publisher());
        let messages: Vec<Value> = kinds
            .iter()
            .map(|kind| reference(&format!("{channel}/messages/{}", name(kind))))
            .collect();
        json!({ "action": action, "summary": summary, "channel": reference(&channel), "messages": messages })
    };
    let mut all = Vec::new();
    for topic in Topic::ALL {
        let publisher = topic.publisher();
        let kinds = of_topic(topic);
        all.push((
            format!("{publisher}.publish"),
            operation("send", format!("What {publisher} publishes."), topic, &kinds),
        ));
        for service in consumers::services() {
            let heard: Vec<EventKind> = kinds
                .iter()
                .filter(|kind| consumers::of(kind.type_name).contains(&service))
                .copied()
                .collect();
            if heard.is_empty() {
                continue;
            }
            let mut value = operation(
                "receive",
                format!("What {service} hears of {publisher}."),
                topic,
                &heard,
            );
            value["bindings"] =
                json!({ "kafka": { "groupId": { "type": "string", "const": service }, "bindingVersion": "0.5.0" } });
            all.push((format!("{service}.consume.{publisher}"), value));
        }
    }
    all
}

/// What all messages have in common: the attributes of CloudEvents, and the trace.
fn trait_of_all() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject", "ce_dataschema", "content-type"],
            "properties": {
                "ce_specversion": { "type": "string", "const": "1.0", "description": "Version of CloudEvents." },
                "ce_id": {
                    "type": "string",
                    "pattern": "^evt_[0-7][0-9a-hjkmnp-tv-z]{25}$",
                    "description": "Names the event; the same when it is published again.",
                },
                "ce_source": { "type": "string", "format": "uri-reference", "description": "The publisher: /services/project." },
                "ce_type": text("The type of the event; see each message."),
                "ce_time": { "type": "string", "format": "date-time", "description": "When it happened, UTC." },
                "ce_subject": text("The id of the aggregate, equal to the key."),
                "ce_dataschema": { "type": "string", "format": "uri", "description": "The $id of the schema of the value." },
                "ce_causationid": text("The event whose reaction published this one."),
                "content-type": { "type": "string", "const": "application/json" },
                "traceparent": text("W3C Trace Context of the change."),
                "tracestate": text("W3C Trace Context of the change."),
            },
        },
    })
}

fn message(kind: &EventKind) -> Value {
    let schema = kind.document();
    let example = examples::all()
        .into_iter()
        .find(|example| example.type_name == kind.type_name);
    let example = example.unwrap_or_else(|| {
        panic!(
            "{} has no example: add one to tests/docs/examples.rs",
            kind.short_name()
        )
    });
    let consumers = consumers::of(kind.type_name);
    let heard = if consumers.is_empty() {
        "nobody yet".to_owned()
    } else {
        consumers.join(", ")
    };
    json!({
        "name": kind.type_name,
        "title": schema["title"],
        "summary": schema["description"],
        "description": format!("Published by {}; heard by {heard}. The key is `{}`.", kind.topic.publisher(), kind.key_field),
        "traits": [reference("#/components/messageTraits/cloudEvent")],
        "payload": reference(&format!("./schemas/{}", super::file_name(kind))),
        "bindings": { "kafka": { "key": { "type": "string", "description": format!("`{}` of the value.", kind.key_field) }, "bindingVersion": "0.5.0" } },
        "examples": [{ "name": name(kind), "headers": headers(kind, &example), "payload": example.value }],
    })
}

fn headers(kind: &EventKind, example: &Example) -> Value {
    let envelope = Envelope {
        id: "evt_01k9z3v0p6f3j6n9r2v5y8b1dc".parse().unwrap(),
        source: format!("/services/{}", kind.topic.publisher()),
        event_type: kind.type_name.to_owned(),
        time: examples::moment(),
        subject: example.key.clone(),
        causation_id: None,
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        tracestate: None,
    };
    let headers = envelope.headers();
    assert!(headers.contains(&("ce_dataschema", data_schema(kind.type_name))));
    object(
        headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Value::String(value))),
    )
}
