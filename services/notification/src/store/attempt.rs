//! Attempts of deliveries, as their owner looks at them.

use contracts::{Timestamp, id::DeliveryId};
use database::{Tx, places};
use sea_orm::{ConnectionTrait, DbErr, QueryOrder, Statement, Value, entity::prelude::*};

use crate::domain::delivery::{Attempt, Outcome};

/// A row of `delivery_attempts`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "delivery_attempts")]
pub struct Model {
    /// Of which delivery.
    #[sea_orm(primary_key, auto_increment = false)]
    pub delivery_id: DeliveryId,
    /// 1 for the first.
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took; absent when nobody knows.
    pub duration_ms: Option<i64>,
    /// `delivered`, `failed` or `unknown`.
    pub result: String,
    /// HTTP status or SMTP code.
    pub status: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// What was sent.
    pub request: String,
    /// What was answered.
    pub response: Option<String>,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const COLUMNS: usize = 9;

/// Keeps what came of attempts. One that counted as lost because its record came late is set right.
///
/// # Errors
/// The database's.
pub async fn record(tx: &Tx, attempts: &[(DeliveryId, i64, &Attempt)]) -> Result<(), DbErr> {
    let sql = format!(
        "INSERT INTO delivery_attempts (delivery_id, number, started_at, duration_ms, result, status, error, request, response)
         VALUES {} ON CONFLICT (delivery_id, number) DO UPDATE SET duration_ms = excluded.duration_ms, result = excluded.result,
         status = excluded.status, error = excluded.error, request = excluded.request, response = excluded.response",
        places(attempts.len(), COLUMNS)
    );
    let values = attempts.iter().flat_map(|(id, number, attempt)| {
        let result = match attempt.outcome {
            Outcome::Taken => "delivered",
            Outcome::Later { .. } | Outcome::Never { .. } | Outcome::Gone { .. } => "failed",
        };
        let duration = i64::try_from(attempt.duration.as_millis()).unwrap_or(i64::MAX);
        let values: [Value; COLUMNS] = [
            (*id).into(),
            (*number).into(),
            attempt.started_at.into(),
            duration.into(),
            result.into(),
            attempt.status.map(i64::from).into(),
            attempt.outcome.reason().map(str::to_owned).into(),
            attempt.request.clone().into(),
            attempt.response.clone().into(),
        ];
        values
    });
    let insert = Statement::from_sql_and_values(tx.get_database_backend(), sql, values.collect::<Vec<_>>());
    tx.execute_raw(insert).await.map(drop)
}

/// The attempts of a delivery, oldest first.
///
/// # Errors
/// The database's.
pub async fn all(db: &impl ConnectionTrait, delivery: DeliveryId) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::DeliveryId.eq(delivery))
        .order_by_asc(Column::Number)
        .all(db)
        .await
}
