//! What the OpenAPI document says of a request's operation.
//!
//! The methods that its path has, for `Allow`. What its parameters expect, for those who sent something else: a parser's own
//! words are for programmers, and name its types. And whether it takes uploads, files that are larger than any other body and
//! slower to arrive: an operation that takes `multipart/form-data` has the limit and the time of one, in whichever form the
//! file comes. The gateway's document holds the operations of all services, so a file comes through there as well.

use std::collections::BTreeMap;

use poem::http::{HeaderValue, Method};
use serde_json::Value;

/// The operations of one document.
pub(crate) struct Operations {
    paths: Vec<Path>,
}

struct Path {
    template: String,
    methods: HeaderValue,
    /// The methods that take uploads, in lower case.
    uploads: Vec<String>,
    /// By method, in lower case, and name: what a value must be.
    parameters: BTreeMap<(String, String), String>,
}

impl Operations {
    pub(crate) fn new(document: &Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        let paths = paths.filter_map(|(template, item)| {
            Some(Path {
                template: template.clone(),
                methods: methods(item)?,
                uploads: uploads(item),
                parameters: parameters(item),
            })
        });
        Self { paths: paths.collect() }
    }

    /// The methods of `path`; `None` when there is no such path.
    pub(crate) fn methods(&self, path: &str) -> Option<HeaderValue> {
        Some(self.find(path)?.methods.clone())
    }

    /// Whether `method` on `path` takes uploads.
    pub(crate) fn takes_upload(&self, method: &Method, path: &str) -> bool {
        let method = method.as_str().to_lowercase();
        self.find(path).is_some_and(|path| path.uploads.contains(&method))
    }

    /// What the parameter `name` must be: "must be a whole number".
    pub(crate) fn expected(&self, method: &Method, path: &str, name: &str) -> &str {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let key = (method.as_str().to_lowercase(), name.to_owned());
        let told = self.find(path).and_then(|path| path.parameters.get(&key));
        told.map_or("must be as /docs describes it", String::as_str)
    }

    fn find(&self, path: &str) -> Option<&Path> {
        let exact = self.paths.iter().find(|known| known.template == path);
        exact.or_else(|| self.paths.iter().find(|known| fits(&known.template, path)))
    }
}

fn methods(item: &Value) -> Option<HeaderValue> {
    let mut methods: Vec<String> = item.as_object()?.keys().map(|method| method.to_uppercase()).collect();
    methods.retain(|method| ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str()));
    if methods.iter().any(|method| method == "GET") {
        methods.push("HEAD".to_owned());
    }
    methods.push("OPTIONS".to_owned());
    HeaderValue::from_str(&methods.join(", ")).ok()
}

fn uploads(item: &Value) -> Vec<String> {
    let operations = item.as_object().into_iter().flatten();
    operations
        .filter(|(_, operation)| !operation["requestBody"]["content"]["multipart/form-data"].is_null())
        .map(|(method, _)| method.clone())
        .collect()
}

fn parameters(item: &Value) -> BTreeMap<(String, String), String> {
    let operations = item.as_object().into_iter().flatten();
    let of_operation = |(method, operation): (&String, &Value)| {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let method = method.clone();
        parameters.into_iter().filter_map(move |parameter| {
            Some((
                (method.clone(), parameter["name"].as_str()?.to_owned()),
                must(&parameter),
            ))
        })
    };
    operations.flat_map(of_operation).collect()
}

fn must(parameter: &Value) -> String {
    let schema = &parameter["schema"];
    let kind = match (schema["enum"].as_array(), schema["type"].as_str()) {
        (Some(values), _) => {
            let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            format!("one of {}", values.join(", "))
        }
        (None, Some("integer")) => whole_number(schema),
        (None, Some("number")) => "a number".to_owned(),
        (None, Some("boolean")) => "true or false".to_owned(),
        (None, _) => "a text".to_owned(),
    };
    match parameter["required"].as_bool() {
        Some(true) => format!("is required, and must be {kind}"),
        _ => format!("must be {kind}"),
    }
}

fn whole_number(schema: &Value) -> String {
    let (least, most) = match schema["format"].as_str() {
        Some("uint8") => (0, i128::from(u8::MAX)),
        Some("uint16") => (0, i128::from(u16::MAX)),
        Some("uint32") => (0, i128::from(u32::MAX)),
        Some("uint64") => (0, i128::from(u64::MAX)),
        Some("int8") => (i128::from(i8::MIN), i128::from(i8::MAX)),
        Some("int16") => (i128::from(i16::MIN), i128::from(i16::MAX)),
        Some("int32") => (i128::from(i32::MIN), i128::from(i32::MAX)),
        _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
    };
    format!("a whole number from {least} to {most}")
}

fn fits(template: &str, path: &str) -> bool {
    let (mut ours, mut theirs) = (template.split('/'), path.split('/'));
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return true,
            (Some(part), Some(given)) if part == given || (part.starts_with('{') && !given.is_empty()) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expected(schema: Value, required: bool) -> String {
        let parameter = json!({"name": "p", "in": "query", "required": required, "schema": schema});
        let document = json!({"paths": {"/v1/things/{id}": {"get": {"parameters": [parameter]}}}});
        Operations::new(&document)
            .expected(&Method::HEAD, "/v1/things/thi_1", "p")
            .to_owned()
    }

    #[test]
    fn what_a_parameter_must_be_is_told_in_words() {
        let cases = [
            (
                json!({"type": "integer", "format": "uint32"}),
                "a whole number from 0 to 4294967295",
            ),
            (
                json!({"type": "integer", "format": "int8"}),
                "a whole number from -128 to 127",
            ),
            (json!({"type": "number", "format": "double"}), "a number"),
            (json!({"type": "boolean"}), "true or false"),
            (json!({"type": "string", "enum": ["todo", "done"]}), "one of todo, done"),
            (json!({"type": "string"}), "a text"),
        ];
        for (schema, text) in cases {
            assert_eq!(expected(schema.clone(), false), format!("must be {text}"));
            assert_eq!(expected(schema, true), format!("is required, and must be {text}"));
        }
    }

    #[test]
    fn of_a_parameter_that_is_not_described_the_documentation_is_named() {
        let operations = Operations::new(&json!({"paths": {"/v1/things": {"get": {}}}}));
        for path in ["/v1/things", "/v1/nothing"] {
            assert!(operations.expected(&Method::GET, path, "p").contains("/docs"));
        }
    }
}
