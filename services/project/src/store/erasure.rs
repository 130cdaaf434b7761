//! Forgetting a person whose account was closed for good.

use contracts::{Timestamp, id::UserId};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

/// What a person is called afterwards.
const NAME: &str = "Deleted user";

/// Removes what names the person: their entry in the directory, invitations to their address, their imports. What they
/// made keeps their id, which names nobody any more.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &Tx, user: UserId, version: i64, now: Timestamp) -> Result<(), DbErr> {
    let run = async |sql: &str, values: Vec<Value>| {
        let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
        tx.execute_raw(statement).await.map(drop)
    };
    run(
        "DELETE FROM invitations WHERE email_key IN (SELECT email_key FROM users WHERE id = $1 AND email_key <> '')",
        vec![user.into()],
    )
    .await?;
    // No older word about the user is believed any more.
    run(
        "INSERT INTO users (id, email, email_key, handle, handle_key, display_name, disabled, profile_version, status_version)
         VALUES ($1, '', '', '', '', $2, TRUE, $3, $3)
         ON CONFLICT (id) DO UPDATE SET email = '', email_key = '', handle = '', handle_key = '',
            display_name = excluded.display_name, disabled = TRUE, profile_version = excluded.profile_version,
            status_version = excluded.status_version",
        vec![user.into(), NAME.into(), version.into()],
    )
    .await?;
    // As if they had ended long ago: the importer removes them with their files, piece by piece.
    run(
        "UPDATE imports SET status = 'failed', failure = 'the account was closed', project_name = NULL, notes = '[]',
            updated_at = $2, finished_at = 0 WHERE user_id = $1",
        vec![user.into(), now.into()],
    )
    .await?;
    run("DELETE FROM import_projects WHERE user_id = $1", vec![user.into()]).await?;
    run("DELETE FROM idempotency_keys WHERE owner = $1", vec![user.into()]).await
}
