//! A target that does what a test tells it, speaking as much HTTP/1.1 as a webhook needs.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::watch,
};

use crate::server::Server;

/// What it does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Answers with this status line, header lines and body.
    Say(&'static str, &'static str),
    /// Takes it and never answers.
    Hang,
    /// Answers 200 and a body that has no end.
    Flood,
    /// Closes the connection.
    Close,
}

/// A request that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The type of the message in it.
    pub(crate) fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }
}

#[derive(Default)]
struct Shared {
    verdicts: Mutex<VecDeque<Verdict>>,
    otherwise: Mutex<Option<Verdict>>,
    received: Mutex<Vec<Received>>,
    count: watch::Sender<usize>,
}

/// Ends when it is dropped.
pub(crate) struct Target {
    server: Server,
    shared: Arc<Shared>,
}

impl Target {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        let server = Server::start(move |stream| talk(stream, Arc::clone(&ours))).await;
        Self { server, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks?team=7", self.server.port)
    }

    /// What it does with the next requests; then it answers 204.
    pub(crate) fn answers(&self, verdicts: impl IntoIterator<Item = Verdict>) {
        self.shared.verdicts.lock().unwrap().extend(verdicts);
    }

    /// What it does with every request that nothing else was said about.
    pub(crate) fn always(&self, verdict: Verdict) {
        *self.shared.otherwise.lock().unwrap() = Some(verdict);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Until it got so many requests.
    pub(crate) async fn got(&self, requests: usize) {
        let mut count = self.shared.count.subscribe();
        count.wait_for(|count| *count >= requests).await.unwrap();
    }
}

/// One connection; a client that goes away ends it.
async fn talk(stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = String::new();
        if read.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            read.read_line(&mut line).await?;
            match line.trim().split_once(':') {
                Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
                None => break,
            }
        }
        let mut request = Received {
            path,
            headers,
            body: String::new(),
        };
        let mut body = vec![0; request.header("content-length").parse().unwrap_or(0)];
        read.read_exact(&mut body).await?;
        request.body = String::from_utf8(body).unwrap();
        shared.received.lock().unwrap().push(request);
        let verdict = shared.verdicts.lock().unwrap().pop_front();
        let verdict = verdict.or_else(|| shared.otherwise.lock().unwrap().clone());
        shared.count.send_modify(|count| *count += 1);
        match verdict.unwrap_or(Verdict::Say("204 No Content", "")) {
            Verdict::Say(status, rest) => {
                let (headers, body) = rest.split_once("\n\n").unwrap_or((rest, ""));
                let headers: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
                let length = match status.starts_with("204") {
                    true => String::new(),
                    false => format!("content-length: {}\r\n", body.len()),
                };
                let answer = format!("HTTP/1.1 {status}\r\n{length}{headers}\r\n{body}");
                write.write_all(answer.as_bytes()).await?;
            }
            Verdict::Hang => std::future::pending::<()>().await,
            Verdict::Close => return Ok(()),
            Verdict::Flood => {
                // 1 GB is promised; how much is taken is up to the client.
                write
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n")
                    .await?;
                loop {
                    write.write_all(&[b'x'; 64 * 1024]).await?;
                }
            }
        }
    }
}
