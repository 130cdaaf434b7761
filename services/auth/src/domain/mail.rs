//! Mails that auth sends: what is in them, and the states of their delivery.
//!
//! A mail is written when it is sent, not when it is asked for: its code exists from then on only, in the mail itself, and as
//! a digest in the database. So no body is ever stored, and asking for a mail is one insert whether or not there is an
//! account. `pending → sending → sent | failed | dropped`. A process that dies while sending leaves the mail in `sending`;
//! after its lease it is sent again, counted as *interrupted*, with the same `Message-ID`: at least once.

use std::time::Duration;

use contracts::{
    Timestamp,
    id::{MailId, UserId},
};
use sea_orm::DbErr;
use secrecy::{ExposeSecret, SecretString};

use super::{password::HashError, secret, user::CallerError};

/// What a mail is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To show that an address is the user's.
    Verify,
    /// To set a new password without knowing the old one.
    Reset,
}

impl Purpose {
    /// The name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Purpose::Verify => "verify",
            Purpose::Reset => "reset",
        }
    }

    /// What its codes begin with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Purpose::Verify => secret::VERIFY,
            Purpose::Reset => secret::RESET,
        }
    }

    const fn page(self) -> &'static str {
        match self {
            Purpose::Verify => "verify-email",
            Purpose::Reset => "reset-password",
        }
    }
}

impl std::str::FromStr for Purpose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Purpose::Verify, Purpose::Reset]
            .into_iter()
            .find(|purpose| purpose.name() == text)
            .ok_or_else(|| format!("unknown purpose of a mail: {text}"))
    }
}

/// How mails are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Attempts until it is given up.
    pub attempts: i64,
    /// The pause after the first failed attempt; doubles with each further one.
    pub first_retry: Duration,
    /// The longest pause.
    pub last_retry: Duration,
    /// How long an attempt may take before another replica takes over.
    pub lease: Duration,
    /// Mails for one purpose to one user in an hour at most.
    pub hourly: u64,
    /// How long a verification code is good.
    pub verify_life: Duration,
    /// How long a reset code is good.
    pub reset_life: Duration,
}

impl Delivery {
    /// How long a code for `purpose` is good.
    pub fn life(&self, purpose: Purpose) -> Duration {
        match purpose {
            Purpose::Verify => self.verify_life,
            Purpose::Reset => self.reset_life,
        }
    }

    /// When to try again after `attempts` that failed; `None`: it is given up.
    pub fn retry_at(&self, attempts: i64, now: Timestamp) -> Option<Timestamp> {
        if attempts >= self.attempts {
            return None;
        }
        let doublings = u32::try_from(attempts.max(1) - 1).unwrap_or(u32::MAX);
        let pause = self
            .first_retry
            .saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
        Some(now + pause.min(self.last_retry))
    }
}

/// A mail that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Which; also its `Message-ID`.
    pub id: MailId,
    /// What for.
    pub purpose: Purpose,
    /// To whom; for a reset, only the address is known until it is sent.
    pub user: Option<UserId>,
    /// The address it was asked for, without case.
    pub email_key: String,
    /// Attempts, with the present one.
    pub attempts: i64,
    /// Attempts whose outcome nobody knows, because the process died.
    pub interrupted: i64,
}

/// Subject and text of a mail.
pub struct Letter {
    /// One line.
    pub subject: String,
    /// Plain text; holds a secret.
    pub text: SecretString,
}

/// Writes a mail. The code is behind a `#` in the link: browsers keep that part to themselves, so it is in no server's log.
pub fn letter(purpose: Purpose, name: &str, code: &SecretString, public_url: &str, life: Duration) -> Letter {
    let link = format!(
        "{}/{}#{}",
        public_url.trim_end_matches('/'),
        purpose.page(),
        code.expose_secret()
    );
    let (hours, minutes) = (life.as_secs() / 3600, life.as_secs() / 60);
    let life = if hours >= 2 {
        format!("{hours} hours")
    } else {
        format!("{minutes} minutes")
    };
    let (subject, what, otherwise) = match purpose {
        Purpose::Verify => (
            "Confirm your e-mail address for CloudTaskHub",
            "to confirm that this address is yours, open",
            "If you did not open an account at CloudTaskHub, ignore this mail.",
        ),
        Purpose::Reset => (
            "Set a new password for CloudTaskHub",
            "somebody asked for a new password for your account. To set one, open",
            "If that was not you, ignore this mail: your password stays as it is.",
        ),
    };
    let text = format!(
        "Hello {name},\n\n{what}\n\n{link}\n\nThe link works for {life}, once. In a program, send the part after # as \"token\".\n\n{otherwise}\n"
    );
    Letter {
        subject: subject.to_owned(),
        text: text.into(),
    }
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// Unknown, used or expired: which of them is not told.
    #[error("this code is not valid any more; ask for a new mail")]
    Invalid,
    /// The new password is not acceptable.
    #[error("the request is not valid")]
    Unacceptable(Vec<chassis::FieldError>),
    /// The caller may not act any more.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// Password hashing failed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database failed.
    #[error("storing the mail or its code")]
    Store(#[from] DbErr),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_goes_to_the_public_address_and_keeps_its_code_from_servers() {
        let code = SecretString::from("cth_pr_x".to_owned());
        let letter = letter(
            Purpose::Reset,
            "Ada",
            &code,
            "https://auth.example/",
            Duration::from_secs(3600),
        );
        let text = letter.text.expose_secret();
        assert!(
            text.contains("\nhttps://auth.example/reset-password#cth_pr_x\n"),
            "{text}"
        );
        assert!(text.contains("60 minutes") && !letter.subject.contains("cth_"));
    }

    #[test]
    fn pauses_between_attempts_double_up_to_a_limit_and_end() {
        let seconds = Duration::from_secs;
        let delivery = Delivery {
            attempts: 5,
            first_retry: seconds(10),
            last_retry: seconds(30),
            lease: seconds(60),
            hourly: 5,
            verify_life: seconds(1),
            reset_life: seconds(1),
        };
        let pauses: Vec<Option<i64>> = (1..=5)
            .map(|attempts| {
                delivery
                    .retry_at(attempts, Timestamp::from_micros(0))
                    .map(Timestamp::as_seconds)
            })
            .collect();
        assert_eq!(pauses, [Some(10), Some(20), Some(30), Some(30), None]);
    }
}
