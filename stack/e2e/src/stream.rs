//! A client that follows what happens, and comes back where it left off when its stream ends.

use std::{collections::BTreeSet, time::Duration};

use reqwest::Response;
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use crate::{hub::Hub, proof::tally, report::Tally, team::Person};

/// How long what was accepted may take to be told.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stream of somebody's.
pub(crate) struct Stream<'a> {
    hub: &'a Hub,
    person: &'a Person,
    answer: Option<Response>,
    /// What came and is no whole event yet.
    rest: Vec<u8>,
    /// The number of the last event: where to go on.
    last: Option<String>,
    tasks: Vec<String>,
    opened: usize,
}

/// What a stream told.
pub(crate) struct Told {
    /// Notifications of the tasks that were accepted.
    pub(crate) tally: Tally,
    /// How often it had to be opened again.
    pub(crate) resumed: usize,
}

impl<'a> Stream<'a> {
    /// Opens it.
    pub(crate) async fn open(hub: &'a Hub, person: &'a Person) -> anyhow::Result<Self> {
        let answer = hub.stream(&person.token, None).await?;
        Ok(Self {
            hub,
            person,
            answer: Some(answer),
            rest: Vec::new(),
            last: None,
            tasks: Vec::new(),
            opened: 1,
        })
    }

    /// Whether it knows where it is.
    pub(crate) fn has_begun(&self) -> bool {
        self.last.is_some()
    }

    /// Takes what comes, for so long; comes back when the stream ended.
    pub(crate) async fn listen(&mut self, length: Duration) {
        let end = Instant::now() + length;
        while Instant::now() < end {
            let Some(answer) = &mut self.answer else {
                let opened = timeout_at(end, self.hub.stream(&self.person.token, self.last.as_deref())).await;
                match opened {
                    Ok(Ok(answer)) => {
                        self.opened += 1;
                        self.rest.clear();
                        self.answer = Some(answer);
                    }
                    _ => tokio::time::sleep(Duration::from_millis(100)).await,
                }
                continue;
            };
            match timeout_at(end, answer.chunk()).await {
                Err(_) => return,
                Ok(Ok(Some(chunk))) => {
                    self.rest.extend_from_slice(&chunk);
                    self.take();
                }
                Ok(Ok(None) | Err(_)) => self.answer = None,
            }
        }
    }

    fn take(&mut self) {
        while let Some(end) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = self.rest.drain(..end + 2).collect();
            let event = String::from_utf8_lossy(&event);
            let field = |name: &str| {
                let line = event.lines().find_map(|line| line.strip_prefix(name));
                line.map(|value| value.trim().to_owned())
            };
            if let Some(id) = field("id:") {
                self.last = Some(id);
            }
            let data: Value = field("data:")
                .and_then(|data| serde_json::from_str(&data).ok())
                .unwrap_or_default();
            if data["data"]["kind"] == "task_assigned"
                && let Some(task) = data["data"]["task_id"].as_str()
            {
                self.tasks.push(task.to_owned());
            }
        }
    }

    fn has_told(&self, wanted: &BTreeSet<&str>) -> bool {
        let told: BTreeSet<&str> = self.tasks.iter().map(String::as_str).collect();
        wanted.is_subset(&told)
    }

    /// Listens until all `wanted` were told, for a while at most, and counts.
    pub(crate) async fn end(mut self, wanted: &[String]) -> Told {
        let wanted: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
        let all = async {
            while !self.has_told(&wanted) {
                self.listen(Duration::from_secs(1)).await;
            }
        };
        // Whatever is missing then is counted as missing.
        let _ = timeout(PATIENCE, all).await;
        // What comes twice comes late.
        self.listen(Duration::from_secs(1)).await;
        let told = self.tasks.iter().map(String::as_str);
        Told {
            // Earlier tasks are no concern here.
            tally: tally(&wanted, told.filter(|task| wanted.contains(task))),
            resumed: self.opened - 1,
        }
    }
}
