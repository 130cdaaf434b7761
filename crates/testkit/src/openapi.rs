//! What every service's OpenAPI document has to be.

use std::collections::HashSet;

use identity::{Access, access};
use serde_json::Value;

/// One operation of a document.
#[derive(Debug, Clone)]
pub struct Operation<'a> {
    /// `GET`
    pub method: String,
    /// `/v1/tasks/{id}`
    pub path: &'a str,
    /// What the document says about it.
    pub described: &'a Value,
}

impl Operation<'_> {
    /// An example of the JSON body it takes; `None` when it takes none or shows none.
    pub fn example(&self, document: &Value) -> Option<Value> {
        let content = &self.described["requestBody"]["content"]["application/json"];
        if let Some(example) = content.get("example") {
            return Some(example.clone());
        }
        example_of(document, &content["schema"])
    }

    /// Whether it takes a JSON body.
    pub fn takes_json(&self) -> bool {
        !self.described["requestBody"]["content"]["application/json"].is_null()
    }
}

fn example_of(document: &Value, schema: &Value) -> Option<Value> {
    let schema = resolve(document, schema)?;
    if let Some(example) = schema.get("example") {
        return Some(example.clone());
    }
    schema["allOf"]
        .as_array()?
        .iter()
        .find_map(|part| example_of(document, part))
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.strip_prefix('#')?),
        None => Some(schema),
    }
}

/// All operations of `document`.
pub fn operations(document: &Value) -> Vec<Operation<'_>> {
    let methods = ["get", "put", "post", "delete", "patch", "head", "options", "trace"];
    let paths = document["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, item)| {
        let operations = item
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(method, _)| methods.contains(&method.as_str()));
        operations.map(move |(method, described)| Operation {
            method: method.to_uppercase(),
            path,
            described,
        })
    });
    operations.collect()
}

/// Checks `document`: each operation is in the access table and guarded accordingly, has an id of its own, a summary, a
/// tag, an example of its body and problems among its answers; every reference leads somewhere.
///
/// # Panics
/// With everything that is wrong.
#[track_caller]
pub fn check(document: &Value) {
    let wrong = complaints(document);
    assert!(wrong.is_empty(), "the OpenAPI document:\n{}", wrong.join("\n"));
}

/// Holds `document` against the committed `docs/openapi/SERVICE.json`, which the gateway's routes and clients are made from.
///
/// # Panics
/// When it is stale; says how to renew it.
#[track_caller]
pub fn check_committed(service: &str, document: &Value) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/openapi")
        .join(format!("{service}.json"));
    if std::env::var("UPDATE_OPENAPI").is_ok_and(|value| !value.is_empty()) {
        let text = serde_json::to_string_pretty(&sorted(document)).expect("a JSON text");
        std::fs::write(&path, text + "\n").unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
    }
    let committed = std::fs::read(&path)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let renew = format!("renew it with: UPDATE_OPENAPI=1 cargo test -p {service} openapi");
    assert!(
        committed.as_ref() == Some(document),
        "docs/openapi/{service}.json is stale; {renew}"
    );
}

/// Keys in one order, whichever features of serde_json the build has.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: std::collections::BTreeMap<&String, Value> =
                fields.iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(fields.into_iter().map(|(key, value)| (key.clone(), value)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

fn complaints(document: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    if !document["openapi"]
        .as_str()
        .is_some_and(|version| version.starts_with("3."))
    {
        wrong.push("openapi: is no version 3 document".to_owned());
    }
    for field in ["title", "version", "description"] {
        if document["info"][field].as_str().is_none_or(str::is_empty) {
            wrong.push(format!("info.{field}: is missing"));
        }
    }
    references(document, document, &mut wrong);
    let all = operations(document);
    if all.is_empty() {
        wrong.push("paths: there are no operations".to_owned());
    }
    let mut ids = HashSet::new();
    for operation in &all {
        let name = format!("{} {}", operation.method, operation.path);
        let described = operation.described;
        match described["operationId"].as_str() {
            Some(id) if ids.insert(id) => {}
            Some(id) => wrong.push(format!("{name}: operation_id {id} is used twice")),
            None => wrong.push(format!("{name}: has no operation_id")),
        }
        if described["summary"].as_str().is_none_or(str::is_empty) {
            wrong.push(format!("{name}: has no summary; write a doc comment"));
        }
        if described["tags"].as_array().is_none_or(Vec::is_empty) {
            wrong.push(format!("{name}: has no tag"));
        }
        let guarded = described["security"]
            .as_array()
            .is_some_and(|schemes| !schemes.is_empty());
        match access::of(&operation.method, operation.path) {
            None => wrong.push(format!(
                "{name}: is not in identity::access::OPERATIONS, so nobody may call it"
            )),
            Some(Access::Public) if guarded => {
                wrong.push(format!("{name}: is public in identity::access but asks for a token"))
            }
            Some(Access::Public) => {}
            Some(access) if !guarded => wrong.push(format!(
                "{name}: asks for no token, but identity::access says {access:?}"
            )),
            Some(_) => {}
        }
        parameters(operation, &name, &mut wrong);
        if operation.takes_json() && operation.example(document).is_none() {
            wrong.push(format!(
                "{name}: its body has no example; derive Object with #[oai(example)]"
            ));
        }
        let fallible = guarded || !described["requestBody"].is_null() || !parameters_of(operation).is_empty();
        let answers = &described["responses"];
        for range in ["4XX", "5XX"] {
            let problem = &answers[range]["content"]["application/problem+json"]["schema"];
            if fallible && problem.is_null() {
                wrong.push(format!("{name}: does not answer a Problem for {range}"));
            }
        }
        if !answers
            .as_object()
            .is_some_and(|answers| answers.keys().any(|status| status.starts_with('2')))
        {
            wrong.push(format!("{name}: has no successful answer"));
        }
    }
    wrong
}

fn parameters_of<'a>(operation: &Operation<'a>) -> Vec<&'a Value> {
    operation.described["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .collect()
}

fn parameters(operation: &Operation<'_>, name: &str, wrong: &mut Vec<String>) {
    let parameters = parameters_of(operation);
    let in_path: HashSet<&str> = operation
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .collect();
    let described: HashSet<&str> = parameters
        .iter()
        .filter(|p| p["in"] == "path")
        .filter_map(|p| p["name"].as_str())
        .collect();
    if in_path != described {
        wrong.push(format!(
            "{name}: the path has the parameters {in_path:?}, described are {described:?}"
        ));
    }
    for parameter in parameters {
        if parameter["schema"].is_null() {
            wrong.push(format!("{name}: the parameter {} has no schema", parameter["name"]));
        }
    }
}

fn references(document: &Value, part: &Value, wrong: &mut Vec<String>) {
    match part {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                let target = reference
                    .strip_prefix('#')
                    .and_then(|pointer| document.pointer(pointer));
                if target.is_none() {
                    wrong.push(format!("{reference}: leads nowhere"));
                }
            }
            fields.values().for_each(|field| references(document, field, wrong));
        }
        Value::Array(items) => items.iter().for_each(|item| references(document, item, wrong)),
        _ => {}
    }
}
