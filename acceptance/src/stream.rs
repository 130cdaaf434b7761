//! Reads server-sent events (WHATWG HTML, 9.2).

use serde_json::Value;

/// An open stream.
pub struct Stream {
    response: reqwest::Response,
    rest: String,
}

/// One event.
#[derive(Debug, Clone, Default)]
pub struct StreamEvent {
    /// `id:`
    pub id: Option<String>,
    /// `event:`
    pub name: Option<String>,
    /// `data:`, as JSON or null.
    pub data: Value,
}

impl Stream {
    pub(crate) fn new(response: reqwest::Response) -> Self {
        Self {
            response,
            rest: String::new(),
        }
    }

    /// The next event; `None` when the stream has ended. Comments are passed over.
    ///
    /// # Panics
    /// When none comes for [`crate::PATIENCE`].
    pub async fn next(&mut self) -> Option<StreamEvent> {
        loop {
            while let Some(end) = self.rest.find("\n\n") {
                let block: String = self.rest.drain(..end + 2).collect();
                if let Some(event) = parse(&block) {
                    return Some(event);
                }
            }
            let chunk = tokio::time::timeout(crate::PATIENCE, self.response.chunk())
                .await
                .expect("the stream goes on");
            match chunk {
                Ok(Some(bytes)) => self.rest.push_str(&String::from_utf8_lossy(&bytes)),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Reads on until an event that `wanted` accepts.
    ///
    /// # Panics
    /// When the stream ends before.
    pub async fn find(&mut self, what: &str, wanted: impl Fn(&StreamEvent) -> bool) -> StreamEvent {
        loop {
            match self.next().await {
                Some(event) if wanted(&event) => return event,
                Some(_) => {}
                None => panic!("the stream ended before {what}"),
            }
        }
    }

    /// Reads to the end.
    pub async fn rest(mut self) -> Vec<StreamEvent> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn parse(block: &str) -> Option<StreamEvent> {
    let mut event = StreamEvent::default();
    let mut data = String::new();
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => event.id = Some(value.to_owned()),
            "event" => event.name = Some(value.to_owned()),
            "data" => data.push_str(value),
            _ => {}
        }
    }
    if data.is_empty() {
        return None;
    }
    event.data = serde_json::from_str(&data).unwrap_or(Value::Null);
    Some(event)
}
