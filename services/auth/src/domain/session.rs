//! Sessions: a sign-in on one client, kept alive by refresh tokens that are used once.
//!
//! All refresh tokens of a session are one family in one line: the session has a *generation*, each token belongs to one,
//! and only tokens of the current generation are good. Using one begins the next generation.
//!
//! A client that never got the answer sends its spent token again. Within the *grace* (10 s) it is answered once more, with a
//! fresh token **of the current generation**: the line does not fork, because whichever of its tokens is used first ends that
//! generation for all of them. The same holds for requests that race. After the grace a spent token means that two parties
//! hold it: the session ends, and both have to sign in (RFC 9700, 4.14.2).

use std::time::Duration;

use contracts::{
    Timestamp,
    auth::{SessionRevoked, SessionStarted},
    id::{SessionId, UserId},
};
use sea_orm::DbErr;

use super::{client::Client, password::HashError, secret::NoRandomness, throttle::Throttled, user::CallerError};

/// Answers to retries of one generation at most; nobody retries so often in good faith.
pub const RETRIES: i64 = 32;

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// Its user signed out.
    Logout,
    /// Its user ended it from another session.
    Revoked,
    /// A spent refresh token was used.
    RefreshReuse,
    /// The password was changed or reset.
    PasswordChanged,
    /// An admin shut the account.
    UserDisabled,
    /// Its user closed the account.
    AccountDeleted,
    /// It was not refreshed in time.
    Expired,
}

impl EndReason {
    /// The name in events.
    pub const fn name(self) -> &'static str {
        match self {
            EndReason::Logout => "logout",
            EndReason::Revoked => "revoked",
            EndReason::RefreshReuse => "refresh_reuse",
            EndReason::PasswordChanged => "password_changed",
            EndReason::UserDisabled => "user_disabled",
            EndReason::AccountDeleted => "account_deleted",
            EndReason::Expired => "expired",
        }
    }
}

/// How long sessions live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Without being refreshed.
    pub idle: Duration,
    /// In all.
    pub whole: Duration,
    /// How long a spent refresh token is answered again.
    pub grace: Duration,
}

/// A sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// What the client is called.
    pub client: String,
    /// The generation of refresh tokens that is good.
    pub generation: i64,
    /// When that generation began.
    pub rotated_at: Timestamp,
    /// How often a token of the generation before was answered again.
    pub retries: i64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ends unless it is refreshed.
    pub expires_at: Timestamp,
    /// When it ended before that.
    pub ended_at: Option<Timestamp>,
}

/// A refresh token as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refresh {
    /// The generation it belongs to.
    pub generation: i64,
    /// When it was used first.
    pub used_at: Option<Timestamp>,
}

/// What a presented refresh token means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// It is good: the next generation begins.
    Rotate,
    /// It was used a moment ago: answer again within the current generation.
    Retry,
    /// It was used before: end the session.
    Reused,
    /// Its session has ended.
    Ended,
    /// It is retried without end.
    TooOften,
}

impl Session {
    /// A user signs in.
    pub fn start(
        user: UserId,
        client: &Client,
        unseen: bool,
        life: &Lifetime,
        now: Timestamp,
    ) -> (Self, SessionStarted) {
        let session = Self {
            id: SessionId::new(),
            user,
            client: client.name.clone(),
            generation: 0,
            rotated_at: now,
            retries: 0,
            started_at: now,
            expires_at: now + life.idle.min(life.whole),
            ended_at: None,
        };
        let started = SessionStarted {
            session_id: session.id,
            user_id: user,
            client: client.name.clone(),
            unseen_client: unseen,
            started_at: now,
        };
        (session, started)
    }

    /// What it means that `token` is presented.
    pub fn present(&self, token: Refresh, life: &Lifetime, now: Timestamp) -> Presented {
        if self.ended_at.is_some() || now >= self.expires_at {
            return Presented::Ended;
        }
        if token.generation == self.generation {
            return Presented::Rotate;
        }
        let just_now = |at: Timestamp| now.since(at) <= life.grace;
        let passed = token.generation + 1 == self.generation && just_now(self.rotated_at);
        match passed || token.used_at.is_some_and(just_now) {
            true if self.retries >= RETRIES => Presented::TooOften,
            true => Presented::Retry,
            false => Presented::Reused,
        }
    }

    /// Begins the next generation.
    pub fn rotate(&mut self, life: &Lifetime, now: Timestamp) {
        self.generation += 1;
        self.rotated_at = now;
        self.retries = 0;
        self.expires_at = (now + life.idle).min(self.started_at + life.whole);
    }
}

/// The event of a session that ended.
pub fn ended(session_id: SessionId, user_id: UserId, reason: EndReason) -> SessionRevoked {
    SessionRevoked {
        session_id,
        user_id,
        reason: reason.name().to_owned(),
    }
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No such account, or another password: which of them is not told.
    #[error("the e-mail address or the password is wrong")]
    WrongCredentials,
    /// An admin has shut the account.
    #[error("this account has been disabled; ask an administrator of the hub")]
    Disabled,
    /// Too many failures.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// Unknown, expired, or its session has ended.
    #[error("the refresh token is not valid any more; sign in again")]
    InvalidRefresh,
    /// It was used before, by somebody.
    #[error("the refresh token was used before, so the session was ended; sign in again")]
    Reused,
    /// The same token is sent again and again.
    #[error("this refresh token was answered many times already; wait and use the newest one")]
    TooOften,
    /// There is no such session of this user.
    #[error("there is no such session")]
    NotFound,
    /// The caller's own session or account has ended.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// Password hashing failed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// No secret could be made.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// No access token could be signed.
    #[error(transparent)]
    Mint(#[from] crate::keyring::MintError),
    /// The database failed.
    #[error("storing the session")]
    Store(#[from] DbErr),
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Lifetime = Lifetime {
        idle: Duration::from_secs(1000),
        whole: Duration::from_secs(2500),
        grace: Duration::from_secs(10),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn session() -> Session {
        let client = Client {
            name: "curl".to_owned(),
            network: "192.0.2.1".to_owned(),
        };
        Session::start(UserId::new(), &client, false, &LIFE, at(0)).0
    }

    fn token(generation: i64, used_at: Option<i64>) -> Refresh {
        Refresh {
            generation,
            used_at: used_at.map(at),
        }
    }

    #[test]
    fn a_token_is_good_once_and_answered_again_within_the_grace() {
        let mut session = session();
        assert_eq!(session.present(token(0, None), &LIFE, at(5)), Presented::Rotate);
        session.rotate(&LIFE, at(5));
        assert_eq!(session.present(token(0, Some(5)), &LIFE, at(15)), Presented::Retry);
        assert_eq!(session.present(token(0, Some(5)), &LIFE, at(16)), Presented::Reused);
        assert_eq!(session.present(token(1, None), &LIFE, at(16)), Presented::Rotate);
    }

    #[test]
    fn the_family_is_one_line_tokens_handed_to_a_retry_end_with_their_generation() {
        let mut session = session();
        session.rotate(&LIFE, at(1));
        // Two tokens of generation 1 exist: the first answer and the retry's. One is used.
        session.rotate(&LIFE, at(100));
        assert_eq!(session.present(token(1, None), &LIFE, at(105)), Presented::Retry);
        assert_eq!(session.present(token(1, None), &LIFE, at(111)), Presented::Reused);
    }

    #[test]
    fn a_slow_retry_is_answered_although_the_line_went_on_meanwhile() {
        let mut session = session();
        session.rotate(&LIFE, at(1));
        session.rotate(&LIFE, at(3));
        assert_eq!(session.present(token(0, Some(1)), &LIFE, at(8)), Presented::Retry);
        assert_eq!(session.present(token(0, Some(1)), &LIFE, at(12)), Presented::Reused);
    }

    #[test]
    fn retries_end_somewhere() {
        let mut session = session();
        session.rotate(&LIFE, at(1));
        session.retries = RETRIES;
        assert_eq!(session.present(token(0, Some(1)), &LIFE, at(2)), Presented::TooOften);
    }

    #[test]
    fn a_session_ends_when_it_is_idle_and_at_the_latest_when_its_whole_time_is_over() {
        let mut session = session();
        assert_eq!(session.present(token(0, None), &LIFE, at(1000)), Presented::Ended);
        session.rotate(&LIFE, at(900));
        assert_eq!(session.expires_at, at(1900));
        session.rotate(&LIFE, at(1800));
        assert_eq!(session.expires_at, at(2500));
        session.ended_at = Some(at(1801));
        assert_eq!(session.present(token(2, None), &LIFE, at(1802)), Presented::Ended);
    }
}
