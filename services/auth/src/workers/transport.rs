//! Where mails go: a mail server, or a folder.

use std::{path::PathBuf, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Body, Mailbox,
        header::{ContentTransferEncoding, ContentType},
    },
    transport::smtp::response::Category,
};
use secrecy::ExposeSecret;

use crate::{
    domain::{
        mail::{Letter, Mail},
        user::User,
    },
    settings::{AuthSettings, MailTransport},
};

/// How long a mail server may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It would be refused again: the server said 5xx of it, or the mail cannot be written.
    #[error("refused for good: {0}")]
    Final(String),
    /// It may be taken later.
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

impl Transport {
    /// As the settings say.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(settings: &AuthSettings) -> anyhow::Result<Self> {
        let from: Mailbox = settings.mail_from.parse()?;
        let domain = from.email.domain().to_owned();
        let way = match &settings.mail_transport {
            MailTransport::Smtp(url) => {
                // The error could show the URL, which may hold a password.
                let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret())
                    .map_err(|_| anyhow::anyhow!("auth.mail_url is not an address of a mail server"))?;
                Way::Smtp(Box::new(builder.timeout(Some(PATIENCE)).build()))
            }
            MailTransport::Folder(path) => Way::Folder(path.clone()),
        };
        Ok(Self { way, from, domain })
    }

    /// Sends one mail. Every attempt has the same `Message-ID`, by which a receiver knows a double.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, mail: &Mail, to: &User, letter: &Letter) -> Result<(), SendError> {
        let unwritable = |error: &dyn std::fmt::Display| SendError::Final(error.to_string());
        let address = to
            .email
            .as_str()
            .parse()
            .map_err(|error: lettre::address::AddressError| unwritable(&error))?;
        let message = Message::builder()
            .message_id(Some(format!("<{}@{}>", mail.id, self.domain)))
            .from(self.from.clone())
            .to(Mailbox::new(Some(to.display_name.clone()), address))
            .subject(&letter.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(readable(letter.text.expose_secret()))
            .map_err(|error| unwritable(&error))?;
        match &self.way {
            Way::Smtp(server) => match server.send(message).await {
                Ok(_) => Ok(()),
                Err(error) if error.is_permanent() && !is_about_login(&error) => Err(SendError::Final(chain(&error))),
                Err(error) => Err(SendError::Later(chain(&error))),
            },
            Way::Folder(folder) => {
                let done = store(folder, &format!("{}.eml", mail.id), message.formatted()).await;
                done.map_err(|error| SendError::Later(format!("{}: {error}", folder.display())))
            }
        }
    }
}

/// 53x is said of us, not of the mail (RFC 4954, section 6): it can go when the operator has mended the password.
fn is_about_login(error: &lettre::transport::smtp::Error) -> bool {
    error
        .status()
        .is_some_and(|code| code.category == Category::Unspecified3)
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
async fn store(folder: &std::path::Path, name: &str, content: Vec<u8>) -> std::io::Result<()> {
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

fn chain(error: &lettre::transport::smtp::Error) -> String {
    let text = messaging::worker::chain(error);
    // A server may answer a novel.
    text.chars().filter(|letter| !letter.is_control()).take(500).collect()
}
