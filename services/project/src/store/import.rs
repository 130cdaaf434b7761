//! Imports and the chunks of their files.

use contracts::{
    Timestamp,
    id::{ImportId, ProjectId, UserId},
};
use database::Tx;
use messaging::Cause;
use sea_orm::{
    ConnectionTrait, DbErr, IntoActiveModel, PaginatorTrait, QueryOrder, QuerySelect, Statement, entity::prelude::*,
    sea_query::Expr,
};

use super::json_list;
use crate::domain::import::{Format, Import, ImportError, State};

/// A row of `imports`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "imports")]
pub struct Model {
    /// Which import.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ImportId,
    /// Who asked for it.
    pub user_id: UserId,
    /// The project that it fills.
    pub project_id: Option<ProjectId>,
    /// The name of the project to fill.
    pub project_name: Option<String>,
    /// What the file is.
    pub format: Option<String>,
    /// The encoding of its text.
    pub charset: Option<String>,
    /// Whether it only reports.
    pub dry_run: bool,
    /// `receiving`, `queued`, `running`, `completed` or `failed`.
    pub status: String,
    /// Bytes of the file.
    pub size: i64,
    /// Chunks of the file.
    pub chunks: i64,
    /// Rows of the file.
    pub rows_total: Option<i64>,
    /// Rows that are done with.
    pub rows_read: i64,
    /// Tasks that were created.
    pub created: i64,
    /// Rows that needed nothing.
    pub skipped: i64,
    /// Rows that could not be taken.
    pub rejected: i64,
    /// What its owner should know, a JSON list.
    pub notes: String,
    /// Why it was given up.
    pub failure: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it got on last.
    pub updated_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The request for it.
    pub cause: Option<Cause>,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A chunk of a file.
pub mod chunk {
    use contracts::id::ImportId;
    use sea_orm::entity::prelude::*;

    /// A row of `import_chunks`.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "import_chunks")]
    pub struct Model {
        /// Of which import.
        #[sea_orm(primary_key, auto_increment = false)]
        pub import_id: ImportId,
        /// Which chunk, from 0.
        #[sea_orm(primary_key, auto_increment = false)]
        pub number: i64,
        /// Its bytes.
        pub bytes: Vec<u8>,
    }

    /// None: rows name each other by id alone.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl From<Import> for Model {
    fn from(import: Import) -> Self {
        Self {
            id: import.id,
            user_id: import.user_id,
            project_id: import.project_id,
            project_name: import.project_name,
            format: import.format.map(|format| format.name().to_owned()),
            charset: import.charset,
            dry_run: import.dry_run,
            status: import.state.name().to_owned(),
            size: number(import.size),
            chunks: number(import.chunks),
            rows_total: import.rows_total.map(number),
            rows_read: number(import.rows_read),
            created: number(import.created),
            skipped: number(import.skipped),
            rejected: number(import.rejected),
            notes: json_list::value(&import.notes),
            failure: import.failure,
            created_at: import.created_at,
            updated_at: import.updated_at,
            finished_at: import.finished_at,
            cause: import.cause,
        }
    }
}

impl TryFrom<Model> for Import {
    type Error = DbErr;

    fn try_from(row: Model) -> Result<Self, DbErr> {
        let unknown = |what: &str| DbErr::Type(format!("{what} of a stored import"));
        Ok(Self {
            id: row.id,
            user_id: row.user_id,
            project_id: row.project_id,
            project_name: row.project_name,
            format: row
                .format
                .map(|name| Format::parse(&name).ok_or_else(|| unknown("format")))
                .transpose()?,
            charset: row.charset,
            dry_run: row.dry_run,
            state: State::parse(&row.status).ok_or_else(|| unknown("status"))?,
            size: row.size.unsigned_abs(),
            chunks: row.chunks.unsigned_abs(),
            rows_total: row.rows_total.map(i64::unsigned_abs),
            rows_read: row.rows_read.unsigned_abs(),
            created: row.created.unsigned_abs(),
            skipped: row.skipped.unsigned_abs(),
            rejected: row.rejected.unsigned_abs(),
            notes: json_list::read(&row.notes)?,
            failure: row.failure,
            created_at: row.created_at,
            updated_at: row.updated_at,
            finished_at: row.finished_at,
            cause: row.cause,
        })
    }
}

/// Stores a new import.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &Tx, import: &Import) -> Result<(), DbErr> {
    let row = Model::from(import.clone()).into_active_model();
    Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

/// Stores a chunk of the file, and that it is still arriving.
///
/// # Errors
/// The database's, also when the import was given up meanwhile.
pub async fn add_chunk(tx: &Tx, import: ImportId, place: u64, bytes: Vec<u8>, now: Timestamp) -> Result<(), DbErr> {
    let row = chunk::Model {
        import_id: import,
        number: number(place),
        bytes,
    };
    chunk::Entity::insert(row.into_active_model())
        .exec_without_returning(tx)
        .await?;
    Entity::update_many()
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(import))
        .exec(tx)
        .await?;
    Ok(())
}

/// A chunk of the file.
///
/// # Errors
/// The database's.
pub async fn read_chunk(db: &impl ConnectionTrait, import: ImportId, place: u64) -> Result<Option<Vec<u8>>, DbErr> {
    let row = chunk::Entity::find_by_id((import, number(place))).one(db).await?;
    Ok(row.map(|row| row.bytes))
}

/// Writes an import down, provided that it is where `state` and `rows_read` say; answers whether it was. So of two replicas
/// that read one file for a moment only one gets on.
///
/// # Errors
/// The database's.
pub async fn update(tx: &Tx, import: &Import, state: State, rows_read: u64) -> Result<bool, DbErr> {
    let row = Model::from(import.clone());
    let update = Entity::update_many()
        .col_expr(Column::ProjectId, Expr::value(row.project_id))
        .col_expr(Column::Format, Expr::value(row.format))
        .col_expr(Column::Charset, Expr::value(row.charset))
        .col_expr(Column::Status, Expr::value(row.status))
        .col_expr(Column::Size, Expr::value(row.size))
        .col_expr(Column::Chunks, Expr::value(row.chunks))
        .col_expr(Column::RowsTotal, Expr::value(row.rows_total))
        .col_expr(Column::RowsRead, Expr::value(row.rows_read))
        .col_expr(Column::Created, Expr::value(row.created))
        .col_expr(Column::Skipped, Expr::value(row.skipped))
        .col_expr(Column::Rejected, Expr::value(row.rejected))
        .col_expr(Column::Notes, Expr::value(row.notes))
        .col_expr(Column::Failure, Expr::value(row.failure))
        .col_expr(Column::UpdatedAt, Expr::value(row.updated_at))
        .col_expr(Column::FinishedAt, Expr::value(row.finished_at))
        .filter(Column::Id.eq(row.id))
        .filter(Column::Status.eq(state.name()))
        .filter(Column::RowsRead.eq(number(rows_read)));
    Ok(update.exec(tx).await?.rows_affected == 1)
}

/// Forgets an import with its file and report.
///
/// # Errors
/// The database's.
pub async fn delete(tx: &Tx, import: ImportId) -> Result<(), DbErr> {
    Entity::delete_by_id(import).exec(tx).await?;
    Ok(())
}

/// An import of `user`.
///
/// # Errors
/// [`ImportError::NotFound`], also for a malformed id, or the database's.
pub async fn find(db: &impl ConnectionTrait, user: UserId, id: &str) -> Result<Import, ImportError> {
    let id: ImportId = id.parse().map_err(|_| ImportError::NotFound)?;
    let row = Entity::find_by_id(id).filter(Column::UserId.eq(user)).one(db).await?;
    Ok(row.ok_or(ImportError::NotFound)?.try_into()?)
}

/// A page of the imports of `user` whose files have arrived, the newest first, after import `after`.
///
/// # Errors
/// The database's.
pub async fn of_user(
    db: &impl ConnectionTrait,
    user: UserId,
    after: Option<ImportId>,
    limit: u64,
) -> Result<Vec<Import>, DbErr> {
    let mut query = Entity::find()
        .filter(Column::UserId.eq(user))
        .filter(Column::Status.ne(State::Receiving.name()))
        .order_by_desc(Column::Id)
        .limit(limit);
    if let Some(after) = after {
        query = query.filter(Column::Id.lt(after));
    }
    query.all(db).await?.into_iter().map(Import::try_from).collect()
}

/// How many imports of `user` are not finished.
///
/// # Errors
/// The database's.
pub async fn unfinished(db: &impl ConnectionTrait, user: UserId) -> Result<u64, DbErr> {
    Entity::find()
        .filter(Column::UserId.eq(user))
        .filter(Column::FinishedAt.is_null())
        .count(db)
        .await
}

/// The oldest import that is to be done and not among `held`.
///
/// # Errors
/// The database's.
pub async fn next(db: &impl ConnectionTrait, held: &[ImportId]) -> Result<Option<Import>, DbErr> {
    let row = Entity::find()
        .filter(Column::FinishedAt.is_null())
        .filter(Column::Status.is_in([State::Queued.name(), State::Running.name()]))
        .filter(Column::Id.is_not_in(held.iter().copied()))
        .order_by_asc(Column::Id)
        .one(db)
        .await?;
    row.map(Import::try_from).transpose()
}

/// Cleans up a little: files of finished imports, uploads that nothing was heard of since `stalled`, and what finished
/// before `old`; answers how many rows went.
///
/// # Errors
/// The database's.
pub async fn sweep(tx: &Tx, stalled: Timestamp, old: Timestamp, limit: u64) -> Result<u64, DbErr> {
    let statements = [
        (
            "DELETE FROM import_chunks WHERE (import_id, number) IN (
                 SELECT c.import_id, c.number FROM imports i JOIN import_chunks c ON c.import_id = i.id
                 WHERE i.finished_at IS NOT NULL OR (i.status = 'receiving' AND i.updated_at < $1) LIMIT $2)",
            stalled,
        ),
        (
            "DELETE FROM import_lines WHERE (import_id, number) IN (
                 SELECT l.import_id, l.number FROM imports i JOIN import_lines l ON l.import_id = i.id
                 WHERE i.finished_at < $1 LIMIT $2)",
            old,
        ),
        (
            "DELETE FROM imports WHERE id IN (
                 SELECT id FROM imports i WHERE i.status = 'receiving' AND i.updated_at < $1
                 AND NOT EXISTS (SELECT 1 FROM import_chunks c WHERE c.import_id = i.id) LIMIT $2)",
            stalled,
        ),
        (
            "DELETE FROM imports WHERE id IN (
                 SELECT id FROM imports i WHERE i.finished_at < $1
                 AND NOT EXISTS (SELECT 1 FROM import_lines l WHERE l.import_id = i.id) LIMIT $2)",
            old,
        ),
    ];
    let mut gone = 0;
    for (sql, before) in statements {
        let values = [before.into(), number(limit).into()];
        let delete = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
        gone += tx.execute_raw(delete).await?.rows_affected();
    }
    Ok(gone)
}
