//! Preferences: a row for each kind that a user turned off in a channel, and the version of the whole.

use contracts::id::UserId;
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

use crate::domain::{notification::Kind, preference::Preferences};

/// The preferences of `user` and their version; 0 for a user who never changed any.
///
/// # Errors
/// The database's.
pub async fn find(db: &impl ConnectionTrait, user: UserId) -> Result<(Preferences, i64), DbErr> {
    // One statement, so that preferences and version belong together.
    let sql = "SELECT v.version AS version, p.kind AS kind FROM preference_versions v
               LEFT JOIN preferences p ON p.user_id = v.user_id AND p.channel = 'in_app' AND NOT p.enabled WHERE v.user_id = $1";
    let rows = db
        .query_all_raw(Statement::from_sql_and_values(
            db.get_database_backend(),
            sql,
            [user.into()],
        ))
        .await?;
    let mut version = 0;
    let mut off = Vec::new();
    for row in &rows {
        version = row.try_get("", "version")?;
        // A kind of a newer release stays off, though this one cannot show it.
        off.extend(
            row.try_get::<Option<String>>("", "kind")?
                .as_deref()
                .and_then(Kind::named),
        );
    }
    Ok((Preferences::without(&off), version))
}

/// Takes the preferences of `user` for changing: raises their version and answers the one before. Others who want to change
/// them wait until this transaction ends.
///
/// # Errors
/// The database's.
pub async fn take(tx: &Tx, user: UserId) -> Result<i64, DbErr> {
    let sql = "INSERT INTO preference_versions (user_id, version) VALUES ($1, 1)
               ON CONFLICT (user_id) DO UPDATE SET version = preference_versions.version + 1 RETURNING version";
    let row = tx
        .query_one_raw(Statement::from_sql_and_values(
            tx.get_database_backend(),
            sql,
            [user.into()],
        ))
        .await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the version just written".to_owned()))?;
    row.try_get::<i64>("", "version").map(|version| version - 1)
}

/// Replaces the preferences of `user`, of the kinds that this release knows.
///
/// # Errors
/// The database's.
pub async fn replace(tx: &Tx, user: UserId, preferences: &Preferences) -> Result<(), DbErr> {
    let rows: Vec<String> = (0..preferences.all().len())
        .map(|row| format!("($1, ${}, 'in_app', ${})", 2 * row + 2, 2 * row + 3))
        .collect();
    let sql = format!(
        "INSERT INTO preferences (user_id, kind, channel, enabled) VALUES {}
         ON CONFLICT (user_id, kind, channel) DO UPDATE SET enabled = excluded.enabled",
        rows.join(", ")
    );
    let mut values: Vec<Value> = vec![user.into()];
    values.extend(
        preferences
            .all()
            .iter()
            .flat_map(|one| [one.kind.name().into(), one.in_app.into()]),
    );
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?;
    Ok(())
}
