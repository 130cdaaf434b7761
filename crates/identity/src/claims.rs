//! What an access token says (RFC 7519, RFC 9068).

use contracts::id::{SessionId, TokenId, UserId};
use serde::{Deserialize, Serialize};

use crate::access::{Role, Scope};

/// The claims of an access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it: the address of auth.
    pub iss: String,
    /// For whom it is meant: `cloudtaskhub`.
    pub aud: String,
    /// The user.
    pub sub: UserId,
    /// The sign-in it belongs to; absent in tokens that stand for a personal access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// The personal access token it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pat: Option<TokenId>,
    /// Global role.
    pub role: Role,
    /// The plan of the user's account: `free`, `team`, `business`.
    pub plan: String,
    /// What it may be used for; absent: everything the user may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<Scope>>,
    /// When it was issued, seconds since 1970.
    pub iat: i64,
    /// When it ends, seconds since 1970.
    pub exp: i64,
}
