//! A mail server that does what a test tells it, speaking SMTP (RFC 5321).

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What the server says to the recipient, or to the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 250
    Take,
    /// 450
    Later,
    /// 550
    Never,
    /// Takes the mail and never says so.
    TakeAndHang,
}

/// A mail that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) content: String,
}

#[derive(Default)]
struct Shared {
    verdicts: Mutex<VecDeque<Verdict>>,
    received: Mutex<Vec<Received>>,
    count: watch::Sender<usize>,
}

/// Ends when it is dropped.
pub(crate) struct Server {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        #[expect(clippy::disallowed_methods, reason = "ends with the server")]
        let task = tokio::spawn(async move {
            let mut conversations = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                conversations.spawn(talk(stream, Arc::clone(&ours)));
            }
        });
        Self { port, shared, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// The verdicts on the next mails; then it takes all.
    pub(crate) fn answers(&self, verdicts: impl IntoIterator<Item = Verdict>) {
        self.shared.verdicts.lock().unwrap().extend(verdicts);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Until it has taken so many mails.
    pub(crate) async fn took(&self, mails: usize) {
        self.shared
            .count
            .subscribe()
            .wait_for(|count| *count >= mails)
            .await
            .unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One conversation; a client that goes away ends it.
async fn talk(stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let (mut from, mut to) = (String::new(), String::new());
    write.write_all(b"220 test ESMTP\r\n").await?;
    let mut verdict = Verdict::Take;
    while let Some(line) = lines.next_line().await? {
        let address = |line: &str| line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let answer = match line
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_uppercase()
            .as_str()
        {
            "EHLO" => "250-test\r\n250 8BITMIME",
            "MAIL" => {
                from = address(&line);
                verdict = shared.verdicts.lock().unwrap().pop_front().unwrap_or(Verdict::Take);
                "250 OK"
            }
            "RCPT" => {
                to = address(&line);
                match verdict {
                    Verdict::Later => "450 mailbox busy",
                    Verdict::Never => "550 no such mailbox",
                    Verdict::Take | Verdict::TakeAndHang => "250 OK",
                }
            }
            "DATA" => {
                write.write_all(b"354 go ahead\r\n").await?;
                let mut content = String::new();
                while let Some(line) = lines.next_line().await? {
                    if line == "." {
                        break;
                    }
                    content.push_str(line.strip_prefix('.').unwrap_or(&line));
                    content.push('\n');
                }
                shared.received.lock().unwrap().push(Received {
                    from: from.clone(),
                    to: to.clone(),
                    content,
                });
                shared.count.send_modify(|count| *count += 1);
                if verdict == Verdict::TakeAndHang {
                    std::future::pending::<()>().await;
                }
                "250 taken"
            }
            "QUIT" => {
                write.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "250 OK",
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}
