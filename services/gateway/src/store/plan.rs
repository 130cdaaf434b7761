//! The plans on sale, as `plan.published` tells them.

use contracts::billing::PlanPublished;
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, Statement};

use crate::domain::order::Plan;

/// Learns a plan, unless a newer version of the catalogue is known.
///
/// # Errors
/// The database's.
pub async fn learn(tx: &Tx, published: &PlanPublished) -> Result<(), DbErr> {
    let prices =
        serde_json::to_string(&published.prices).map_err(|error| DbErr::Custom(format!("prices as JSON: {error}")))?;
    let sql = "INSERT INTO plans (name, orderable, prices, catalogue_version) VALUES ($1, $2, $3, $4)
               ON CONFLICT (name) DO UPDATE SET orderable = excluded.orderable, prices = excluded.prices,
                  catalogue_version = excluded.catalogue_version
               WHERE plans.catalogue_version < excluded.catalogue_version";
    let values = [
        published.plan.as_str().into(),
        published.orderable.into(),
        prices.into(),
        published.catalogue_version.into(),
    ];
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?;
    Ok(())
}

/// Every plan that is known, by name.
///
/// # Errors
/// The database's.
pub async fn all(db: &impl ConnectionTrait) -> Result<Vec<Plan>, DbErr> {
    let sql = "SELECT name, orderable, prices FROM plans ORDER BY name";
    let rows = db
        .query_all_raw(Statement::from_string(db.get_database_backend(), sql))
        .await?;
    rows.iter()
        .map(|row| {
            let prices: String = row.try_get("", "prices")?;
            Ok(Plan {
                name: row.try_get("", "name")?,
                orderable: row.try_get("", "orderable")?,
                prices: serde_json::from_str(&prices)
                    .map_err(|error| DbErr::Type(format!("stored prices: {error}")))?,
            })
        })
        .collect()
}
