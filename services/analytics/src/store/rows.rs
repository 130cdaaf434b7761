//! Many rows in one statement whose text does not depend on their number, so that it is prepared once: the rows travel as
//! one JSON list of lists.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};

/// A column of the rows: its place in each list, and its type in SQL.
pub(super) fn column(place: usize, kind: &str) -> String {
    format!("CAST(value ->> {place} AS {kind})")
}

/// `CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS BIGINT), …`
pub(super) fn columns(kinds: &[&str]) -> String {
    let columns: Vec<String> = kinds
        .iter()
        .enumerate()
        .map(|(place, kind)| column(place, kind))
        .collect();
    columns.join(", ")
}

/// The source of the rows, to stand after FROM: each is named `value`. They are parameter number `parameter`.
pub(super) fn source(backend: DbBackend, parameter: usize) -> String {
    match backend {
        DbBackend::Postgres => format!("jsonb_array_elements(${parameter}::jsonb) AS list (value)"),
        _ => format!("json_each(${parameter}) AS list"),
    }
}

/// A list of texts, to stand after IN.
pub(super) fn texts(backend: DbBackend, parameter: usize) -> String {
    match backend {
        DbBackend::Postgres => format!("(SELECT jsonb_array_elements_text(${parameter}::jsonb))"),
        _ => format!("(SELECT value FROM json_each(${parameter}))"),
    }
}

/// The rows as a parameter.
pub(super) fn json<T: serde::Serialize>(rows: &T) -> Result<Value, DbErr> {
    serde_json::to_string(rows)
        .map(Value::from)
        .map_err(|error| DbErr::Custom(format!("rows as JSON: {error}")))
}

/// Runs a query.
pub(super) async fn query(
    db: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<QueryResult>, DbErr> {
    db.query_all_raw(Statement::from_sql_and_values(
        db.get_database_backend(),
        sql.into(),
        values,
    ))
    .await
}

/// Runs a change; answers how many rows it touched.
pub(super) async fn execute(
    db: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Result<u64, DbErr> {
    let done = db
        .execute_raw(Statement::from_sql_and_values(
            db.get_database_backend(),
            sql.into(),
            values,
        ))
        .await?;
    Ok(done.rows_affected())
}
