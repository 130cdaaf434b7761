//! Who calls the service under test.

use std::{pin::Pin, sync::Arc};

use contracts::id::UserId;
use poem::{
    Body, Request, Response,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header},
};
use serde_json::Value;

use crate::service::App;

/// Somebody who calls the service.
#[derive(Clone)]
pub struct Actor {
    /// Who it is.
    pub id: UserId,
    /// The access token that is shown, if any.
    pub token: Option<String>,
    app: Arc<App>,
}

impl Actor {
    pub(crate) fn new(app: Arc<App>, id: UserId, token: Option<String>) -> Self {
        Self { id, token, app }
    }

    /// `GET path`
    pub fn get(&self, path: impl AsRef<str>) -> Call {
        self.request("GET", path)
    }

    /// `DELETE path`
    pub fn delete(&self, path: impl AsRef<str>) -> Call {
        self.request("DELETE", path)
    }

    /// `POST path` with a JSON body.
    pub fn post(&self, path: impl AsRef<str>, body: Value) -> Call {
        self.request("POST", path).json(&body)
    }

    /// `PUT path` with a JSON body.
    pub fn put(&self, path: impl AsRef<str>, body: Value) -> Call {
        self.request("PUT", path).json(&body)
    }

    /// `PATCH path` with a JSON body.
    pub fn patch(&self, path: impl AsRef<str>, body: Value) -> Call {
        self.request("PATCH", path).json(&body)
    }

    /// Any request; await it to send it.
    ///
    /// # Panics
    /// When the method or path cannot be written in HTTP.
    pub fn request(&self, method: &str, path: impl AsRef<str>) -> Call {
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            headers.insert(header::AUTHORIZATION, value(&format!("Bearer {token}")));
        }
        Call {
            app: Arc::clone(&self.app),
            method: method.parse().expect("a method"),
            uri: path
                .as_ref()
                .parse()
                .unwrap_or_else(|_| panic!("not a path: {}", path.as_ref())),
            headers,
            body: Vec::new(),
            chunked: false,
            raw: false,
        }
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| panic!("not a header's value: {text:?}"))
}

/// A request that is being written. Await it for its [`Answer`].
#[must_use = "a request is sent when it is awaited"]
pub struct Call {
    app: Arc<App>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Vec<u8>,
    chunked: bool,
    raw: bool,
}

impl Call {
    /// Sets a header.
    ///
    /// # Panics
    /// When it cannot be written in HTTP.
    pub fn header(mut self, name: &str, text: &str) -> Self {
        self.headers
            .insert(HeaderName::try_from(name).expect("a header's name"), value(text));
        self
    }

    /// Sets a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Sets a form as the body.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let encoded: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", percent(name), percent(value)))
            .collect();
        self.header("content-type", "application/x-www-form-urlencoded")
            .body(encoded.join("&"))
    }

    /// Sets the bytes of the body; its type by [`Call::header`].
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into();
        self
    }

    /// Sets the bytes of the body, sent in pieces without telling their number.
    pub fn chunked(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            chunked: true,
            ..self.body(bytes)
        }
    }

    /// Takes the answer's bytes as they are: compressed, or broken JSON.
    pub fn raw(self) -> Self {
        Self { raw: true, ..self }
    }

    /// Sends it; the answer as it comes, for streams.
    pub async fn stream(self) -> Response {
        let mut request = Request::builder().method(self.method).uri(self.uri).finish();
        *request.headers_mut() = self.headers;
        if self.chunked {
            let pieces: Vec<_> = self
                .body
                .chunks(16)
                .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
                .collect();
            request.set_body(Body::from_bytes_stream(futures_util::stream::iter(pieces)));
        } else if !self.body.is_empty() {
            // As every client does that knows the size.
            request
                .headers_mut()
                .insert(header::CONTENT_LENGTH, HeaderValue::from(self.body.len()));
            request.set_body(Body::from(self.body));
        }
        self.app.call(request).await
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Panics
    /// When the answer breaks off.
    pub async fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.uri);
        let raw = self.raw;
        let mut response = self.stream().await;
        let bytes = response.take_body().into_bytes().await.expect("the answer's body");
        let is_json = !raw && response.content_type().is_some_and(|kind| kind.contains("json"));
        let json = match serde_json::from_slice(&bytes) {
            Ok(json) if is_json => json,
            Err(error) if is_json && !bytes.is_empty() => panic!("{what} answered JSON that is none: {error}"),
            _ => Value::Null,
        };
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            bytes: bytes.into(),
            json,
            what,
        }
    }
}

fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

impl IntoFuture for Call {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// What the service answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub bytes: Vec<u8>,
    /// The body as JSON; null when it is none.
    pub json: Value,
    what: String,
}

impl Answer {
    /// The answer, if it has this status.
    ///
    /// # Panics
    /// When it has another; shows the body.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(
            self.status,
            status,
            "{} answered {}: {}",
            self.what,
            self.status,
            self.text()
        );
        self
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The kind of the problem that it tells of: `task-not-found`.
    ///
    /// # Panics
    /// When it is no problem as RFC 9457 has it.
    #[track_caller]
    pub fn problem(&self) -> &str {
        let kind = self.json["type"]
            .as_str()
            .and_then(|kind| kind.strip_prefix("urn:cloudtaskhub:problem:"));
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}: {}",
            self.what,
            self.text()
        );
        assert_eq!(
            self.json["status"].as_u64(),
            Some(u64::from(self.status)),
            "{}: {}",
            self.what,
            self.text()
        );
        kind.unwrap_or_else(|| panic!("{} answered no problem: {}", self.what, self.text()))
    }

    /// The pointers of the wrong values that it names, in order.
    pub fn wrong(&self) -> Vec<&str> {
        self.json["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|error| error["pointer"].as_str())
            .collect()
    }
}
