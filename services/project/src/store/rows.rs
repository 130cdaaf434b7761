//! Many rows by few statements.

use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

/// Rows of one statement: the text is the same for every full portion, so that it is prepared once.
const AT_ONCE: usize = 100;

/// Carries out `insert` (`INSERT INTO t (a, b)`) for all `rows`, each with `N` values.
///
/// # Errors
/// The database's.
pub(super) async fn insert_all<const N: usize>(tx: &Tx, insert: &str, rows: Vec<[Value; N]>) -> Result<(), DbErr> {
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let some: Vec<[Value; N]> = rows.by_ref().take(AT_ONCE).collect();
        let places: Vec<String> = (0..some.len())
            .map(|row| {
                let row: Vec<String> = (1..=N).map(|column| format!("${}", row * N + column)).collect();
                format!("({})", row.join(", "))
            })
            .collect();
        let sql = format!("{insert} VALUES {}", places.join(", "));
        let values = some.into_iter().flatten();
        tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
            .await?;
    }
    Ok(())
}
