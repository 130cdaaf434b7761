//! The access check of every operation: the caller's account is open, and the session or token they use has not ended.
//!
//! Access tokens outlive their session by up to ten minutes; at auth, which knows better, they do not.

use contracts::Timestamp;
use database::Tx;
use identity::Caller;
use sea_orm::{ConnectionTrait, Statement};

use super::user;
use crate::domain::user::{CallerError, User};

/// The caller, for reading.
///
/// # Errors
/// See [`CallerError`].
pub async fn user(c: &impl ConnectionTrait, caller: &Caller, now: Timestamp) -> Result<User, CallerError> {
    let user = user::find(c, caller.user).await?;
    let open = user.filter(|user| !user.disabled).ok_or(CallerError::Gone)?;
    credential(c, caller, now).await?;
    Ok(open)
}

/// The caller, whose account then changes for nobody else until this transaction ends.
///
/// # Errors
/// See [`CallerError`].
pub async fn for_change(tx: &Tx, caller: &Caller, now: Timestamp) -> Result<User, CallerError> {
    let user = user::for_change(tx, caller.user).await?;
    let open = user.filter(|user| !user.disabled).ok_or(CallerError::Gone)?;
    credential(tx, caller, now).await?;
    Ok(open)
}

async fn credential(c: &impl ConnectionTrait, caller: &Caller, now: Timestamp) -> Result<(), CallerError> {
    let (sql, id) = match (caller.session, caller.token) {
        (Some(session), _) => (
            "SELECT 1 AS good FROM sessions WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $3",
            session.to_string(),
        ),
        (None, Some(token)) => (
            "SELECT 1 AS good FROM tokens WHERE id = $1 AND user_id = $2 AND expires_at > $3",
            token.to_string(),
        ),
        (None, None) => return Err(CallerError::Gone),
    };
    let query = Statement::from_sql_and_values(
        c.get_database_backend(),
        sql,
        [id.into(), caller.user.into(), now.into()],
    );
    let found = c.query_one_raw(query).await?;
    found.map(|_| ()).ok_or(CallerError::Gone)
}
