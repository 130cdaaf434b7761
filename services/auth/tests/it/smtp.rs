//! A mail server that does what a test tells it, speaking SMTP (RFC 5321), with TLS (RFC 8314, RFC 3207) and login (RFC 4954)
//! when it is asked to.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

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

/// When a conversation is encrypted.
#[derive(Clone)]
pub(crate) enum Security {
    /// Never.
    None,
    /// From its first byte.
    Implicit(TlsAcceptor),
    /// When the client says `STARTTLS`.
    StartTls(TlsAcceptor),
}

#[derive(Default)]
struct Shared {
    /// User and password that it asks for.
    login: Mutex<Option<(String, String)>>,
    /// Each attempt to log in, and whether it came over TLS.
    attempts: Mutex<Vec<(String, bool)>>,
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
        Self::with(Security::None).await
    }

    pub(crate) async fn with(security: Security) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        #[expect(clippy::disallowed_methods, reason = "ends with the server")]
        let task = tokio::spawn(async move {
            let mut conversations = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                conversations.spawn(talk(stream, security.clone(), Arc::clone(&ours)));
            }
        });
        Self { port, shared, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on it takes mails of this user alone.
    pub(crate) fn asks_for(&self, user: &str, password: &str) {
        *self.shared.login.lock().unwrap() = Some((user.to_owned(), password.to_owned()));
    }

    /// The users that tried to log in, and whether over TLS.
    pub(crate) fn attempts(&self) -> Vec<(String, bool)> {
        self.shared.attempts.lock().unwrap().clone()
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
async fn talk(stream: TcpStream, security: Security, shared: Arc<Shared>) -> std::io::Result<()> {
    let greeting = b"220 test ESMTP\r\n";
    match security {
        Security::None => {
            let mut stream = BufReader::new(stream);
            stream.write_all(greeting).await?;
            stream.flush().await?;
            converse(&mut stream, false, false, &shared).await.map(drop)
        }
        Security::Implicit(tls) => {
            let mut stream = BufReader::new(tls.accept(stream).await?);
            stream.write_all(greeting).await?;
            stream.flush().await?;
            converse(&mut stream, true, false, &shared).await.map(drop)
        }
        Security::StartTls(tls) => {
            let mut stream = BufReader::new(stream);
            stream.write_all(greeting).await?;
            stream.flush().await?;
            if converse(&mut stream, false, true, &shared).await? == Ended::StartTls {
                let mut stream = BufReader::new(tls.accept(stream.into_inner()).await?);
                converse(&mut stream, true, false, &shared).await?;
            }
            Ok(())
        }
    }
}

#[derive(PartialEq, Eq)]
enum Ended {
    Over,
    StartTls,
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    encrypted: bool,
    start_tls: bool,
    shared: &Shared,
) -> std::io::Result<Ended> {
    let (mut from, mut to) = (String::new(), String::new());
    let (mut verdict, mut known) = (Verdict::Take, false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(Ended::Over);
        }
        let line = line.trim_end();
        let address = |line: &str| line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let login = shared.login.lock().unwrap().clone();
        let answer = match line
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_uppercase()
            .as_str()
        {
            "EHLO" if start_tls => "250-test\r\n250-STARTTLS\r\n250 8BITMIME",
            "EHLO" if login.is_some() => "250-test\r\n250-AUTH PLAIN\r\n250 8BITMIME",
            "EHLO" => "250-test\r\n250 8BITMIME",
            "STARTTLS" if start_tls => {
                stream.write_all(b"220 go ahead\r\n").await?;
                stream.flush().await?;
                return Ok(Ended::StartTls);
            }
            "AUTH" => {
                let secret = STANDARD.decode(line.rsplit(' ').next().unwrap_or_default()).unwrap();
                let secret = String::from_utf8(secret).unwrap();
                let mut parts = secret.split('\0').skip(1).map(str::to_owned);
                let given = (parts.next().unwrap(), parts.next().unwrap());
                shared.attempts.lock().unwrap().push((given.0.clone(), encrypted));
                known = Some(given) == login;
                if known {
                    "235 2.7.0 welcome"
                } else {
                    "535 5.7.8 user or password is wrong"
                }
            }
            "MAIL" if login.is_some() && !known => "530 5.7.0 log in first",
            "MAIL" => {
                from = address(line);
                verdict = shared.verdicts.lock().unwrap().pop_front().unwrap_or(Verdict::Take);
                "250 OK"
            }
            "RCPT" => {
                to = address(line);
                match verdict {
                    Verdict::Later => "450 mailbox busy",
                    Verdict::Never => "550 no such mailbox",
                    Verdict::Take | Verdict::TakeAndHang => "250 OK",
                }
            }
            "DATA" => {
                stream.write_all(b"354 go ahead\r\n").await?;
                stream.flush().await?;
                let mut content = String::new();
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
                        break;
                    }
                    let line = line.trim_end_matches(['\r', '\n']);
                    content.push_str(line.strip_prefix('.').unwrap_or(line));
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
                stream.write_all(b"221 bye\r\n").await?;
                stream.flush().await?;
                return Ok(Ended::Over);
            }
            _ => "250 OK",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        stream.flush().await?;
    }
}
