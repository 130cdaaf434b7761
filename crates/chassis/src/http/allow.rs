//! Which methods a path has, read from the OpenAPI document: for `Allow` in answers to OPTIONS and 405.

use poem::http::HeaderValue;

/// The paths of one document.
pub(crate) struct Allow {
    paths: Vec<(String, HeaderValue)>,
}

impl Allow {
    pub(crate) fn new(document: &serde_json::Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        let paths = paths.filter_map(|(path, item)| Some((path.clone(), methods(item)?)));
        Self { paths: paths.collect() }
    }

    /// The methods of `path`; `None` when there is no such path.
    pub(crate) fn of(&self, path: &str) -> Option<HeaderValue> {
        let exact = self.paths.iter().find(|(template, _)| template == path);
        exact
            .or_else(|| self.paths.iter().find(|(template, _)| fits(template, path)))
            .map(|(_, methods)| methods.clone())
    }
}

fn methods(item: &serde_json::Value) -> Option<HeaderValue> {
    let mut methods: Vec<String> = item.as_object()?.keys().map(|method| method.to_uppercase()).collect();
    methods.retain(|method| ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str()));
    if methods.iter().any(|method| method == "GET") {
        methods.push("HEAD".to_owned());
    }
    methods.push("OPTIONS".to_owned());
    HeaderValue::from_str(&methods.join(", ")).ok()
}

/// Whether `path` is one that `template` describes.
pub(super) fn fits(template: &str, path: &str) -> bool {
    let (mut ours, mut theirs) = (template.split('/'), path.split('/'));
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return true,
            (Some(part), Some(given)) if part == given || (part.starts_with('{') && !given.is_empty()) => {}
            _ => return false,
        }
    }
}
