//! A mail server that answers each recipient as a test tells it (RFC 5321).

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

#[derive(Default)]
struct Shared {
    answers: Mutex<VecDeque<&'static str>>,
    taken: Mutex<Vec<String>>,
}

/// Ends when it is dropped.
pub(crate) struct MailServer {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl MailServer {
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

    pub(crate) fn setting(&self) -> String {
        format!("mail_url = \"smtp://127.0.0.1:{}\"", self.port)
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

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
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
