//! Which changes of an event's schema break somebody.
//!
//! Consumers of the previous release read what this one publishes, and this one reads what the previous one published (the
//! outbox publishes it again after a broker was lost). So a property may neither go, nor change its type, nor be left out
//! where it was always there, nor be demanded where it was not. New optional properties are fine: readers pass over them.

use serde_json::Value;

/// Why `new` cannot take the place of `old`, one phrase each; empty when it can.
pub(crate) fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (field, what) in [("x-topic", "topic"), ("x-key", "key")] {
        if old[field] != new[field] {
            found.push(format!("its {what} changed from {} to {}", old[field], new[field]));
        }
    }
    compare("", (old, old), (new, new), &mut found);
    found
}

/// What is compared as it is; everything else that says something about the type is taken apart below.
const PLAIN: [&str; 5] = ["type", "format", "pattern", "enum", "const"];

fn compare(path: &str, (old_root, old): (&Value, &Value), (new_root, new): (&Value, &Value), found: &mut Vec<String>) {
    let (old, new) = (resolve(old_root, old), resolve(new_root, new));
    let name = if path.is_empty() { "the value" } else { path };
    for word in PLAIN {
        if old[word] != new[word] {
            found.push(format!(
                "{name} is retyped: {word} changed from {} to {}",
                old[word], new[word]
            ));
        }
    }
    let required = |schema: &Value, property: &str| {
        schema["required"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == property))
    };
    let empty = serde_json::Map::new();
    let (had, has) = (
        old["properties"].as_object().unwrap_or(&empty),
        new["properties"].as_object().unwrap_or(&empty),
    );
    for (property, before) in had {
        let path = format!("{path}.{property}");
        let Some(now) = has.get(property) else {
            found.push(format!("{path} is removed or renamed"));
            continue;
        };
        compare(&path, (old_root, before), (new_root, now), found);
        match (required(old, property), required(new, property)) {
            (true, false) => found.push(format!("{path} may be absent now")),
            (false, true) => found.push(format!("{path} is required now")),
            _ => {}
        }
    }
    for property in has
        .keys()
        .filter(|property| !had.contains_key(*property) && required(new, property))
    {
        found.push(format!(
            "{path}.{property} is new and required, but events published before lack it"
        ));
    }
    if let (Some(before), Some(now)) = (old.get("items"), new.get("items")) {
        compare(&format!("{path}[]"), (old_root, before), (new_root, now), found);
    }
    for word in ["anyOf", "oneOf"] {
        let (before, now) = (old[word].as_array(), new[word].as_array());
        match (before, now) {
            (Some(before), Some(now)) if before.len() == now.len() => {
                for (before, now) in before.iter().zip(now) {
                    compare(path, (old_root, before), (new_root, now), found);
                }
            }
            (None, None) => {}
            _ => found.push(format!("{name} is retyped: its alternatives changed")),
        }
    }
}

/// Follows a reference inside the schema; looks through an `allOf` around one schema, which only carries a description.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(target) = schema["$ref"].as_str().and_then(|target| target.strip_prefix('#')) {
        return resolve(root, root.pointer(target).unwrap_or(&Value::Null));
    }
    match schema["allOf"].as_array().map(Vec::as_slice) {
        Some([only]) => resolve(root, only),
        _ => schema,
    }
}

mod tests {
    use serde_json::json;

    use super::*;

    fn before() -> Value {
        json!({
            "x-topic": "project.events", "x-key": "task_id", "type": "object", "required": ["task_id", "task"],
            "properties": {
                "task_id": { "type": "string" },
                "task": { "description": "It.", "allOf": [{ "$ref": "#/definitions/Task" }] },
                "note": { "type": ["string", "null"] },
                "owner": { "anyOf": [{ "$ref": "#/definitions/Id" }, { "type": "null" }] },
            },
            "definitions": {
                "Id": { "type": "string" },
                "Task": { "type": "object", "required": ["labels"], "properties": { "labels": { "type": "array", "items": { "type": "string" } } } },
            },
        })
    }

    fn after(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut new = before();
        change(&mut new);
        breaks(&before(), &new)
    }

    #[test]
    fn a_new_optional_property_or_another_description_breaks_nobody() {
        assert!(after(|new| new["properties"]["more"] = json!({ "type": "string" })).is_empty());
        assert!(after(|new| new["properties"]["note"]["description"] = json!("Said.")).is_empty());
        assert!(after(|new| new["properties"]["task"] = json!({ "$ref": "#/definitions/Task" })).is_empty());
    }

    #[test]
    fn every_change_that_breaks_a_consumer_is_found_and_named() {
        let gone = |new: &mut Value| drop(new["properties"].as_object_mut().unwrap().remove("note"));
        let renamed = |new: &mut Value| {
            let note = new["properties"].as_object_mut().unwrap().remove("note").unwrap();
            new["properties"]["remark"] = note;
        };
        assert_eq!(after(gone), [".note is removed or renamed"]);
        assert_eq!(after(renamed), [".note is removed or renamed"]);
        assert_eq!(
            after(|new| new["x-topic"] = json!("task.events")),
            ["its topic changed from \"project.events\" to \"task.events\""]
        );
        assert_eq!(
            after(|new| new["x-key"] = json!("project_id")),
            ["its key changed from \"task_id\" to \"project_id\""]
        );
        assert_eq!(
            after(|new| new["required"] = json!(["task_id"])),
            [".task may be absent now"]
        );
        assert_eq!(
            after(|new| new["required"] = json!(["task_id", "task", "note"])),
            [".note is required now"]
        );
        let demanded = |new: &mut Value| {
            new["properties"]["more"] = json!({ "type": "string" });
            new["required"] = json!(["task_id", "task", "more"]);
        };
        assert_eq!(
            after(demanded),
            [".more is new and required, but events published before lack it"]
        );
        let deep =
            |new: &mut Value| new["definitions"]["Task"]["properties"]["labels"]["items"]["type"] = json!("integer");
        assert_eq!(
            after(deep),
            [".task.labels[] is retyped: type changed from \"string\" to \"integer\""]
        );
        let null = |new: &mut Value| new["properties"]["note"]["type"] = json!("string");
        assert_eq!(
            after(null),
            [".note is retyped: type changed from [\"string\",\"null\"] to \"string\""]
        );
        let owner = |new: &mut Value| new["properties"]["owner"] = json!({ "$ref": "#/definitions/Id" });
        assert!(after(owner).contains(&".owner is retyped: its alternatives changed".to_owned()));
    }
}
