//! A mail server that answers each recipient as a test tells it (RFC 5321).

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::server::Server;

#[derive(Default)]
struct Shared {
    answers: Mutex<VecDeque<&'static str>>,
    taken: Mutex<Vec<String>>,
}

/// Ends when it is dropped.
pub(crate) struct MailServer {
    server: Server,
    shared: Arc<Shared>,
}

impl MailServer {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        let server = Server::start(move |stream| talk(stream, Arc::clone(&ours))).await;
        Self { server, shared }
    }

    pub(crate) fn setting(&self) -> String {
        format!("mail_url = \"smtp://127.0.0.1:{}\"", self.server.port)
    }

    /// What it says to the next recipients; then it takes all.
    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = &'static str>) {
        self.shared.answers.lock().unwrap().extend(answers);
    }

    /// The mails that it took, as they came.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.shared.taken.lock().unwrap().clone()
    }
}

async fn talk(stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test ESMTP\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let answer = match line.get(..4).unwrap_or_default() {
            "RCPT" => shared.answers.lock().unwrap().pop_front().unwrap_or("250 OK"),
            "DATA" => {
                write.write_all(b"354 go ahead\r\n").await?;
                let mut mail = String::new();
                while let Some(line) = lines.next_line().await?
                    && line != "."
                {
                    mail.push_str(&line);
                    mail.push('\n');
                }
                shared.taken.lock().unwrap().push(mail);
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 OK",
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}
