//! What auth publishes: users, sessions, tokens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    event::events,
    id::{SessionId, TokenId, UserId},
};

/// A user as others may know them. `version` rises by one with each change of the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserProfile {
    /// Who.
    pub user_id: UserId,
    /// Address in the spelling of its owner; compared without case.
    pub email: String,
    /// Short unique name for mentions, without `@`.
    pub handle: String,
    /// Name to show.
    pub display_name: String,
    /// Whether the owner of the address confirmed it.
    pub email_verified: bool,
    /// Global role: `user`, `support` or `admin`.
    pub role: String,
    /// Whether an admin has shut the account.
    pub disabled: bool,
    /// Version of the user after this event.
    pub version: i64,
}

/// Somebody opened an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserRegistered {
    /// Who.
    pub user_id: UserId,
    /// The new user.
    pub user: UserProfile,
}

/// A user's profile, role or address status changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserUpdated {
    /// Who.
    pub user_id: UserId,
    /// The user after the change.
    pub user: UserProfile,
}

/// An admin shut an account; all its sessions and tokens are void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserDisabled {
    /// Who.
    pub user_id: UserId,
    /// Version of the user after this event.
    pub version: i64,
}

/// An admin opened a shut account again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserEnabled {
    /// Who.
    pub user_id: UserId,
    /// Version of the user after this event.
    pub version: i64,
}

/// A user set a new password, by knowing the old one or by a reset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserPasswordChanged {
    /// Who.
    pub user_id: UserId,
    /// Whether by a reset mail.
    pub by_reset: bool,
    /// Version of the user after this event.
    pub version: i64,
}

/// A user signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStarted {
    /// Which sign-in.
    pub session_id: SessionId,
    /// Who.
    pub user_id: UserId,
    /// What the client calls itself, shortened.
    pub client: String,
    /// Whether this user never signed in with this client before.
    pub unseen_client: bool,
    /// When.
    pub started_at: Timestamp,
}

/// A session ended: its tokens are void from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionRevoked {
    /// Which sign-in.
    pub session_id: SessionId,
    /// Who.
    pub user_id: UserId,
    /// `logout`, `revoked`, `refresh_reuse`, `password_changed`, `user_disabled`, `account_deleted` or `expired`.
    pub reason: String,
}

/// A personal access token was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenCreated {
    /// Which token.
    pub token_id: TokenId,
    /// Whose.
    pub user_id: UserId,
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A personal access token is void from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenRevoked {
    /// Which token.
    pub token_id: TokenId,
    /// Whose.
    pub user_id: UserId,
}

/// A user closed their account for good. Every service erases what it holds about the person and says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserDeleted {
    /// Who.
    pub user_id: UserId,
    /// When.
    pub deleted_at: Timestamp,
    /// Version of the user after this event.
    pub version: i64,
}

/// Every service has erased what it held about a closed account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserErased {
    /// Who.
    pub user_id: UserId,
    /// When the last service was done.
    pub erased_at: Timestamp,
}

events! { Auth:
    UserRegistered = "user.registered.v1" by user_id;
    UserUpdated = "user.updated.v1" by user_id;
    UserDisabled = "user.disabled.v1" by user_id;
    UserEnabled = "user.enabled.v1" by user_id;
    UserPasswordChanged = "user.password_changed.v1" by user_id;
    SessionStarted = "session.started.v1" by session_id;
    SessionRevoked = "session.revoked.v1" by session_id;
    TokenCreated = "token.created.v1" by token_id;
    TokenRevoked = "token.revoked.v1" by token_id;
    UserDeleted = "user.deleted.v1" by user_id;
    UserErased = "user.erased.v1" by user_id;
}
