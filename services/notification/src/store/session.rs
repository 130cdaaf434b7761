//! The earliest known sign-in of each user.

use contracts::id::UserId;
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, Statement};

use crate::domain::session::SignIn;

/// The first sign-in of `user` that is known. Hold the user's inbox, or two first ones could pass each other by.
///
/// # Errors
/// The database's.
pub async fn first(tx: &Tx, user: UserId) -> Result<Option<SignIn>, DbErr> {
    let sql = "SELECT session_id, client, unseen_client, started_at FROM first_sessions WHERE user_id = $1";
    let row = tx
        .query_one_raw(Statement::from_sql_and_values(
            tx.get_database_backend(),
            sql,
            [user.into()],
        ))
        .await?;
    row.map(|row| {
        Ok(SignIn {
            session: row.try_get("", "session_id")?,
            user,
            client: row.try_get("", "client")?,
            unseen_client: row.try_get("", "unseen_client")?,
            started_at: row.try_get("", "started_at")?,
        })
    })
    .transpose()
}

/// Remembers a user's first sign-in.
///
/// # Errors
/// The database's.
pub async fn remember(tx: &Tx, first: &SignIn) -> Result<(), DbErr> {
    let sql = "INSERT INTO first_sessions (user_id, session_id, client, unseen_client, started_at) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (user_id) DO UPDATE SET session_id = excluded.session_id, client = excluded.client,
               unseen_client = excluded.unseen_client, started_at = excluded.started_at";
    let values = [
        first.user.into(),
        first.session.into(),
        first.client.clone().into(),
        first.unseen_client.into(),
        first.started_at.into(),
    ];
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?;
    Ok(())
}

/// The client of the first sign-in of `user` that is known.
///
/// # Errors
/// The database's.
pub async fn first_client(db: &impl ConnectionTrait, user: UserId) -> Result<Option<String>, DbErr> {
    let sql = "SELECT client FROM first_sessions WHERE user_id = $1";
    let query = Statement::from_sql_and_values(db.get_database_backend(), sql, [user.into()]);
    let row = db.query_one_raw(query).await?;
    row.map(|row| row.try_get("", "client")).transpose()
}
