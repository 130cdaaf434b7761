//! The documents of the events: `docs/asyncapi.yaml` and `docs/schemas/TYPE.json`, made from the types.
//!
//! `UPDATE_CONTRACTS=1 cargo test -p contracts --test docs` renews them. `UPDATE_CONTRACTS=release` also puts the schemas into
//! `docs/schemas/released`: from then on a change that breaks them fails here. Before the first release the committed
//! schemas take that place.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(missing_docs, reason = "a test")]

mod asyncapi;
mod compatibility;
mod examples;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use contracts::{
    EventKind, consumers,
    event::{TYPE_PREFIX, catalogue, retired, sorted},
};
use serde_json::Value;

const RENEW: &str = "renew it with: UPDATE_CONTRACTS=1 cargo test -p contracts --test docs";

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn update() -> Option<String> {
    std::env::var("UPDATE_CONTRACTS").ok().filter(|value| !value.is_empty())
}

fn file_name(kind: &EventKind) -> String {
    format!("{}.json", kind.short_name())
}

/// Every document by its path under `docs`.
fn documents() -> BTreeMap<PathBuf, String> {
    let mut documents = BTreeMap::new();
    for kind in catalogue() {
        let text = serde_json::to_string_pretty(&kind.document()).unwrap();
        documents.insert(Path::new("schemas").join(file_name(&kind)), text + "\n");
    }
    let head = "# Made from the types in crates/contracts; a test says when it is stale and how to renew it.\n";
    let yaml = serde_saphyr::to_string(&sorted(asyncapi::document())).unwrap();
    documents.insert("asyncapi.yaml".into(), format!("{head}{}\n", yaml.trim_end()));
    documents
}

/// The schemas in a folder, by file name; `None` when there is no such folder.
fn committed(folder: &Path) -> Option<BTreeMap<String, Value>> {
    let mut schemas = BTreeMap::new();
    for entry in std::fs::read_dir(folder).ok()? {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let schema = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            schemas.insert(path.file_name().unwrap().to_string_lossy().into_owned(), schema);
        }
    }
    Some(schemas)
}

/// One test, so that renewing and comparing cannot meet.
#[test]
fn the_committed_documents_are_those_of_the_code_and_no_consumer_breaks() {
    let (docs, documents) = (docs(), documents());
    let broken = broken_consumers(&docs);
    match update().as_deref() {
        None => {
            assert!(
                broken.is_empty(),
                "{}\n{}",
                broken.join("\n"),
                "Publish a new version of the type beside the old one instead."
            );
            for (path, text) in &documents {
                let there = std::fs::read_to_string(docs.join(path)).unwrap_or_default();
                assert!(
                    there.replace("\r\n", "\n") == *text,
                    "docs/{} is stale; {RENEW}",
                    path.display()
                );
            }
            for name in committed(&docs.join("schemas")).unwrap_or_default().keys() {
                assert!(
                    documents.contains_key(&Path::new("schemas").join(name)),
                    "docs/schemas/{name} is of no event type; {RENEW}"
                );
            }
        }
        Some(mode) => {
            let released = docs.join("schemas/released");
            assert!(broken.is_empty() || !released.exists(), "{}", broken.join("\n"));
            std::fs::create_dir_all(docs.join("schemas")).unwrap();
            for name in committed(&docs.join("schemas")).unwrap_or_default().keys() {
                std::fs::remove_file(docs.join("schemas").join(name)).unwrap();
            }
            for (path, text) in &documents {
                std::fs::write(docs.join(path), text).unwrap();
                if mode == "release" && path.starts_with("schemas") {
                    std::fs::create_dir_all(&released).unwrap();
                    std::fs::write(released.join(path.file_name().unwrap()), text).unwrap();
                }
            }
        }
    }
}

/// What breaks against the previous release, and whom. `PREVIOUS_RELEASE` names the folder of that release's source; else
/// its schemas are those that were put aside when it was made.
fn broken_consumers(docs: &Path) -> Vec<String> {
    let before = match previous_release() {
        Some(docs) => committed(&docs.join("schemas")).expect("the previous release has schemas"),
        None => committed(&docs.join("schemas/released"))
            .or_else(|| committed(&docs.join("schemas")))
            .unwrap_or_default(),
    };
    let now: BTreeMap<String, EventKind> = catalogue().into_iter().map(|kind| (file_name(&kind), kind)).collect();
    let mut broken = Vec::new();
    for (name, old) in &before {
        let reasons = match now.get(name) {
            Some(kind) => compatibility::breaks(old, &kind.document()),
            None => removed(&before, name),
        };
        let event_type = name.trim_end_matches(".json");
        let consumers = consumers::of(event_type).join(", ");
        let whom = if consumers.is_empty() {
            "consumers outside the hub".to_owned()
        } else {
            consumers
        };
        broken.extend(
            reasons
                .into_iter()
                .map(|reason| format!("{event_type}: {reason}; this breaks {whom}.")),
        );
    }
    broken
}

/// Why the removal of the type in the file `name` breaks somebody: nobody, when its successor was released `before`.
fn removed(before: &BTreeMap<String, Value>, name: &str) -> Vec<String> {
    let event = format!("{TYPE_PREFIX}{}", name.trim_end_matches(".json"));
    let Some(retired) = retired().into_iter().find(|retired| retired.event == event) else {
        return vec!["the type is removed".to_owned()];
    };
    let successor = retired.successor.trim_start_matches(TYPE_PREFIX);
    if before.contains_key(&format!("{successor}.json")) {
        return Vec::new();
    }
    vec![format!(
        "the type is retired, but the previous release does not publish {successor}: release that first"
    )]
}

/// The documents of the previous release, when its source is there.
fn previous_release() -> Option<PathBuf> {
    let folder = std::env::var_os("PREVIOUS_RELEASE").filter(|folder| !folder.is_empty())?;
    Some(Path::new(&folder).join("docs"))
}

/// What a release wrote into the examples of its AsyncAPI document.
fn published(document: &Path) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(document).unwrap_or_else(|error| panic!("{}: {error}", document.display()));
    let document: Value = serde_saphyr::from_str(&text).unwrap();
    let messages = document["components"]["messages"].as_object().unwrap();
    let example = |message: &Value| {
        let name = message["name"].as_str().unwrap().to_owned();
        (name, message["examples"][0]["payload"].clone())
    };
    messages.values().map(example).collect()
}

/// Run from the new release with `PREVIOUS_RELEASE`, from the previous one with `NEXT_RELEASE`: each reads the other's events.
#[test]
fn events_of_the_neighbouring_release_are_read() {
    let neighbour = previous_release().or_else(|| {
        let folder = std::env::var_os("NEXT_RELEASE").filter(|folder| !folder.is_empty())?;
        Some(Path::new(&folder).join("docs"))
    });
    // Without a neighbour: this release itself.
    let theirs = published(&neighbour.unwrap_or_else(docs).join("asyncapi.yaml"));
    let (mut read, retired) = (0, retired());
    for (name, value) in &theirs {
        match catalogue().iter().find(|kind| kind.type_name == name) {
            Some(kind) => {
                let reread =
                    (kind.reread)(value).unwrap_or_else(|error| panic!("{name} of the other release: {error}"));
                assert_eq!(reread[kind.key_field], value[kind.key_field], "{name}: the key");
                read += 1;
            }
            // What the newer one added, or took away after its successor was there.
            None => assert!(
                previous_release().is_none() || retired.iter().any(|retired| retired.event == *name),
                "{name} is gone"
            ),
        }
    }
    assert!(read > 0, "no event type in common");
}

#[test]
fn every_event_survives_the_way_to_its_consumer_and_unknown_fields_are_passed_over() {
    let examples = examples::all();
    for kind in catalogue() {
        let example = examples.iter().find(|example| example.type_name == kind.type_name);
        let example = example.unwrap_or_else(|| {
            panic!(
                "{} has no example: add one to tests/docs/examples.rs",
                kind.short_name()
            )
        });
        assert_eq!(
            (kind.reread)(&example.value).unwrap(),
            example.value,
            "{}",
            kind.short_name()
        );
        assert_eq!(
            example.value[kind.key_field].as_str(),
            Some(example.key.as_str()),
            "{}: the key",
            kind.short_name()
        );

        let mut newer = example.value.clone();
        add_everywhere(&mut newer);
        assert_ne!(newer, example.value);
        assert_eq!(
            (kind.reread)(&newer).unwrap(),
            example.value,
            "{}: unknown fields",
            kind.short_name()
        );
    }
}

/// A newer publisher says more, at every level.
fn add_everywhere(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            entries.values_mut().for_each(add_everywhere);
            entries.insert("of_a_newer_release".to_owned(), serde_json::json!({ "deep": [1] }));
        }
        Value::Array(items) => items.iter_mut().for_each(add_everywhere),
        _ => {}
    }
}

#[test]
fn the_name_of_every_type_says_who_it_is_about_what_happened_and_its_version() {
    let mut names: Vec<&str> = catalogue().iter().map(|kind| kind.type_name).collect();
    for name in &names {
        let parts: Vec<&str> = name.split('.').collect();
        let version = parts
            .last()
            .and_then(|part| part.strip_prefix('v'))
            .and_then(|part| part.parse::<u32>().ok());
        assert!(
            parts.len() == 5 && name.starts_with("com.cloudtaskhub.") && version.is_some(),
            "{name}"
        );
    }
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "two events of one type");
}
