//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a POST sent twice is done once.
//!
//! The key and the answer are stored in the transaction of the change: either both exist or neither. Claiming a key that a
//! concurrent request holds waits for that request's transaction, so two at once cannot both do the work.

use contracts::{Timestamp, id::UserId};
use database::{Db, MigrationTrait, SchemaManager, Tx};
use messaging::worker::{Step, StepError, Worker};
use poem::http::StatusCode;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, Statement, entity::prelude::*};
use serde::{Serialize, de::DeserializeOwned};

use super::problem::Problem;

/// How long a key is remembered.
pub const RETENTION: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// A remembered key.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    /// Whose key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub owner: String,
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// Hash of the operation and its body.
    pub request: String,
    /// The answer's body; empty only inside the transaction that claims the key.
    pub answer: String,
    /// When it was claimed.
    pub created_at: Timestamp,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A key that came with a request.
#[derive(Debug, Clone)]
pub struct Key {
    owner: UserId,
    key: String,
    request: String,
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It was used for something else.
    #[error("this Idempotency-Key was used with another request; use a new one")]
    Reused,
    /// The database failed.
    #[error("storing the idempotency key")]
    Store(#[from] DbErr),
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Reused => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                error.to_string(),
            ),
            KeyError::Store(_) => Problem::internal(error),
        }
    }
}

impl Key {
    /// Reads the header, for `operation` (its path with ids filled in) with `body`. `None` when the client sent none.
    ///
    /// # Errors
    /// 400 when the key is empty, longer than 200 bytes, or not printable ASCII.
    pub fn parse<B: Serialize>(
        header: Option<&str>,
        owner: UserId,
        operation: &str,
        body: &B,
    ) -> Result<Option<Self>, Problem> {
        use sha2::Digest;
        let Some(key) = header.map(|text| text.trim().trim_matches('"')) else {
            return Ok(None);
        };
        if key.is_empty() || key.len() > 200 || !key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return Err(Problem::malformed(
                "Idempotency-Key must be 1 to 200 printable ASCII characters, such as a UUID",
            ));
        }
        let mut hash = sha2::Sha256::new();
        hash.update(operation.as_bytes());
        hash.update([0]);
        hash.update(serde_json::to_vec(body).map_err(Problem::internal)?);
        let request = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some(Self {
            owner,
            key: key.to_owned(),
            request,
        }))
    }

    /// Claims the key in the transaction of the change. `Some` is the answer of the request that came first: give it again.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn claim<A: DeserializeOwned>(&self, tx: &Tx) -> Result<Option<A>, KeyError> {
        let claim = Statement::from_sql_and_values(
            tx.get_database_backend(),
            "INSERT INTO idempotency_keys (owner, key, request, answer, created_at) VALUES ($1, $2, $3, '', $4) ON CONFLICT DO NOTHING",
            [
                self.owner.into(),
                self.key.clone().into(),
                self.request.clone().into(),
                Timestamp::now().into(),
            ],
        );
        if tx.execute_raw(claim).await?.rows_affected() == 1 {
            return Ok(None);
        }
        let earlier = Entity::find_by_id((self.owner.to_string(), self.key.clone()))
            .one(tx)
            .await?;
        let earlier = earlier
            .filter(|earlier| earlier.request == self.request)
            .ok_or(KeyError::Reused)?;
        let answer =
            serde_json::from_str(&earlier.answer).map_err(|error| DbErr::Custom(format!("stored answer: {error}")))?;
        Ok(Some(answer))
    }

    /// Stores the answer, in the same transaction.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn record<A: Serialize>(&self, tx: &Tx, answer: &A) -> Result<(), KeyError> {
        let answer =
            serde_json::to_string(answer).map_err(|error| DbErr::Custom(format!("answer as JSON: {error}")))?;
        Entity::update_many()
            .col_expr(Column::Answer, Expr::value(answer))
            .filter(
                Column::Owner
                    .eq(self.owner.to_string())
                    .and(Column::Key.eq(self.key.clone())),
            )
            .exec(tx)
            .await?;
        Ok(())
    }
}

/// Does `work` in one write, and only once: a request that comes again with its key gets the first one's answer, and nothing
/// is done. Without a key it is a write like any other.
///
/// # Errors
/// What `work` answers, or that the key cannot be used.
pub async fn once<A, E, F>(db: &Db, key: Option<&Key>, work: F) -> Result<A, E>
where
    A: Serialize + DeserializeOwned,
    E: From<DbErr> + From<KeyError>,
    F: for<'t> AsyncFnOnce(&'t Tx) -> Result<A, E>,
{
    db.write(async |tx| {
        let Some(key) = key else { return work(tx).await };
        if let Some(earlier) = key.claim(tx).await? {
            return Ok(earlier);
        }
        let answer = work(tx).await?;
        key.record(tx, &answer).await?;
        Ok(answer)
    })
    .await
}

/// Forgets keys that are older than [`RETENTION`].
pub(crate) struct Forget {
    db: Db,
}

impl Forget {
    pub(crate) fn new(db: Db) -> Self {
        Self { db }
    }
}

#[async_trait::async_trait]
impl Worker for Forget {
    fn name(&self) -> &'static str {
        "idempotency-keys"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        let before = Timestamp::now() - RETENTION;
        // In small bites: on SQLite every writer waits for this one.
        let statement = Statement::from_sql_and_values(
            self.db.backend(),
            "DELETE FROM idempotency_keys WHERE (owner, key) IN (SELECT owner, key FROM idempotency_keys WHERE created_at < $1 LIMIT 500)",
            [before.into()],
        );
        let removed = self
            .db
            .write(async |tx| tx.execute_raw(statement).await)
            .await?
            .rows_affected();
        Ok(if removed == 500 { Step::Full } else { Step::Drained })
    }
}

/// The table.
pub struct CreateIdempotencyKeys;

impl sea_orm_migration::MigrationName for CreateIdempotencyKeys {
    fn name(&self) -> &str {
        "m0002_idempotency_keys"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateIdempotencyKeys {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE TABLE idempotency_keys (
                    owner TEXT NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL, answer TEXT NOT NULL, created_at BIGINT NOT NULL,
                    PRIMARY KEY (owner, key));
                 CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);",
            )
            .await?;
        Ok(())
    }
}
