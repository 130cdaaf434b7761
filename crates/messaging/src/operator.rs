//! What an operator can do about events: look at dead letters, have them handled after all or give them up, publish again
//! after a broker was lost, see what lags.
//!
//! Every change is audited with who and why, in the transaction of the change.

use contracts::{Timestamp, id::DeadLetterId};
use database::{Db, Tx};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};

pub use crate::broker::Offsets;
use crate::{
    Broker, ReactionError, Reactions,
    broker::BrokerError,
    dead_letter::{self, Column, Entity, Fate, Model, State},
    inbox::{self, Intake},
    message::Kind,
    worker::chain,
};

/// Who does something, and why; goes to the audit.
#[derive(Debug, Clone)]
pub struct Order {
    actor: String,
    reason: String,
}

/// Who did what to a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// `redrive` or `discard`.
    pub action: String,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What came of it.
    pub outcome: String,
    /// When.
    pub at: Timestamp,
}

/// What a redrive or discard led to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Events that were handled now, the named one and those that waited behind it.
    pub handled: u64,
    /// The event that stopped the others, and why; those behind it wait on.
    pub stopped_at: Option<(DeadLetterId, String)>,
}

/// What the operator asked for was not done.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The audit needs both.
    #[error("an actor and a reason are required")]
    Unexplained,
    /// No such row.
    #[error("no dead letter {0}; `events dlq list` shows them")]
    Unknown(DeadLetterId),
    /// It was redriven or discarded before.
    #[error("{0} is {1} already")]
    Settled(DeadLetterId, State),
    /// It is not the first of its key.
    #[error("{0} waits behind {1}: decide on that one first")]
    Behind(DeadLetterId, DeadLetterId),
    /// It cannot be handled.
    #[error("{0} still cannot be handled: {1}")]
    StillDead(DeadLetterId, String),
    /// The database failed.
    #[error("reading or changing the dead letters")]
    Store(#[from] DbErr),
}

impl Order {
    /// # Errors
    /// When one of them is empty.
    pub fn new(actor: impl Into<String>, reason: impl Into<String>) -> Result<Self, OperatorError> {
        let (actor, reason) = (actor.into(), reason.into());
        if actor.trim().is_empty() || reason.trim().is_empty() {
            return Err(OperatorError::Unexplained);
        }
        Ok(Self { actor, reason })
    }
}

/// The oldest `limit` dead letters in `state`, or all that wait for a decision.
///
/// # Errors
/// The database's.
pub async fn list(db: &Db, state: Option<State>, limit: u64) -> Result<Vec<Model>, DbErr> {
    let states = state.map_or_else(|| vec![State::Dead, State::Parked], |state| vec![state]);
    Entity::find()
        .filter(Column::State.is_in(states))
        .order_by_asc(Column::Seq)
        .limit(limit)
        .all(db.read())
        .await
}

/// One dead letter and what was done to it.
///
/// # Errors
/// When there is none of this id.
pub async fn show(db: &Db, id: DeadLetterId) -> Result<(Model, Vec<AuditEntry>), OperatorError> {
    let letter = Entity::find()
        .filter(Column::Id.eq(id))
        .one(db.read())
        .await?
        .ok_or(OperatorError::Unknown(id))?;
    let query = Statement::from_sql_and_values(
        db.backend(),
        "SELECT action, actor, reason, outcome, at FROM dead_letter_audit WHERE dead_letter_id = $1 ORDER BY seq",
        [id.into()],
    );
    let rows = db.read().query_all_raw(query).await?;
    let entry = |row: &sea_orm::QueryResult| {
        Ok(AuditEntry {
            action: row.try_get("", "action")?,
            actor: row.try_get("", "actor")?,
            reason: row.try_get("", "reason")?,
            outcome: row.try_get("", "outcome")?,
            at: row.try_get("", "at")?,
        })
    };
    Ok((letter, rows.iter().map(entry).collect::<Result<_, DbErr>>()?))
}

/// Has a dead letter handled by the reactions of this release, then those that waited behind it, in order.
///
/// # Errors
/// When it is not the first of its key, or still cannot be handled; then nothing has changed but its error and the audit.
pub async fn redrive(intake: &Intake, id: DeadLetterId, order: &Order) -> Result<Report, OperatorError> {
    let first = intake
        .db()
        .write(async |tx| {
            let letter = first_of_its_key(tx, intake, id).await?;
            react(tx, intake.reactions(), &letter).await?;
            settle(tx, &letter, State::Redriven).await?;
            audit(tx, id, "redrive", order, "handled").await?;
            Ok::<_, Attempt>(letter)
        })
        .await;
    match first {
        Ok(letter) => {
            let mut report = release(intake, &letter).await?;
            report.handled += 1;
            Ok(report)
        }
        Err(Attempt::Refused(error)) => Err(error),
        Err(Attempt::Failed(error)) => {
            let error = chain(&error);
            intake
                .db()
                .write(async |tx| {
                    let letter = first_of_its_key(tx, intake, id).await?;
                    fail(tx, &letter, &error).await?;
                    audit(tx, id, "redrive", order, &format!("failed: {error}")).await?;
                    Ok::<_, Attempt>(())
                })
                .await
                .map_err(Attempt::into_operator_error)?;
            Err(OperatorError::StillDead(id, error))
        }
    }
}

/// Gives a dead letter up, and has those handled that waited behind it, in order.
///
/// # Errors
/// When it is not the first of its key.
pub async fn discard(intake: &Intake, id: DeadLetterId, order: &Order) -> Result<Report, OperatorError> {
    let letter = intake
        .db()
        .write(async |tx| {
            let letter = first_of_its_key(tx, intake, id).await?;
            settle(tx, &letter, State::Discarded).await?;
            audit(tx, id, "discard", order, "discarded").await?;
            Ok::<_, Attempt>(letter)
        })
        .await
        .map_err(Attempt::into_operator_error)?;
    release(intake, &letter).await
}

/// Makes all events unsent that were appended at `since` or later; the relay publishes them again, and inboxes drop those
/// that were handled. For after a broker was lost. Answers how many.
///
/// # Errors
/// The database's.
pub async fn republish(db: &Db, since: Timestamp) -> Result<u64, DbErr> {
    let update = Statement::from_sql_and_values(
        db.backend(),
        "UPDATE outbox SET sent_at = NULL WHERE created_at >= $1 AND sent_at IS NOT NULL AND headers IS NULL",
        [since.into()],
    );
    Ok(db.write(async |tx| tx.execute_raw(update).await).await?.rows_affected())
}

/// For each partition that `consumer` reads: how far it is behind.
///
/// # Errors
/// When the broker does not answer.
pub async fn lag(broker: &Broker, consumer: &str, reactions: &Reactions) -> Result<Vec<Offsets>, BrokerError> {
    let topics: Vec<String> = reactions
        .topics()
        .into_iter()
        .map(|topic| topic.name().to_owned())
        .collect();
    broker.offsets(consumer, &topics).await
}

/// Why a transaction on a dead letter was rolled back.
enum Attempt {
    Refused(OperatorError),
    Failed(ReactionError),
}

impl Attempt {
    fn into_operator_error(self) -> OperatorError {
        match self {
            Attempt::Refused(error) => error,
            Attempt::Failed(ReactionError::Store(error)) => OperatorError::Store(error),
            Attempt::Failed(ReactionError::Rejected(text)) => OperatorError::Store(DbErr::Custom(text)),
        }
    }
}

impl From<DbErr> for Attempt {
    fn from(error: DbErr) -> Self {
        Attempt::Refused(OperatorError::Store(error))
    }
}

impl From<OperatorError> for Attempt {
    fn from(error: OperatorError) -> Self {
        Attempt::Refused(error)
    }
}

impl From<ReactionError> for Attempt {
    fn from(error: ReactionError) -> Self {
        match error {
            ReactionError::Store(error) if database::is_transient(&error) => error.into(),
            error => Attempt::Failed(error),
        }
    }
}

/// The letter, if it may be decided on: nothing of its key was there before it.
async fn first_of_its_key(tx: &Tx, intake: &Intake, id: DeadLetterId) -> Result<Model, OperatorError> {
    let find = || {
        Entity::find()
            .filter(Column::Id.eq(id))
            .filter(Column::Consumer.eq(intake.consumer()))
            .one(tx)
    };
    let letter = find().await?.ok_or(OperatorError::Unknown(id))?;
    if let (true, Some(key)) = (letter.blocks, &letter.key) {
        dead_letter::lock(tx, intake.consumer(), &letter.topic, key).await?;
    }
    // Read again under the lock: somebody else may have decided.
    let letter = find().await?.ok_or(OperatorError::Unknown(id))?;
    if matches!(letter.state, State::Redriven | State::Discarded) {
        return Err(OperatorError::Settled(id, letter.state));
    }
    match next(tx, &letter).await? {
        Some(first) if letter.blocks && first.seq < letter.seq => Err(OperatorError::Behind(id, first.id)),
        _ => Ok(letter),
    }
}

/// The first of the letter's key that is not settled.
async fn next(tx: &Tx, letter: &Model) -> Result<Option<Model>, DbErr> {
    let Some(key) = &letter.key else { return Ok(None) };
    Entity::find()
        .filter(Column::Consumer.eq(&letter.consumer))
        .filter(Column::Topic.eq(&letter.topic))
        .filter(Column::Key.eq(key))
        .filter(Column::Blocks.eq(true))
        .filter(Column::State.is_in([State::Dead, State::Parked]))
        .order_by_asc(Column::Seq)
        .one(tx)
        .await
}

/// Works off what is parked behind a letter that was settled, one transaction each, until one fails.
async fn release(intake: &Intake, settled: &Model) -> Result<Report, OperatorError> {
    let mut report = Report::default();
    let (true, Some(key)) = (settled.blocks, &settled.key) else {
        return Ok(report);
    };
    loop {
        let mut current = None;
        let step = intake
            .db()
            .write(async |tx| {
                dead_letter::lock(tx, intake.consumer(), &settled.topic, key).await?;
                let Some(letter) = next(tx, settled).await?.filter(|letter| letter.state == State::Parked) else {
                    return Ok(false);
                };
                current = Some(letter.clone());
                react(tx, intake.reactions(), &letter).await?;
                settle(tx, &letter, State::Redriven).await?;
                Ok::<_, Attempt>(true)
            })
            .await;
        match (step, current) {
            (Ok(true), _) => report.handled += 1,
            (Ok(false), _) => return Ok(report),
            (Err(Attempt::Failed(error)), Some(letter)) => {
                let error = chain(&error);
                intake
                    .db()
                    .write(async |tx| die(tx, intake, &letter, &error).await)
                    .await?;
                report.stopped_at = Some((letter.id, error));
                return Ok(report);
            }
            (Err(attempt), _) => return Err(attempt.into_operator_error()),
        }
    }
}

/// Runs the reactions to what the letter holds.
async fn react(tx: &Tx, reactions: &Reactions, letter: &Model) -> Result<(), ReactionError> {
    let message = letter.message();
    match message.kind(reactions) {
        Kind::Handled(envelope) => inbox::dispatch(tx, reactions, &envelope, &message.payload).await,
        Kind::PassedOver => Ok(()),
        Kind::Undeliverable { error, .. } => Err(ReactionError::Rejected(error)),
    }
}

async fn settle(tx: &Tx, letter: &Model, state: State) -> Result<(), DbErr> {
    let mut row = letter.clone().into_active_model();
    row.state = Set(state);
    row.updated_at = Set(Timestamp::now());
    Entity::update(row).exec(tx).await.map(drop)
}

async fn fail(tx: &Tx, letter: &Model, error: &str) -> Result<(), DbErr> {
    let mut row = letter.clone().into_active_model();
    row.error = Set(error.to_owned());
    row.attempts = Set(letter.attempts.saturating_add(1));
    row.state = Set(State::Dead);
    row.updated_at = Set(Timestamp::now());
    Entity::update(row).exec(tx).await.map(drop)
}

/// A parked letter could not be handled when its turn came.
async fn die(tx: &Tx, intake: &Intake, letter: &Model, error: &str) -> Result<(), DbErr> {
    fail(tx, letter, error).await?;
    let message = letter.message();
    let headers = serde_json::from_str(&letter.headers).unwrap_or_default();
    let fate = Fate {
        state: State::Dead,
        blocks: true,
        error,
        attempts: letter.attempts.saturating_add(1),
    };
    dead_letter::publish(tx, intake, &message, message.envelope().ok().as_ref(), headers, &fate).await
}

async fn audit(tx: &Tx, id: DeadLetterId, action: &str, order: &Order, outcome: &str) -> Result<(), DbErr> {
    let insert = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO dead_letter_audit (dead_letter_id, action, actor, reason, outcome, at) VALUES ($1, $2, $3, $4, $5, $6)",
        [
            id.into(),
            action.into(),
            order.actor.clone().into(),
            order.reason.clone().into(),
            outcome.into(),
            Timestamp::now().into(),
        ],
    );
    tx.execute_raw(insert).await.map(drop)
}
