//! Which catalogue was published last.

use contracts::Timestamp;
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr};

use super::statement;
use crate::domain::catalogue::Catalogue;

/// Version and digest of the catalogue that was published last.
///
/// # Errors
/// The database's.
pub async fn published(db: &impl ConnectionTrait) -> Result<Option<(i64, String)>, DbErr> {
    let sql = "SELECT version, digest FROM catalogues WHERE id = 1";
    let row = db.query_one_raw(statement(db, sql, [])).await?;
    row.map(|row| Ok((row.try_get("", "version")?, row.try_get("", "digest")?)))
        .transpose()
}

/// Notes that it is published, if it is newer than the last; answers whether it is. Others wait until this transaction ends.
///
/// # Errors
/// The database's.
pub async fn publish(tx: &Tx, catalogue: &Catalogue, now: Timestamp) -> Result<bool, DbErr> {
    let sql = "INSERT INTO catalogues (id, version, digest, published_at) VALUES (1, $1, $2, $3)
               ON CONFLICT (id) DO UPDATE SET version = excluded.version, digest = excluded.digest,
                  published_at = excluded.published_at
               WHERE catalogues.version < excluded.version";
    let values = [catalogue.version.into(), catalogue.digest.clone().into(), now.into()];
    Ok(tx.execute_raw(statement(tx, sql, values)).await?.rows_affected() == 1)
}
