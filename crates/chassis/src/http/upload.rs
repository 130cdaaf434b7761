//! Which operations take uploads: files, larger than any other body and slower to arrive.
//!
//! Read from the OpenAPI document, as `Allow` is: an operation that takes `multipart/form-data` takes an upload, and has
//! the limit and the time of one, in whichever form the file comes. The gateway's document holds the operations of all
//! services, so a file that a service takes comes through there as well.

use poem::http::Method;

use super::allow::fits;

/// The operations of one document that take uploads.
pub(crate) struct Uploads {
    operations: Vec<(Method, String)>,
}

impl Uploads {
    pub(crate) fn new(document: &serde_json::Value) -> Self {
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (name, operation) in item.as_object().into_iter().flatten() {
                let takes = !operation["requestBody"]["content"]["multipart/form-data"].is_null();
                if takes && let Ok(method) = name.to_uppercase().parse() {
                    operations.push((method, path.clone()));
                }
            }
        }
        Self { operations }
    }

    /// Whether `method` on `path` is one of them.
    pub(crate) fn take(&self, method: &Method, path: &str) -> bool {
        self.operations
            .iter()
            .any(|(name, template)| name == method && fits(template, path))
    }
}
