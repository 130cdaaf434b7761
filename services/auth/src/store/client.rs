//! What a user was seen with: kinds of clients, and networks. It tells an unseen client, and the owner from a stranger.

use contracts::{Timestamp, id::UserId};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, Statement};

use crate::domain::client::Client;

const NAME: &str = "name";
const NETWORK: &str = "network";

/// Whether the user of an address has signed in from the client's network since then. The same work for an address that
/// nobody has.
///
/// # Errors
/// The database's.
pub async fn knows_network(
    c: &impl ConnectionTrait,
    email_key: &str,
    client: &Client,
    since: Timestamp,
) -> Result<bool, DbErr> {
    let query = Statement::from_sql_and_values(
        c.get_database_backend(),
        "SELECT 1 AS known FROM known_clients k JOIN users u ON u.id = k.user_id
         WHERE u.email_key = $1 AND k.kind = $2 AND k.value = $3 AND k.last_seen_at >= $4",
        [
            email_key.into(),
            NETWORK.into(),
            client.network_digest().into(),
            since.into(),
        ],
    );
    Ok(c.query_one_raw(query).await?.is_some())
}

/// Remembers that the user was seen with this client; answers whether the user never was before.
///
/// # Errors
/// The database's.
pub async fn remember(tx: &Tx, user: UserId, client: &Client, now: Timestamp) -> Result<bool, DbErr> {
    remember_network(tx, user, client, now).await?;
    see(tx, user, NAME, &client.name, now).await
}

/// All that a user was seen with: kind, value, and when last.
///
/// # Errors
/// The database's.
pub async fn of_user(c: &impl ConnectionTrait, user: UserId) -> Result<Vec<(String, String, Timestamp)>, DbErr> {
    let query = Statement::from_sql_and_values(
        c.get_database_backend(),
        "SELECT kind, value, last_seen_at FROM known_clients WHERE user_id = $1 ORDER BY last_seen_at",
        [user.into()],
    );
    let rows = c.query_all_raw(query).await?;
    rows.iter()
        .map(|row| {
            Ok((
                row.try_get_by_index(0)?,
                row.try_get_by_index(1)?,
                row.try_get_by_index(2)?,
            ))
        })
        .collect()
}

/// Remembers the network alone, for somebody who proved to be the user otherwise than by signing in.
///
/// # Errors
/// The database's.
pub async fn remember_network(tx: &Tx, user: UserId, client: &Client, now: Timestamp) -> Result<(), DbErr> {
    see(tx, user, NETWORK, &client.network_digest(), now).await?;
    Ok(())
}

/// Whether it is new.
async fn see(tx: &Tx, user: UserId, kind: &str, value: &str, now: Timestamp) -> Result<bool, DbErr> {
    let update = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "UPDATE known_clients SET last_seen_at = $4 WHERE user_id = $1 AND kind = $2 AND value = $3",
        [user.into(), kind.into(), value.into(), now.into()],
    );
    if tx.execute_raw(update).await?.rows_affected() > 0 {
        return Ok(false);
    }
    let insert = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO known_clients (user_id, kind, value, last_seen_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        [user.into(), kind.into(), value.into(), now.into()],
    );
    Ok(tx.execute_raw(insert).await?.rows_affected() > 0)
}
