//! What accounts may have, as billing tells it, and how much of it they use.
//!
//! The figures are counted by the database's triggers in the transaction of each change. A check locks the account's row on
//! PostgreSQL until its transaction ends, so that two creations at once cannot both take the last place; an account without
//! a limit of the kind is not locked. That lock is taken after the one on a project, never before. On SQLite there is one
//! writer anyway.

use contracts::{
    billing::{PlanLimits, SubscriptionSnapshot},
    id::UserId,
};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement};

use crate::domain::quota::{Left, Meter, Plan, QuotaError, Usage};

/// Goes on only when `account` may have `more` of `meter`; until the transaction ends nobody else takes the room.
///
/// # Errors
/// See [`QuotaError`].
pub async fn room(tx: &Tx, account: UserId, meter: Meter, more: u64) -> Result<(), QuotaError> {
    match left(tx, account, meter).await? {
        Some(left) => Ok(left.plan.admit(meter, left.used, more)?),
        None => Ok(()),
    }
}

/// How much of `meter` the account may still add, which nobody else takes until the transaction ends; `None` when there is
/// no limit.
///
/// # Errors
/// The database's.
pub async fn left(tx: &Tx, account: UserId, meter: Meter) -> Result<Option<Left>, DbErr> {
    let Some(plan) = plan(tx, account).await?.filter(|plan| plan.limit(meter).is_some()) else {
        return Ok(None);
    };
    let used = hold(tx, account).await?.of(meter);
    Ok(Some(Left { plan, meter, used }))
}

/// The same for one more person in one of the account's projects: who is in another of them already takes no room.
///
/// # Errors
/// See [`QuotaError`].
pub async fn room_for(tx: &Tx, account: UserId, person: UserId) -> Result<(), QuotaError> {
    let limited = |plan: &Plan| plan.limit(Meter::Members).is_some();
    let Some(plan) = plan(tx, account).await?.filter(limited) else {
        return Ok(());
    };
    let used = hold(tx, account).await?.members;
    // After the lock, so that it sees what the one before us did.
    let known = "SELECT 1 FROM account_people WHERE account_id = $1 AND user_id = $2";
    if one(tx, known, [account, person]).await?.is_some() {
        return Ok(());
    }
    Ok(plan.admit(Meter::Members, used, 1)?)
}

/// What the account may have; `None` when nobody has told.
///
/// # Errors
/// The database's.
pub async fn plan(tx: &impl ConnectionTrait, account: UserId) -> Result<Option<Plan>, DbErr> {
    let sql = "SELECT plan, projects, members, tasks FROM account_limits WHERE user_id = $1";
    let row = one(tx, sql, [account]).await?;
    row.map(|row| {
        Ok(Plan {
            name: row.try_get("", "plan")?,
            limits: PlanLimits {
                projects: limit(&row, "projects")?,
                members: limit(&row, "members")?,
                tasks: limit(&row, "tasks")?,
                requests_per_minute: None,
            },
        })
    })
    .transpose()
}

/// What the account uses, which nobody else changes until the transaction ends.
async fn hold(tx: &Tx, account: UserId) -> Result<Usage, DbErr> {
    // An update that changes nothing: it makes the row of an account without projects, and locks any.
    let sql = "INSERT INTO account_usage (user_id, projects, people, tasks) VALUES ($1, 0, 0, 0)
               ON CONFLICT (user_id) DO UPDATE SET projects = account_usage.projects
               RETURNING projects, people, tasks";
    let row = one(tx, sql, [account]).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the usage of an account".to_owned()))?;
    Ok(Usage {
        projects: count(row.try_get("", "projects")?),
        members: count(row.try_get("", "people")?),
        tasks: count(row.try_get("", "tasks")?),
    })
}

/// Learns what an account may have, unless something newer is known; answers whether it was news.
///
/// # Errors
/// The database's.
pub async fn learn(tx: &Tx, account: UserId, subscription: &SubscriptionSnapshot) -> Result<bool, DbErr> {
    let limits = &subscription.limits;
    let stored = |limit: Option<u64>| limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let upsert = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO account_limits (user_id, plan, projects, members, tasks, version) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (user_id) DO UPDATE SET plan = excluded.plan, projects = excluded.projects, members = excluded.members,
            tasks = excluded.tasks, version = excluded.version
         WHERE excluded.version > account_limits.version",
        [
            account.into(),
            subscription.plan.as_str().into(),
            stored(limits.projects).into(),
            stored(limits.members).into(),
            stored(limits.tasks).into(),
            subscription.version.into(),
        ],
    );
    Ok(tx.execute_raw(upsert).await?.rows_affected() == 1)
}

async fn one<const N: usize>(
    tx: &impl ConnectionTrait,
    sql: &str,
    values: [UserId; N],
) -> Result<Option<QueryResult>, DbErr> {
    let query = Statement::from_sql_and_values(tx.get_database_backend(), sql, values.map(Into::into));
    tx.query_one_raw(query).await
}

fn limit(row: &QueryResult, column: &str) -> Result<Option<u64>, DbErr> {
    Ok(row.try_get::<Option<i64>>("", column)?.map(count))
}

/// Counts and limits are never below zero.
pub(super) fn count(stored: i64) -> u64 {
    stored.max(0).unsigned_abs()
}
