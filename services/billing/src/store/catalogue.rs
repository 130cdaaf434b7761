//! Which catalogue was published last.

use contracts::Timestamp;
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr};

use super::statement;
use crate::domain::catalogue::Catalogue;

/// Whether this is the catalogue that was published last.
///
/// # Errors
/// The database's.
pub async fn is_published(db: &impl ConnectionTrait, catalogue: &Catalogue) -> Result<bool, DbErr> {
    let sql = "SELECT 1 AS one FROM catalogues WHERE id = 1 AND version = $1 AND digest = $2";
    let values = [catalogue.version.into(), catalogue.digest.clone().into()];
    Ok(db.query_one_raw(statement(db, sql, values)).await?.is_some())
}

/// Notes that it is published; answers whether it was not before. Others wait until this transaction ends.
///
/// # Errors
/// The database's.
pub async fn publish(tx: &Tx, catalogue: &Catalogue, now: Timestamp) -> Result<bool, DbErr> {
    let sql = "INSERT INTO catalogues (id, version, digest, published_at) VALUES (1, $1, $2, $3)
               ON CONFLICT (id) DO UPDATE SET version = excluded.version, digest = excluded.digest,
                  published_at = excluded.published_at
               WHERE catalogues.version <> excluded.version OR catalogues.digest <> excluded.digest";
    let values = [catalogue.version.into(), catalogue.digest.clone().into(), now.into()];
    Ok(tx.execute_raw(statement(tx, sql, values)).await?.rows_affected() == 1)
}
