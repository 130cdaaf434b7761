//! Billing profiles.

use contracts::id::UserId;
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr};

use super::statement;
use crate::domain::profile::Profile;

/// The profile of `user` and its version; empty and 0 for a user who never set one.
///
/// # Errors
/// The database's.
pub async fn find(db: &impl ConnectionTrait, user: UserId) -> Result<(Profile, i64), DbErr> {
    let sql = "SELECT name, address, country, vat_id, version FROM billing_profiles WHERE user_id = $1";
    let Some(row) = db.query_one_raw(statement(db, sql, [user.into()])).await? else {
        return Ok((Profile::default(), 0));
    };
    let profile = Profile {
        name: row.try_get("", "name")?,
        address: row.try_get("", "address")?,
        country: row.try_get("", "country")?,
        vat_id: row.try_get("", "vat_id")?,
    };
    Ok((profile, row.try_get("", "version")?))
}

/// Replaces the profile of `user`.
///
/// # Errors
/// The database's.
pub async fn replace(tx: &Tx, user: UserId, profile: &Profile, version: i64) -> Result<(), DbErr> {
    let sql = "INSERT INTO billing_profiles (user_id, name, address, country, vat_id, version)
               VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (user_id) DO UPDATE SET name = excluded.name, address = excluded.address,
                  country = excluded.country, vat_id = excluded.vat_id, version = excluded.version";
    let values = [
        user.into(),
        profile.name.clone().into(),
        profile.address.clone().into(),
        profile.country.clone().into(),
        profile.vat_id.clone().into(),
        version.into(),
    ];
    tx.execute_raw(statement(tx, sql, values)).await?;
    Ok(())
}

/// Erases the profile of `user`.
///
/// # Errors
/// The database's.
pub async fn erase(tx: &Tx, user: UserId) -> Result<(), DbErr> {
    let sql = "DELETE FROM billing_profiles WHERE user_id = $1";
    tx.execute_raw(statement(tx, sql, [user.into()])).await?;
    Ok(())
}
