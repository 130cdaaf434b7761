//! What the domain's errors are over HTTP.

use std::time::Duration;

use chassis::{FieldError, Problem};
use poem::http::{HeaderValue, StatusCode, header};

use crate::{
    domain::{
        mail::CodeError,
        password::HashError,
        session::SessionError,
        throttle::Throttled,
        token::TokenError,
        user::{CallerError, UserError},
    },
    store::throttle::TakeError,
};

fn unauthorised(kind: &'static str, detail: String) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, kind, detail)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

impl From<CallerError> for Problem {
    fn from(error: CallerError) -> Self {
        match error {
            CallerError::Gone => unauthorised("session-ended", error.to_string()),
            CallerError::Store(_) => Problem::internal(error),
        }
    }
}

impl From<HashError> for Problem {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Problem::unavailable("overloaded", error.to_string(), Duration::from_secs(1)),
            HashError::Failed(_) => Problem::internal(error),
        }
    }
}

impl From<Throttled> for Problem {
    fn from(error: Throttled) -> Self {
        let wait = error.wait;
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", error.to_string()).with_retry_after(wait)
    }
}

impl From<TakeError> for SessionError {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Throttled(throttled) => throttled.into(),
            TakeError::Store(error) => error.into(),
        }
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::WrongCredentials => unauthorised("invalid-credentials", error.to_string()),
            SessionError::Disabled => Problem::forbidden("account-disabled", error.to_string()),
            SessionError::Throttled(throttled) => throttled.into(),
            SessionError::InvalidRefresh => unauthorised("invalid-refresh-token", error.to_string()),
            SessionError::Reused => unauthorised("refresh-token-reused", error.to_string()),
            SessionError::TooOften => {
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-retries", error.to_string())
                    .with_retry_after(Duration::from_secs(10))
            }
            SessionError::NotFound => Problem::not_found("session-not-found", error.to_string()),
            SessionError::Caller(error) => error.into(),
            SessionError::Hash(error) => error.into(),
            SessionError::Random(_) | SessionError::Mint(_) | SessionError::Store(_) => Problem::internal(error),
        }
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        let text = error.to_string();
        match error {
            UserError::Invalid(wrong) => Problem::invalid(wrong),
            UserError::EmailTaken => {
                Problem::conflict("email-taken", text.clone()).with_errors(vec![FieldError::new("/email", text)])
            }
            UserError::HandleTaken => {
                Problem::conflict("handle-taken", text.clone()).with_errors(vec![FieldError::new("/handle", text)])
            }
            UserError::NotFound => Problem::not_found("user-not-found", text),
            UserError::LastAdmin => Problem::conflict("last-admin", text),
            UserError::Caller(error) => error.into(),
            UserError::Precondition(problem) => problem,
            UserError::Hash(error) => error.into(),
            UserError::Store(_) => Problem::internal(error),
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::NotFound => Problem::not_found("token-not-found", error.to_string()),
            TokenError::TooMany(_) => Problem::conflict("token-limit-reached", error.to_string()),
            TokenError::Caller(error) => error.into(),
            TokenError::Key(error) => error.into(),
            TokenError::Random(_) | TokenError::Seal(_) | TokenError::Answer(_) | TokenError::Store(_) => {
                Problem::internal(error)
            }
        }
    }
}

impl From<CodeError> for Problem {
    fn from(error: CodeError) -> Self {
        let text = error.to_string();
        match error {
            CodeError::Invalid => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-code", text.clone())
                .with_errors(vec![FieldError::new("/token", text)]),
            CodeError::Unacceptable(wrong) => Problem::invalid(wrong),
            CodeError::Caller(error) => error.into(),
            CodeError::Hash(error) => error.into(),
            CodeError::Store(_) => Problem::internal(error),
        }
    }
}
