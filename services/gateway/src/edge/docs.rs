//! One OpenAPI document for the whole API.
//!
//! Paths of all services side by side, operations for services alone left out. Schemas that several services share under one
//! name are there once; where two services mean different things by one name, the later one's gets the service's name in
//! front, and its references follow. What the overview answers is described by the operations that it gathers.

use identity::{Access, access};
use serde_json::{Map, Value};

use crate::domain::route::FRONTED;

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// Merges the `services`' documents into the gateway's `own`.
pub fn merge(own: Value, services: &[(&'static str, Value)]) -> Value {
    let mut merged = own;
    for (service, document) in services {
        let mut document = document.clone();
        drop_private(&mut document);
        separate(&mut document, service, &merged);
        front(&mut document, service, &mut merged);
        if let Value::Object(groups) = document["components"].take() {
            for (group, entries) in groups {
                object(&mut object(&mut merged["components"])[&group]).extend(entries_of(entries));
            }
        }
        object(&mut merged["paths"]).extend(entries_of(document["paths"].take()));
        merge_tags(&mut merged["tags"], document["tags"].take());
    }
    drop_unused_security(&mut merged);
    describe_home(&mut merged);
    merged
}

/// The object that `value` is made, when it is none.
fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(entries) => entries,
        _ => unreachable!("it was just made one"),
    }
}

fn entries_of(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(entries) => entries,
        _ => Map::new(),
    }
}

/// Removes what is for services alone.
fn drop_private(document: &mut Value) {
    let Value::Object(paths) = &mut document["paths"] else {
        return;
    };
    for (path, item) in paths.iter_mut() {
        let Value::Object(item) = item else { continue };
        item.retain(|method, _| access::of(&method.to_uppercase(), path) != Some(Access::Service));
    }
    paths.retain(|_, item| METHODS.iter().any(|method| item.get(method).is_some()));
}

/// Takes the paths out that the gateway answers in front of the service; its answers are the service's, or its own.
fn front(document: &mut Value, service: &str, merged: &mut Value) {
    for (_, path) in FRONTED.iter().filter(|(of, _)| *of == service) {
        let Some(item) = document["paths"].as_object_mut().and_then(|paths| paths.remove(*path)) else {
            continue;
        };
        for method in METHODS {
            // Pointers, since an index would make what is not there.
            let content = "/responses/200/content/application~1json/schema";
            let theirs = item.get(method).and_then(|operation| operation.pointer(content));
            let ours = format!("/paths/{}/{method}{content}", path.replace('/', "~1"));
            let ours = merged.pointer_mut(&ours);
            if let (Some(theirs), Some(ours)) = (theirs, ours) {
                *ours = serde_json::json!({"anyOf": [theirs, ours.take()]});
            }
        }
    }
}

/// Renames schemas that mean something else in `merged`.
fn separate(document: &mut Value, service: &str, merged: &Value) {
    let known = &merged["components"]["schemas"];
    let schemas = document["components"]["schemas"].as_object();
    let clashes = |(name, schema): (&String, &Value)| {
        known
            .get(name)
            .is_some_and(|other| other != schema)
            .then(|| name.clone())
    };
    let clashing: Vec<String> = schemas.into_iter().flatten().filter_map(clashes).collect();
    let mut initial = service.chars();
    let prefix: String = initial
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(initial)
        .collect();
    for name in clashing {
        let renamed = format!("{prefix}{name}");
        rename(
            document,
            &format!("#/components/schemas/{name}"),
            &format!("#/components/schemas/{renamed}"),
        );
        if let Value::Object(schemas) = &mut document["components"]["schemas"]
            && let Some(schema) = schemas.remove(&name)
        {
            schemas.insert(renamed, schema);
        }
    }
}

/// Lets every reference to `old` point at `new`; discriminators' mappings are references too.
fn rename(value: &mut Value, old: &str, new: &str) {
    match value {
        Value::Object(entries) => entries.values_mut().for_each(|value| rename(value, old, new)),
        Value::Array(items) => items.iter_mut().for_each(|value| rename(value, old, new)),
        Value::String(text) if text == old => new.clone_into(text),
        _ => {}
    }
}

fn merge_tags(merged: &mut Value, tags: Value) {
    let Value::Array(tags) = tags else { return };
    if !merged.is_array() {
        *merged = Value::Array(Vec::new());
    }
    if let Value::Array(known) = merged {
        for tag in tags {
            if !known.iter().any(|other| other["name"] == tag["name"]) {
                known.push(tag);
            }
        }
    }
}

/// A scheme that no operation names was that of an operation for services.
fn drop_unused_security(merged: &mut Value) {
    let mut used = Vec::new();
    for item in merged["paths"].as_object().into_iter().flat_map(Map::values) {
        for operation in METHODS.iter().filter_map(|method| item.get(method)) {
            let requirements = operation["security"].as_array().into_iter().flatten();
            used.extend(
                requirements
                    .filter_map(Value::as_object)
                    .flat_map(|all| all.keys().cloned()),
            );
        }
    }
    if let Value::Object(schemes) = &mut merged["components"]["securitySchemes"] {
        schemes.retain(|name, _| used.contains(name));
    }
}

/// Each part of the overview, the operation it comes from, and where in that one's answer.
const PARTS: [(&str, &str, &str); 3] = [
    ("me", "/v1/me", ""),
    ("projects", "/v1/projects", "items"),
    ("tasks_due", "/v1/me/tasks", "items"),
];

/// The parts of the overview are other services' answers: refer to their schemas.
fn describe_home(merged: &mut Value) {
    for (part, path, inside) in PARTS {
        let answer = &merged["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        let found = match inside {
            "" => Some(answer.clone()),
            inside => resolve(merged, answer).map(|schema| schema["properties"][inside].clone()),
        };
        let Some(schema) = found.filter(Value::is_object) else {
            continue;
        };
        let properties = &mut merged["components"]["schemas"]["Home"]["properties"];
        if let Some(Value::Object(property)) = properties.get_mut(part) {
            // A reference cannot carry anything beside it in OpenAPI 3.0.
            property.insert("allOf".to_owned(), Value::Array(vec![schema]));
            property.insert("nullable".to_owned(), Value::Bool(true));
        }
    }
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.strip_prefix('#')?),
        None => Some(schema),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reference(name: &str) -> Value {
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    fn answering(schema: &Value) -> Value {
        json!({"responses": {"200": {"content": {"application/json": {"schema": schema}}}}, "security": [{"bearer": []}]})
    }

    #[test]
    fn what_two_services_call_the_same_is_there_once_if_it_is_the_same_and_twice_if_not() {
        let problem = json!({"type": "object", "properties": {"title": {"type": "string"}}});
        let own = json!({
            "paths": {}, "tags": [{"name": "Live"}],
            "components": {"schemas": {"Problem": problem.clone(), "Page": {"type": "object"}}, "securitySchemes": {"bearer": {}, "service": {}}},
        });
        let project = json!({
            "paths": {"/v1/projects": {"get": answering(&reference("Page")), "post": answering(&reference("Problem"))}},
            "tags": [{"name": "Live"}, {"name": "Projects"}],
            "components": {"schemas": {"Problem": problem.clone(), "Page": {"type": "array"}}},
        });
        let merged = merge(own, &[("project", project)]);
        let schemas = merged["components"]["schemas"].as_object().unwrap();
        assert_eq!(schemas.keys().collect::<Vec<_>>(), ["Page", "Problem", "ProjectPage"]);
        let path = &merged["paths"]["/v1/projects"];
        assert_eq!(
            path["get"]["responses"]["200"]["content"]["application/json"]["schema"],
            reference("ProjectPage")
        );
        assert_eq!(
            path["post"]["responses"]["200"]["content"]["application/json"]["schema"],
            reference("Problem")
        );
        assert_eq!(merged["tags"], json!([{"name": "Live"}, {"name": "Projects"}]));
        assert_eq!(
            merged["components"]["securitySchemes"],
            json!({"bearer": {}}),
            "nobody needs the other"
        );
    }

    #[test]
    fn an_operation_for_services_is_not_shown() {
        let auth = json!({"paths": {"/v1/auth/introspect": {"post": {}}, "/v1/auth/login": {"post": {}}}});
        let merged = merge(json!({}), &[("auth", auth)]);
        assert_eq!(
            merged["paths"].as_object().unwrap().keys().collect::<Vec<_>>(),
            ["/v1/auth/login"]
        );
    }

    #[test]
    fn what_the_gateway_fronts_is_described_by_both_answers() {
        let own = json!({"paths": {"/v1/orders/{id}": {"get": answering(&reference("AcceptedOrder"))}}});
        let billing = json!({"paths": {"/v1/orders/{id}": {"get": answering(&reference("Order"))}, "/v1/plans": {"get": answering(&reference("Plan"))}}});
        let merged = merge(own, &[("billing", billing)]);
        let schema =
            &merged["paths"]["/v1/orders/{id}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        assert_eq!(
            schema,
            &json!({"anyOf": [reference("Order"), reference("AcceptedOrder")]})
        );
        assert!(merged["paths"]["/v1/plans"].is_object());
    }

    #[test]
    fn the_overview_is_described_by_what_it_gathers() {
        let own = json!({"paths": {}, "components": {"schemas": {"Home": {"properties": {"me": {}, "projects": {}, "tasks_due": {}}}}}});
        let services = json!({
            "paths": {"/v1/me": {"get": answering(&reference("Me"))}, "/v1/projects": {"get": answering(&reference("ProjectPage"))}},
            "components": {"schemas": {"Me": {}, "ProjectPage": {"properties": {"items": {"type": "array", "items": reference("Project")}}}}},
        });
        let merged = merge(own, &[("all", services)]);
        let home = &merged["components"]["schemas"]["Home"]["properties"];
        assert_eq!(home["me"], json!({"allOf": [reference("Me")], "nullable": true}));
        assert_eq!(home["projects"]["allOf"][0]["items"], reference("Project"));
        assert_eq!(home["tasks_due"], json!({}), "what is not documented stays open");
    }
}
