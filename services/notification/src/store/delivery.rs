//! Deliveries: rows, and the steps of their state machine ([`crate::domain::delivery`]).
//!
//! A worker claims what is due by a lease: `sending` with the time when the attempt counts as lost. On PostgreSQL replicas
//! pass over rows that another one is claiming; on SQLite writers take turns.

use contracts::{
    EventId, Timestamp,
    id::{CommentId, DeliveryId, ProjectId, TaskId, UserId},
};
use database::Tx;
use messaging::Cause;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, IntoActiveModel, QueryOrder, QuerySelect, Statement, Value, entity::prelude::*,
};

use super::placeholders;
use crate::domain::delivery::{Channel, Next, State};

/// A row of `deliveries`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deliveries")]
pub struct Model {
    /// Which.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DeliveryId,
    /// [`Channel::name`].
    pub channel: String,
    /// Whose.
    pub user_id: UserId,
    /// Where it goes: the id of a webhook.
    pub target: String,
    /// What the receiver knows a double by; once for each target.
    pub message_id: String,
    /// What it is about.
    pub event_type: String,
    /// What is sent.
    pub payload: String,
    /// The project it is about.
    pub project_id: Option<ProjectId>,
    /// The task it is about.
    pub task_id: Option<TaskId>,
    /// The comment it is about.
    pub comment_id: Option<CommentId>,
    /// [`State::name`].
    pub state: String,
    /// Attempts begun.
    pub attempts: i64,
    /// Attempts begun since it was (last) asked for.
    pub tries: i64,
    /// When to try; while sending, when the attempt counts as lost; absent when it has ended.
    pub due_at: Option<Timestamp>,
    /// Why the last attempt failed, or why there was none.
    pub error: Option<String>,
    /// When it was asked for first.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it was asked for: what its end leads to continues that.
    pub cause: Option<Cause>,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// A message to a target, to be sent at once.
    pub fn new(
        channel: Channel,
        user: UserId,
        target: String,
        message: String,
        event_type: &str,
        payload: String,
        now: Timestamp,
    ) -> Self {
        Self {
            id: DeliveryId::new(),
            channel: channel.name().to_owned(),
            user_id: user,
            target,
            message_id: message,
            event_type: event_type.to_owned(),
            payload,
            project_id: None,
            task_id: None,
            comment_id: None,
            state: State::Pending.name().to_owned(),
            attempts: 0,
            tries: 0,
            due_at: Some(now),
            error: None,
            created_at: now,
            finished_at: None,
            cause: Cause::current(),
        }
    }

    /// The same, ended before it began.
    #[must_use]
    pub fn not_sent(self, reason: &str) -> Self {
        Self {
            state: State::Failed.name().to_owned(),
            due_at: None,
            error: Some(reason.to_owned()),
            finished_at: Some(self.created_at),
            ..self
        }
    }
}

/// Keeps those whose target has none of the same message yet.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &Tx, deliveries: Vec<Model>) -> Result<(), DbErr> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let rows = deliveries.into_iter().map(IntoActiveModel::into_active_model);
    Entity::insert_many::<ActiveModel, _>(rows)
        .on_conflict_do_nothing_on([Column::Target, Column::MessageId])
        .exec_without_returning(tx)
        .await
        .map(drop)
}

/// Whether anything is due, of targets that are not among `busy`.
///
/// # Errors
/// The database's.
pub async fn is_due(db: &impl ConnectionTrait, busy: &[String], now: Timestamp) -> Result<bool, DbErr> {
    let found = due(busy, now).select_only().column(Column::Id).limit(1);
    Ok(found.into_tuple::<DeliveryId>().one(db).await?.is_some())
}

fn due(busy: &[String], now: Timestamp) -> Select<Entity> {
    let mut query = Entity::find()
        .filter(Column::DueAt.lte(now))
        .order_by_asc(Column::DueAt)
        .order_by_asc(Column::Id);
    if !busy.is_empty() {
        query = query.filter(Column::Target.is_not_in(busy.iter().cloned()));
    }
    query
}

/// Those that are due, the longest waiting first, of targets that are not among `busy`: to be claimed or given back.
///
/// # Errors
/// The database's.
pub async fn candidates(tx: &Tx, busy: &[String], limit: u64, now: Timestamp) -> Result<Vec<Model>, DbErr> {
    let mut query = due(busy, now).limit(limit);
    if tx.get_database_backend() == DbBackend::Postgres {
        query = query.lock_with_behavior(
            sea_orm::sea_query::LockType::Update,
            sea_orm::sea_query::LockBehavior::SkipLocked,
        );
    }
    query.all(tx).await
}

/// Begins an attempt of each, which counts as lost when nothing is recorded until `lease`.
///
/// # Errors
/// The database's.
pub async fn claim(tx: &Tx, ids: &[DeliveryId], lease: Timestamp) -> Result<(), DbErr> {
    let sql = format!(
        "UPDATE deliveries SET state = 'sending', attempts = attempts + 1, tries = tries + 1, due_at = $1 WHERE id IN ({})",
        placeholders(2, ids.len())
    );
    let values = std::iter::once(Value::from(lease)).chain(ids.iter().map(|id| (*id).into()));
    execute(tx, &sql, values.collect()).await.map(drop)
}

/// The lease of these ran out: nobody knows what came of the attempt.
///
/// # Errors
/// The database's.
pub async fn lose(tx: &Tx, lost: &Model, next: Next, now: Timestamp) -> Result<(), DbErr> {
    const REASON: &str = "nobody knows what came of this attempt: the process ended before it was recorded";
    let sql = "INSERT INTO delivery_attempts (delivery_id, number, started_at, result, error, request)
               VALUES ($1, $2, $3, 'unknown', $4, '') ON CONFLICT DO NOTHING";
    let values = vec![lost.id.into(), lost.attempts.into(), now.into(), REASON.into()];
    execute(tx, sql, values).await?;
    let sql = "UPDATE deliveries SET state = $2, due_at = $3, error = $4, finished_at = $5 WHERE id = $1";
    let finished: Option<Timestamp> = next.due_at.is_none().then_some(now);
    let values = vec![
        lost.id.into(),
        next.state.name().into(),
        next.due_at.into(),
        REASON.into(),
        finished.into(),
    ];
    execute(tx, sql, values).await.map(drop)
}

/// What came of the attempt with this number, unless a later one has begun or it has ended otherwise.
///
/// # Errors
/// The database's.
pub async fn advance(
    tx: &Tx,
    id: DeliveryId,
    attempt: i64,
    next: Next,
    error: Option<&str>,
    now: Timestamp,
) -> Result<(), DbErr> {
    let sql = "UPDATE deliveries SET state = $3, due_at = $4, error = $5, finished_at = $6
               WHERE id = $1 AND attempts = $2 AND state IN ('sending', 'unknown')";
    let finished: Option<Timestamp> = next.due_at.is_none().then_some(now);
    let values = vec![
        id.into(),
        attempt.into(),
        next.state.name().into(),
        next.due_at.into(),
        error.map(str::to_owned).into(),
        finished.into(),
    ];
    execute(tx, sql, values).await.map(drop)
}

/// Ends a delivery without an attempt.
///
/// # Errors
/// The database's.
pub async fn give_up(tx: &Tx, id: DeliveryId, reason: &str, now: Timestamp) -> Result<(), DbErr> {
    let sql = "UPDATE deliveries SET state = 'failed', due_at = NULL, error = $2, finished_at = $3 WHERE id = $1";
    execute(tx, sql, vec![id.into(), reason.into(), now.into()])
        .await
        .map(drop)
}

/// Ends those of a target that wait for an attempt.
///
/// # Errors
/// The database's.
pub async fn give_up_waiting(tx: &Tx, target: &str, reason: &str, now: Timestamp) -> Result<(), DbErr> {
    let sql = "UPDATE deliveries SET state = 'failed', due_at = NULL, error = $2, finished_at = $3
               WHERE target = $1 AND due_at IS NOT NULL AND state <> 'sending'";
    execute(tx, sql, vec![target.into(), reason.into(), now.into()])
        .await
        .map(drop)
}

/// Which deliveries to list.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Of this target only.
    pub target: Option<String>,
    /// Of this channel only.
    pub channel: Option<Channel>,
    /// In this state only.
    pub state: Option<State>,
}

/// At most `limit` deliveries of `user`, newest first, from the one after `after` on.
///
/// # Errors
/// The database's.
pub async fn page(
    db: &impl ConnectionTrait,
    user: UserId,
    wanted: &Wanted,
    after: Option<DeliveryId>,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let mut query = Entity::find()
        .filter(Column::UserId.eq(user))
        .order_by_desc(Column::Id)
        .limit(limit);
    if let Some(target) = &wanted.target {
        query = query.filter(Column::Target.eq(target.clone()));
    }
    if let Some(channel) = wanted.channel {
        query = query.filter(Column::Channel.eq(channel.name()));
    }
    if let Some(state) = wanted.state {
        query = query.filter(Column::State.eq(state.name()));
    }
    if let Some(after) = after {
        query = query.filter(Column::Id.lt(after));
    }
    query.all(db).await
}

/// A delivery of `user`.
///
/// # Errors
/// The database's.
pub async fn find(db: &impl ConnectionTrait, user: UserId, id: DeliveryId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).filter(Column::UserId.eq(user)).one(db).await
}

/// Sends one again that has ended, as if it was asked for now; `false` when it has not ended.
///
/// # Errors
/// The database's.
pub async fn resend(tx: &Tx, id: DeliveryId, now: Timestamp) -> Result<bool, DbErr> {
    let sql = "UPDATE deliveries SET state = 'pending', tries = 0, due_at = $2, error = NULL, finished_at = NULL
               WHERE id = $1 AND due_at IS NULL";
    Ok(execute(tx, sql, vec![id.into(), now.into()]).await? == 1)
}

/// Sends those of a target again that have ended and were asked for since then, `limit` at most, oldest first: those that
/// failed, or with `all` every one. Answers how many.
///
/// # Errors
/// The database's.
pub async fn replay(
    tx: &Tx,
    target: &str,
    since: Timestamp,
    all: bool,
    limit: u64,
    now: Timestamp,
) -> Result<u64, DbErr> {
    let failed = if all { "" } else { "AND state = 'failed'" };
    let sql = format!(
        "UPDATE deliveries SET state = 'pending', tries = 0, due_at = $3, error = NULL, finished_at = NULL WHERE id IN
         (SELECT id FROM deliveries WHERE target = $1 AND created_at >= $2 AND due_at IS NULL {failed} ORDER BY id LIMIT $4)"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    execute(tx, &sql, vec![target.into(), since.into(), now.into(), limit.into()]).await
}

/// Forgets all of a target.
///
/// # Errors
/// The database's.
pub async fn remove_of_target(tx: &Tx, target: &str) -> Result<(), DbErr> {
    remove(tx, "target = $1", target.into()).await
}

/// Forgets all of `user`.
///
/// # Errors
/// The database's.
pub async fn remove_of_user(tx: &Tx, user: UserId) -> Result<(), DbErr> {
    remove(tx, "user_id = $1", user.into()).await
}

async fn remove(tx: &Tx, which: &str, value: Value) -> Result<(), DbErr> {
    let sql = format!("DELETE FROM delivery_attempts WHERE delivery_id IN (SELECT id FROM deliveries WHERE {which})");
    execute(tx, &sql, vec![value.clone()]).await?;
    execute(tx, &format!("DELETE FROM deliveries WHERE {which}"), vec![value])
        .await
        .map(drop)
}

/// Forgets at most `limit` that have ended and were asked for before `before`; answers how many.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &Tx, before: Timestamp, limit: u32) -> Result<u64, DbErr> {
    let old = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::DueAt.is_null())
        .filter(Column::CreatedAt.lt(before))
        .order_by_asc(Column::CreatedAt)
        .limit(u64::from(limit));
    let ids: Vec<DeliveryId> = old.into_tuple().all(tx).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let these = placeholders(1, ids.len());
    for sql in [
        format!("DELETE FROM delivery_attempts WHERE delivery_id IN ({these})"),
        format!("DELETE FROM deliveries WHERE id IN ({these})"),
    ] {
        execute(tx, &sql, ids.iter().map(|id| (*id).into()).collect()).await?;
    }
    Ok(ids.len() as u64)
}

/// The id of a message that no event is behind.
pub fn own_message() -> String {
    EventId::new().to_string()
}

async fn execute(tx: &Tx, sql: &str, values: Vec<Value>) -> Result<u64, DbErr> {
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
    Ok(tx.execute_raw(statement).await?.rows_affected())
}
