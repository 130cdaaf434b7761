//! Personal access tokens: for programs, limited to scopes and in time.

use std::time::Duration;

use chassis::{FieldError, http::idempotency::KeyError};
use contracts::{
    Timestamp,
    auth::{TokenCreated, TokenRevoked},
    id::{TokenId, UserId},
};
use identity::{Role, Scope};
use sea_orm::DbErr;

use super::{secret::NoRandomness, user::CallerError};

/// Characters of a name at most.
pub const NAME_MAX: usize = 100;

/// How many and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long one lasts when its owner does not say.
    pub usual: Duration,
    /// How long one lasts at most.
    pub longest: Duration,
    /// How many a user has at most.
    pub each: u64,
}

/// A token to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenDraft {
    name: String,
    scopes: Vec<Scope>,
    expires_at: Timestamp,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Which.
    pub id: TokenId,
    /// Whose.
    pub user: UserId,
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There is no such token of this user.
    #[error("there is no such token")]
    NotFound,
    /// The user has enough.
    #[error("you have {0} tokens, which is the limit; delete one that you do not need")]
    TooMany(u64),
    /// The caller may not act any more.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// The idempotency key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No secret could be made.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// An answer could not be sealed or opened.
    #[error(transparent)]
    Seal(#[from] seal::SealError),
    /// An answer could not be written down or read back.
    #[error("the answer as JSON")]
    Answer(#[from] serde_json::Error),
    /// The database failed.
    #[error("storing the token")]
    Store(#[from] DbErr),
}

impl TokenDraft {
    /// Checks what somebody typed; `role` is theirs.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(
        name: &str,
        scopes: &[String],
        expires_at: Option<&str>,
        role: Role,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let name = name.trim();
        let length = name.chars().count();
        if !(1..=NAME_MAX).contains(&length) || name.chars().any(char::is_control) {
            wrong.push(FieldError::new(
                "/name",
                format!("must be one line of 1 to {NAME_MAX} characters"),
            ));
        }
        let mut parsed = Vec::new();
        if scopes.is_empty() || scopes.len() > Scope::ALL.len() {
            let names = Scope::ALL.map(Scope::name).join(", ");
            wrong.push(FieldError::new(
                "/scopes",
                format!("must be 1 to {} of {names}", Scope::ALL.len()),
            ));
        } else {
            for (place, text) in scopes.iter().enumerate() {
                match text.parse::<Scope>() {
                    Ok(Scope::Admin) if role < Role::Support => {
                        let detail = "the scope admin is for support and admins; leave it out";
                        wrong.push(FieldError::new(format!("/scopes/{place}"), detail));
                    }
                    Ok(scope) => parsed.push(scope),
                    Err(expected) => wrong.push(FieldError::new(format!("/scopes/{place}"), expected)),
                }
            }
        }
        parsed.sort_unstable();
        parsed.dedup();
        let latest = now + limits.longest;
        let expires_at = match expires_at.map(str::parse::<Timestamp>) {
            None => now + limits.usual,
            Some(Ok(at)) if at > now && at <= latest => at,
            Some(Ok(_)) => {
                wrong.push(FieldError::new(
                    "/expires_at",
                    format!("must be in the future and not after {latest}"),
                ));
                now
            }
            Some(Err(expected)) => {
                wrong.push(FieldError::new("/expires_at", expected.to_string()));
                now
            }
        };
        if wrong.is_empty() {
            Ok(Self {
                name: name.to_owned(),
                scopes: parsed,
                expires_at,
            })
        } else {
            Err(wrong)
        }
    }

    /// Makes it a token of `user`.
    pub fn create(self, user: UserId, now: Timestamp) -> (Token, TokenCreated) {
        let token = Token {
            id: TokenId::new(),
            user,
            name: self.name,
            scopes: self.scopes,
            created_at: now,
            expires_at: self.expires_at,
            last_used_at: None,
        };
        let created = TokenCreated {
            token_id: token.id,
            user_id: user,
            name: token.name.clone(),
            scopes: token.scopes.iter().map(|scope| scope.name().to_owned()).collect(),
            expires_at: Some(token.expires_at),
        };
        (token, created)
    }
}

/// The event of a token that is void.
pub fn revoked(token_id: TokenId, user_id: UserId) -> TokenRevoked {
    TokenRevoked { token_id, user_id }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        usual: Duration::from_secs(1000),
        longest: Duration::from_secs(5000),
        each: 3,
    };

    fn parse(name: &str, scopes: &[&str], expires_at: Option<&str>, role: Role) -> Result<TokenDraft, Vec<String>> {
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        TokenDraft::parse(name, &scopes, expires_at, role, &LIMITS, Timestamp::from_micros(0))
            .map_err(|wrong| wrong.into_iter().map(|error| error.pointer).collect())
    }

    #[test]
    fn a_token_lasts_as_long_as_asked_for_within_the_limit() {
        let ends = |at| parse("ci", &["tasks:read"], at, Role::User).map(|draft| draft.expires_at.as_seconds());
        assert_eq!(ends(None), Ok(1000));
        assert_eq!(ends(Some("1970-01-01T01:00:00Z")), Ok(3600));
        for wrong in [
            "1970-01-01T00:00:00Z",
            "1969-01-01T00:00:00Z",
            "1970-01-01T02:00:00Z",
            "9999-12-31T23:59:59Z",
            "soon",
        ] {
            assert_eq!(ends(Some(wrong)), Err(vec!["#/expires_at".to_owned()]), "{wrong}");
        }
    }

    #[test]
    fn everything_wrong_with_a_draft_is_told_at_once() {
        assert_eq!(
            parse(" ", &["tasks:read", "tasks:everything", "admin"], Some("x"), Role::User),
            Err(["#/name", "#/scopes/1", "#/scopes/2", "#/expires_at"]
                .map(str::to_owned)
                .to_vec())
        );
        assert_eq!(parse("ci", &[], None, Role::User), Err(vec!["#/scopes".to_owned()]));
        assert_eq!(
            parse("ci", &["tasks:read"; Scope::ALL.len() + 1], None, Role::User),
            Err(vec!["#/scopes".to_owned()])
        );
    }

    #[test]
    fn a_scope_named_twice_is_held_once_and_admin_is_for_those_with_the_role() {
        let draft = parse("ci", &["tasks:write", "tasks:read", "tasks:write"], None, Role::User).unwrap();
        assert_eq!(draft.scopes, [Scope::TasksRead, Scope::TasksWrite]);
        assert!(parse("ops", &["admin"], None, Role::Support).is_ok());
    }
}
