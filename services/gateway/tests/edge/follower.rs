//! A client of the live stream.

use futures_util::StreamExt;
use serde_json::Value;

use crate::support::{Edge, SOON, User};

/// A client that follows the stream.
pub(crate) struct Follower {
    body: futures_util::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: String,
    /// The last id that came.
    pub(crate) last: Option<i64>,
}

/// An event of the stream.
#[derive(Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) event: String,
    pub(crate) data: Value,
}

impl Follower {
    /// Opens the stream, after the event of that id if one is given, and reads its head: from here on nothing is missed.
    pub(crate) async fn new(edge: &Edge, user: &User, after: Option<i64>) -> Self {
        let mut request = edge
            .request(reqwest::Method::GET, "/v1/stream")
            .bearer_auth(&user.token);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut follower = Self::of(response);
        follower.block().await.unwrap();
        follower
    }

    /// A stream that was opened in another way, from its first byte on.
    pub(crate) fn of(response: reqwest::Response) -> Self {
        Self {
            body: response.bytes_stream().boxed(),
            text: String::new(),
            last: None,
        }
    }

    /// The next block of lines; `None` at the end.
    pub(crate) async fn block(&mut self) -> Option<Vec<(String, String)>> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let lines = block.lines().filter_map(|line| line.split_once(':'));
                let fields: Vec<_> = lines
                    .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                    .collect();
                self.text = rest.to_owned();
                let id = fields
                    .iter()
                    .find(|(name, _)| name == "id")
                    .and_then(|(_, id)| id.parse().ok());
                self.last = id.or(self.last);
                return Some(fields);
            }
            let chunk = tokio::time::timeout(SOON, self.body.next())
                .await
                .expect("something within the time")?
                .unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        loop {
            let block = self.block().await?;
            let field = |wanted: &str| {
                block
                    .iter()
                    .find(|(name, _)| name == wanted)
                    .map(|(_, value)| value.clone())
            };
            if let (Some(event), Some(data)) = (field("event"), field("data")) {
                return Some(Said {
                    event,
                    data: serde_json::from_str(&data).unwrap(),
                });
            }
        }
    }

    /// The names of the next `count` events.
    pub(crate) async fn names(&mut self, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(self.next().await.expect("an event").event);
        }
        names
    }
}
