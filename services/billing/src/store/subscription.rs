//! Subscriptions: one row for each account.

use contracts::{
    Timestamp,
    id::{SubscriptionId, UserId},
};
use database::Tx;
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DbErr, Iterable, QueryOrder, QuerySelect, entity::prelude::*,
    sea_query::OnConflict,
};

use super::{json, parsed, statement, unreadable};
use crate::domain::subscription::Subscription;

/// A row of `subscriptions`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "subscriptions")]
pub struct Model {
    /// Which.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SubscriptionId,
    /// Whose.
    pub user_id: UserId,
    /// The plan in force.
    pub plan: String,
    /// How it stands.
    pub status: String,
    /// How many seats.
    pub seats: i64,
    /// `month` or `year`.
    pub billing_interval: String,
    /// ISO 4217.
    pub currency: String,
    /// What a seat costs.
    pub seat_price_minor: i64,
    /// What it allows, as JSON.
    pub limits: String,
    /// From when periods are counted.
    pub anchor_at: Timestamp,
    /// The number of the present one.
    pub period: i64,
    /// When it began.
    pub period_start: Timestamp,
    /// When it ends.
    pub period_end: Option<Timestamp>,
    /// Whether the subscription ends with it.
    pub cancel_at_period_end: bool,
    /// Since when a renewal is not paid.
    pub past_due_since: Option<Timestamp>,
    /// When the scheduler looks at it.
    pub renew_at: Option<Timestamp>,
    /// Digest of the catalogue that its limits were last held against.
    pub catalogue: String,
    /// Rises with each change.
    pub version: i64,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Subscription {
    type Error = DbErr;

    fn try_from(row: Model) -> Result<Self, DbErr> {
        Ok(Self {
            id: row.id,
            user: row.user_id,
            plan: row.plan,
            status: row.status.parse().map_err(unreadable)?,
            seats: u32::try_from(row.seats).map_err(unreadable)?,
            interval: row.billing_interval.parse().map_err(unreadable)?,
            currency: row.currency.parse().map_err(unreadable)?,
            seat_price: row.seat_price_minor,
            limits: parsed(&row.limits)?,
            anchor: row.anchor_at,
            period: row.period,
            period_start: row.period_start,
            period_end: row.period_end,
            cancel_at_period_end: row.cancel_at_period_end,
            past_due_since: row.past_due_since,
            version: row.version,
        })
    }
}

/// The subscription of `user`.
///
/// # Errors
/// The database's.
pub async fn find(db: &impl ConnectionTrait, user: UserId) -> Result<Option<Subscription>, DbErr> {
    let row = Entity::find().filter(Column::UserId.eq(user)).one(db).await?;
    row.map(Subscription::try_from).transpose()
}

/// Stores a subscription, whose limits are those of the catalogue with this digest. Its scheduler looks at it at the end of
/// the period.
///
/// # Errors
/// The database's.
pub async fn save(tx: &Tx, subscription: &Subscription, catalogue: &str) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(subscription.id),
        user_id: Set(subscription.user),
        plan: Set(subscription.plan.clone()),
        status: Set(subscription.status.name().to_owned()),
        seats: Set(i64::from(subscription.seats)),
        billing_interval: Set(subscription.interval.name().to_owned()),
        currency: Set(subscription.currency.code().to_owned()),
        seat_price_minor: Set(subscription.seat_price),
        limits: Set(json(&subscription.limits)?),
        anchor_at: Set(subscription.anchor),
        period: Set(subscription.period),
        period_start: Set(subscription.period_start),
        period_end: Set(subscription.period_end),
        cancel_at_period_end: Set(subscription.cancel_at_period_end),
        past_due_since: Set(subscription.past_due_since),
        renew_at: Set(subscription.period_end),
        catalogue: Set(catalogue.to_owned()),
        version: Set(subscription.version),
    };
    let columns = Column::iter().filter(|column| !matches!(column, Column::Id | Column::UserId));
    Entity::insert(row)
        .on_conflict(OnConflict::column(Column::Id).update_columns(columns).to_owned())
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// An account whose subscription the scheduler has to look at. Two replicas may get the same: the account's row makes them
/// take turns, and the second finds nothing to do.
///
/// # Errors
/// The database's.
pub async fn due(db: &impl ConnectionTrait, now: Timestamp) -> Result<Option<UserId>, DbErr> {
    let sql = "SELECT user_id FROM subscriptions WHERE renew_at <= $1 ORDER BY renew_at LIMIT 1";
    let row = db.query_one_raw(statement(db, sql, [now.into()])).await?;
    row.map(|row| row.try_get("", "user_id")).transpose()
}

/// Has the scheduler look again at `at`.
///
/// # Errors
/// The database's.
pub async fn postpone(tx: &Tx, user: UserId, at: Timestamp) -> Result<(), DbErr> {
    let sql = "UPDATE subscriptions SET renew_at = $2 WHERE user_id = $1";
    tx.execute_raw(statement(tx, sql, [user.into(), at.into()])).await?;
    Ok(())
}

/// Accounts whose limits were not yet held against the catalogue with this digest.
///
/// # Errors
/// The database's.
pub async fn of_older_catalogue(db: &impl ConnectionTrait, catalogue: &str, limit: u64) -> Result<Vec<UserId>, DbErr> {
    Entity::find()
        .select_only()
        .column(Column::UserId)
        .filter(Column::Catalogue.ne(catalogue))
        .order_by_asc(Column::UserId)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}

/// Notes that the limits were held against the catalogue with this digest.
///
/// # Errors
/// The database's.
pub async fn checked(tx: &Tx, user: UserId, catalogue: &str) -> Result<(), DbErr> {
    let sql = "UPDATE subscriptions SET catalogue = $2 WHERE user_id = $1";
    tx.execute_raw(statement(tx, sql, [user.into(), catalogue.into()]))
        .await?;
    Ok(())
}
