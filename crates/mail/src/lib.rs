//! Where mails go: a mail server, or a folder.
//!
//! [`Route`] is the address of either, [`Transport`] sends [`Letter`]s there, one at a time. What came of it is one of three:
//! taken, [not now](SendError::Later), [never](SendError::Final). Nothing is repeated here: whoever sends keeps the state of the
//! delivery, and gives every attempt the same [`Letter::id`], by which a receiver knows a double.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Body, Mailbox, MultiPart, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
};
use secrecy::{ExposeSecret, SecretString};

/// How long a mail server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long it may take for all of them.
const WHOLE_PATIENCE: Duration = Duration::from_secs(60);
/// Characters of an error's text: a server may answer a novel.
const LONGEST_ERROR: usize = 500;

/// How mails are sent.
#[derive(Debug, Clone)]
pub enum Route {
    /// To a server; the URL may hold a password.
    Smtp(SecretString),
    /// Into a folder, a file each.
    Folder(PathBuf),
}

/// The text is no address that mails can be sent by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoute {
    /// Neither of the two schemes.
    #[error("must say how mails are sent: smtp(s)://user:password@host:port, or file:///absolute/folder")]
    Scheme,
    /// Not the address of a server. The text is not repeated: it may hold a password.
    #[error("must be like smtps://user:password@mail.example.com:465, or smtp://…:587?tls=required for STARTTLS")]
    Server,
    /// Anybody on the way could read the password. The text is not repeated.
    #[error("would send the password unencrypted: add ?tls=required for STARTTLS, or say smtps://")]
    Unencrypted,
}

impl std::str::FromStr for Route {
    type Err = InvalidRoute;

    /// `smtps://` is TLS from the start, `smtp://…?tls=required` STARTTLS or nothing, `smtp://` alone without encryption, and
    /// so without a password.
    fn from_str(url: &str) -> Result<Self, InvalidRoute> {
        if url.starts_with("smtp://") || url.starts_with("smtps://") {
            if AsyncSmtpTransport::<Tokio1Executor>::from_url(url).is_err() {
                return Err(InvalidRoute::Server);
            }
            if exposes_password(url) {
                return Err(InvalidRoute::Unencrypted);
            }
            return Ok(Route::Smtp(url.into()));
        }
        match url.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => Ok(Route::Folder(PathBuf::from(path))),
            _ => Err(InvalidRoute::Scheme),
        }
    }
}

/// Whether a mail server of this address would be logged in to without encryption, or with one that whoever sits in between
/// can take away (`tls=opportunistic`).
fn exposes_password(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("smtp://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    let tls = query.split('&').find(|pair| pair.starts_with("tls="));
    authority.contains('@') && tls != Some("tls=required")
}

/// Whether `text` can be the sender of mails: `CloudTaskHub <no-reply@example.com>`.
pub fn is_sender(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
}

/// Whether mails can be addressed to `text`.
pub fn is_address(text: &str) -> bool {
    text.parse::<lettre::Address>().is_ok()
}

/// A mail.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The part before `@` of its `Message-ID`, and the name of its file: letters, digits, `_` and `-` only.
    pub id: String,
    /// Address of the receiver.
    pub to: String,
    /// Their name.
    pub to_name: String,
    /// One line.
    pub subject: String,
    /// Plain text; may hold a secret.
    pub text: SecretString,
    /// The same in HTML.
    pub html: Option<SecretString>,
    /// Further headers, in ASCII.
    pub headers: Vec<(&'static str, String)>,
}

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It would be refused again: the server said 5xx of it, or the mail cannot be written.
    #[error("refused for good: {0}")]
    Final(String),
    /// The same, and because of the receiver: there is no such mailbox, or it takes nothing.
    #[error("refused for good: {0}")]
    Mailbox(String),
    /// It may be taken later: the server said 4xx, refused our own login, or could not be reached.
    #[error("not now: {0}")]
    Later(String),
}

/// Sends mails.
pub struct Transport {
    way: Way,
    from: Mailbox,
    domain: String,
}

enum Way {
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
    Folder(PathBuf),
}

/// A transport cannot be made of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTransport {
    /// The address of the mail server.
    #[error("the address of mails {0}")]
    Route(#[from] InvalidRoute),
    /// The sender.
    #[error("the sender of mails must be like: CloudTaskHub <no-reply@example.com>")]
    Sender,
}

impl Transport {
    /// By `route`, in the name of `from`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(route: &Route, from: &str) -> Result<Self, InvalidTransport> {
        let from: Mailbox = from.parse().map_err(|_| InvalidTransport::Sender)?;
        let domain = from.email.domain().to_owned();
        let way = match route {
            Route::Smtp(url) => {
                // The error could show the URL, which may hold a password.
                let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret())
                    .map_err(|_| InvalidRoute::Server)?;
                Way::Smtp(Box::new(builder.timeout(Some(PATIENCE)).build()))
            }
            Route::Folder(path) => Way::Folder(path.clone()),
        };
        Ok(Self { way, from, domain })
    }

    /// Sends one mail. It takes a minute at most.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let message = self.message(letter).map_err(SendError::Final)?;
        match &self.way {
            Way::Smtp(server) => match tokio::time::timeout(WHOLE_PATIENCE, server.send(message)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(refusal(&error)),
                Err(_) => Err(SendError::Later(format!(
                    "the mail server took longer than {} s",
                    WHOLE_PATIENCE.as_secs()
                ))),
            },
            Way::Folder(folder) => {
                let done = store(folder, &format!("{}.eml", letter.id), message.formatted()).await;
                done.map_err(|error| SendError::Later(format!("{}: {error}", folder.display())))
            }
        }
    }

    fn message(&self, letter: &Letter) -> Result<Message, String> {
        let address = letter
            .to
            .parse()
            .map_err(|error: lettre::address::AddressError| error.to_string())?;
        let mut builder = Message::builder()
            .message_id(Some(format!("<{}@{}>", letter.id, self.domain)))
            .from(self.from.clone())
            .to(Mailbox::new(Some(one_line(&letter.to_name)), address))
            .subject(one_line(&letter.subject));
        for (name, value) in &letter.headers {
            let name = HeaderName::new_from_ascii((*name).to_owned()).map_err(|error| error.to_string())?;
            builder = builder.raw_header(HeaderValue::new(name, value.clone()));
        }
        let text = readable(letter.text.expose_secret());
        let message = match &letter.html {
            None => builder.header(ContentType::TEXT_PLAIN).body(text),
            Some(html) => {
                let plain = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(text);
                let html = SinglePart::html(html.expose_secret().to_owned());
                builder.multipart(MultiPart::alternative().singlepart(plain).singlepart(html))
            }
        };
        message.map_err(|error| error.to_string())
    }
}

/// Without what could end a header's line; lettre panics at a name that has it.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

/// RFC 5321, 4.2.3 and RFC 4954, 6.
fn refusal(error: &lettre::transport::smtp::Error) -> SendError {
    let text = told(error);
    match error.status().map(u16::from) {
        // Our own login: the operator's to mend, and no fault of the mail.
        Some(530..=539) => SendError::Later(text),
        Some(550 | 551 | 553 | 556) => SendError::Mailbox(text),
        _ if error.is_permanent() => SendError::Final(text),
        _ => SendError::Later(text),
    }
}

/// Plain ASCII goes as it is: quoted-printable would break the link in two for whoever reads the raw mail.
fn readable(text: &str) -> Body {
    // RFC 5322, 2.1.1.
    let plain = text.is_ascii() && text.lines().all(|line| line.len() <= 998);
    if plain {
        return Body::dangerous_pre_encoded(
            text.replace('\n', "\r\n").into_bytes(),
            ContentTransferEncoding::SevenBit,
        );
    }
    Body::new(text.to_owned())
}

/// Writes a file whole or not at all; a repeated attempt replaces it.
async fn store(folder: &Path, name: &str, content: Vec<u8>) -> std::io::Result<()> {
    tokio::fs::create_dir_all(folder).await?;
    let (path, part) = (folder.join(name), folder.join(format!(".{name}.part")));
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(&part).await?;
    tokio::io::AsyncWriteExt::write_all(&mut file, &content).await?;
    file.sync_all().await?;
    tokio::fs::rename(part, path).await
}

/// An error, which says its cause by itself, in one line of bounded length.
fn told(error: &lettre::transport::smtp::Error) -> String {
    error
        .to_string()
        .chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST_ERROR)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            id: "eml_1".to_owned(),
            to: "ada@example.com".to_owned(),
            to_name: "Ada \u{1f600}\r\nBcc: eve@example.com".to_owned(),
            subject: "Zahlung fällig\r\nBcc: eve@example.com".to_owned(),
            text: "read me".to_owned().into(),
            html: Some("<p>read me</p>".to_owned().into()),
            headers: vec![("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned())],
        }
    }

    #[tokio::test]
    async fn a_folder_gets_a_whole_mail_in_text_and_html_that_nothing_in_a_name_or_subject_can_break() {
        let folder = tempfile::tempdir().unwrap();
        let route = Route::Folder(folder.path().join("mail"));
        let transport = Transport::new(&route, "Hub <no-reply@example.org>").unwrap();
        transport.send(&letter()).await.unwrap();
        transport.send(&letter()).await.unwrap();
        let files: Vec<_> = std::fs::read_dir(folder.path().join("mail")).unwrap().collect();
        assert_eq!(files.len(), 1, "a repeated mail replaces itself");
        let mail = std::fs::read_to_string(folder.path().join("mail/eml_1.eml")).unwrap();
        for part in [
            "Message-ID: <eml_1@example.org>",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
            "multipart/alternative",
            "\r\nread me",
            "<p>read me</p>",
        ] {
            assert!(mail.contains(part), "{part} is missing: {mail}");
        }
        assert!(!mail.contains("\r\nBcc:"), "{mail}");
    }

    #[test]
    fn an_address_that_mails_cannot_go_to_is_explained_without_repeating_it() {
        for (url, wrong) in [
            ("nowhere", InvalidRoute::Scheme),
            ("file://relative", InvalidRoute::Scheme),
            ("smtp://ada:hunter2@:x", InvalidRoute::Server), // pragma: allowlist secret
            ("smtp://ada:hunter2@mail.example.com", InvalidRoute::Unencrypted), // pragma: allowlist secret
            (
                "smtp://ada:hunter2@mail.example.com?tls=opportunistic", // pragma: allowlist secret
                InvalidRoute::Unencrypted,
            ),
        ] {
            let error = url.parse::<Route>().unwrap_err();
            assert_eq!(error, wrong, "{url}");
            assert!(!error.to_string().contains("hunter2"));
        }
        for url in [
            "smtps://ada:hunter2@mail.example.com",                 // pragma: allowlist secret
            "smtp://ada:hunter2@mail.example.com:587?tls=required", // pragma: allowlist secret
            "smtp://mail.example.com:587?tls=required",
            "smtp://localhost",
        ] {
            assert!(url.parse::<Route>().is_ok(), "{url}");
        }
    }
}
