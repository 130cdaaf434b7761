//! The OpenAPI document of a service, and the page that shows it.

use std::{
    collections::HashMap,
    marker::PhantomData,
    sync::{Arc, LazyLock, OnceLock},
};

use bytes::Bytes;
use poem::{
    Body, Response,
    endpoint::BoxEndpoint,
    http::{HeaderValue, Method, header},
};
use poem_openapi::{
    LicenseObject, OpenApi, OpenApiService,
    registry::{MetaApi, MetaPath, Registry},
};

/// `T` as the document sees it; it has no operations behind it, so describing needs no database.
struct Described<T>(PhantomData<fn() -> T>);

impl<T: OpenApi> OpenApi for Described<T> {
    /// Operations of one path may stand in several `impl`s; in the document a path has to be there once.
    fn meta() -> Vec<MetaApi> {
        let mut paths: Vec<MetaPath> = Vec::new();
        for path in T::meta().into_iter().flat_map(|api| api.paths) {
            match paths.iter_mut().find(|known| known.path == path.path) {
                Some(known) => known.operations.extend(path.operations),
                None => paths.push(path),
            }
        }
        vec![MetaApi { paths }]
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn add_routes(self, _: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {}
}

/// The document of the operations `T`, under `title`.
pub fn document<T: OpenApi>(title: &str) -> serde_json::Value {
    let service = OpenApiService::new(Described::<T>(PhantomData), title, env!("CARGO_PKG_VERSION"))
        .description(DESCRIPTION)
        .license(LicenseObject::new("Apache-2.0").url("https://www.apache.org/licenses/LICENSE-2.0"))
        .server(poem_openapi::ServerObject::new("/").description("this host"));
    // poem-openapi writes it with serde_json, so it can be read back.
    serde_json::from_str(&service.spec()).unwrap_or_default()
}

const DESCRIPTION: &str = "\
Ids are opaque texts like `tsk_01h455vb4pex5vsknk084sn02q`; times are RFC 3339 in UTC.

Every error is `application/problem+json` (RFC 9457): `type` names the kind and is stable, `errors` points at each wrong \
value, and `trace_id` is what to tell us when you ask for help.

Lists answer `{items, next_cursor}`; pass `next_cursor` as `cursor` to read on. What can be changed carries an `ETag`; send \
it as `If-Match` with the change. A POST with an `Idempotency-Key` can be sent again without being done twice.";

/// The page with everything that it needs, around the place of the document. One copy for all services of a process.
static PAGE: LazyLock<(Bytes, Bytes)> = LazyLock::new(|| {
    let empty = OpenApiService::new((), "", "");
    let page = empty.swagger_ui_html();
    match page.split_once(&empty.spec()) {
        Some((before, after)) => (Bytes::from(before.to_owned()), Bytes::from(after.to_owned())),
        // Cannot happen: the page is made from that very text.
        None => (Bytes::from(page), Bytes::new()),
    }
});

/// The page runs its own inline script and talks to its own host, nothing else.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; font-src data:; connect-src 'self'; frame-ancestors 'none'",
);

/// A document, ready to be sent.
#[derive(Clone)]
pub struct Served {
    json: Bytes,
    /// The same for inside a `<script>`.
    script: Arc<OnceLock<Bytes>>,
}

impl Served {
    /// Prepares `document`.
    pub fn new(document: &serde_json::Value) -> Self {
        Self {
            json: Bytes::from(document.to_string()),
            script: Arc::default(),
        }
    }

    /// `/openapi.json`
    pub fn json(&self) -> Response {
        Response::builder()
            .content_type("application/json")
            .body(self.json.clone())
    }

    /// `/docs`: Swagger UI with all its assets inline, so that it works offline.
    pub fn page(&self) -> Response {
        let script = self.script.get_or_init(|| {
            // "</script>" in a description would end the script; in JSON `<` can be written as an escape.
            Bytes::from(String::from_utf8_lossy(&self.json).replace('<', "\\u003c"))
        });
        let (before, after) = &*PAGE;
        let parts = [before.clone(), script.clone(), after.clone()].map(Ok::<_, std::io::Error>);
        Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)
            .body(Body::from_bytes_stream(futures_util::stream::iter(parts)))
    }
}
