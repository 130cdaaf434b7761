//! The transaction of a change, and the rows that it adds at its end.
//!
//! Most changes add a row or two to a table that nothing else in the transaction looks at: the outbox above all. Such rows
//! are collected and inserted together before the commit. On SQLite those of all writes that share the commit go together,
//! which matters: each statement costs two changes of thread there.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement, Value};

use crate::rows::insert_rows;

/// The transaction that a change belongs to.
pub struct Tx {
    inner: DatabaseTransaction,
    later: Mutex<Vec<Later>>,
}

/// A row that is inserted before the commit.
struct Later {
    insert: &'static str,
    row: Vec<Value>,
}

impl Tx {
    pub(crate) fn new(inner: DatabaseTransaction) -> Self {
        Self {
            inner,
            later: Mutex::default(),
        }
    }

    /// Has `insert` (`INSERT INTO t (a, b)`) carried out for `row` before the commit, after all other statements.
    ///
    /// Rows of one table keep their order. Only for tables that refer to no other one, and that nothing in a transaction
    /// reads or changes after adding to them.
    pub fn insert_later<const N: usize>(&self, insert: &'static str, row: [Value; N]) {
        let row = row.into();
        self.later().push(Later { insert, row });
    }

    /// For what takes no other kind of connection.
    pub(crate) fn inner(&self) -> &DatabaseTransaction {
        &self.inner
    }

    fn later(&self) -> MutexGuard<'_, Vec<Later>> {
        self.later.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many rows wait.
    pub(crate) fn waiting(&self) -> usize {
        self.later().len()
    }

    /// Forgets all but the first `kept` rows that wait.
    pub(crate) fn forget(&self, kept: usize) {
        self.later().truncate(kept);
    }

    /// Commits, with the rows that wait.
    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        let mut tables: BTreeMap<&str, Vec<Vec<Value>>> = BTreeMap::new();
        for Later { insert, row } in std::mem::take(&mut *self.later()) {
            tables.entry(insert).or_default().push(row);
        }
        for (insert, rows) in tables {
            if let Err(error) = insert_rows(&self.inner, insert, rows).await {
                // Why it was not committed is what the caller has to know.
                if let Err(rollback) = self.rollback().await {
                    tracing::warn!(error = %rollback, "rolling back");
                }
                return Err(error);
            }
        }
        self.inner.commit().await
    }

    pub(crate) async fn rollback(self) -> Result<(), DbErr> {
        self.inner.rollback().await
    }
}

#[async_trait]
impl ConnectionTrait for Tx {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.inner.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.inner.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.inner.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.inner.query_all_raw(statement).await
    }
}
