//! The report of an import: what became of each row.

use chassis::FieldError;
use contracts::id::{ImportId, TaskId};
use database::{Tx, insert_all};
use sea_orm::{ConnectionTrait, DbErr, Statement};
use serde::Deserialize;

use crate::domain::{import_plan::Planned, import_row::Outcome};

/// A line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which row.
    pub number: i64,
    /// The line of the file that it begins on.
    pub line: Option<i64>,
    /// What became of it.
    pub outcome: Outcome,
    /// Its title.
    pub title: String,
    /// The task that was made of it.
    pub task_id: Option<TaskId>,
    /// Why, or what could not be taken over.
    pub problems: Vec<FieldError>,
}

/// A problem as it is stored.
#[derive(Deserialize)]
struct Stored {
    pointer: String,
    detail: String,
}

/// Writes down what became of rows, each with the task that was made of it.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &Tx, import: ImportId, lines: &[(Planned, Option<TaskId>)]) -> Result<(), DbErr> {
    let rows = lines.iter().map(|(planned, task)| {
        [
            import.into(),
            i64::try_from(planned.number).unwrap_or(i64::MAX).into(),
            planned.line.map(|line| i64::try_from(line).unwrap_or(i64::MAX)).into(),
            planned.outcome.name().into(),
            // PostgreSQL cannot store U+0000.
            planned.title.replace('\0', "\u{fffd}").into(),
            (*task).into(),
            super::json_list::value(&planned.problems).into(),
        ]
    });
    let insert = "INSERT INTO import_lines (import_id, number, line, outcome, title, task_id, problems)";
    insert_all(tx, insert, rows.collect()).await
}

/// Lines of the report in their order after row `after`: those with `outcome`, or all.
///
/// # Errors
/// The database's.
pub async fn list(
    db: &impl ConnectionTrait,
    import: ImportId,
    outcome: Option<Outcome>,
    after: i64,
    limit: u64,
) -> Result<Vec<Line>, DbErr> {
    let query = Statement::from_sql_and_values(
        db.get_database_backend(),
        "SELECT number, line, outcome, title, task_id, problems FROM import_lines
         WHERE import_id = $1 AND number > $2 AND ($3 = '' OR outcome = $3) ORDER BY number LIMIT $4",
        [
            import.into(),
            after.into(),
            outcome.map_or("", Outcome::name).into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
        ],
    );
    let rows = db.query_all_raw(query).await?;
    rows.iter()
        .map(|row| {
            let outcome: String = row.try_get_by_index(2)?;
            let problems: Vec<Stored> = super::json_list::read(&row.try_get_by_index::<String>(5)?)?;
            Ok(Line {
                number: row.try_get_by_index(0)?,
                line: row.try_get_by_index(1)?,
                outcome: Outcome::parse(&outcome).ok_or_else(|| DbErr::Type("outcome of a stored line".to_owned()))?,
                title: row.try_get_by_index(3)?,
                task_id: row.try_get_by_index(4)?,
                problems: problems
                    .into_iter()
                    .map(|stored| FieldError {
                        pointer: stored.pointer,
                        detail: stored.detail,
                    })
                    .collect(),
            })
        })
        .collect()
}
