//! What ended: the one thing that every replica of the gateway must hear within a second.

use contracts::id::{SessionId, TokenId, UserId};
use serde::{Deserialize, Serialize};

/// What is void from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revocation {
    /// A sign-in.
    Session(SessionId),
    /// A personal access token.
    Token(TokenId),
    /// Everything of a user.
    User(UserId),
    /// What is remembered about a user, whose role or plan may have changed; nothing ended.
    Knowledge(UserId),
}

impl Revocation {
    /// What a stream that ends because of it says.
    pub const fn reason(self) -> &'static str {
        match self {
            Revocation::Session(_) => "session_revoked",
            Revocation::Token(_) => "token_revoked",
            Revocation::User(_) => "user_disabled",
            Revocation::Knowledge(_) => "changed",
        }
    }
}
