//! Many rows in one statement.

use std::fmt::Write;

use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

use crate::Tx;

/// Rows of one statement: its text is the same for every full portion, so that it is prepared once.
const AT_ONCE: usize = 100;

/// `($1, $2), ($3, $4)`: places for `rows` rows of `columns` values, to stand after VALUES.
pub fn places(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 5);
    for number in 0..rows * columns {
        let before = match (number, number % columns) {
            (0, _) => "($",
            (_, 0) => "), ($",
            _ => ", $",
        };
        // Writing to a text cannot fail.
        let _ = write!(text, "{before}{}", number + 1);
    }
    text.push(')');
    text
}

/// Carries out `insert` (`INSERT INTO t (a, b)`) for all `rows`, each with `N` values.
///
/// # Errors
/// The database's.
pub async fn insert_all<const N: usize>(tx: &Tx, insert: &str, rows: Vec<[Value; N]>) -> Result<(), DbErr> {
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let some: Vec<[Value; N]> = rows.by_ref().take(AT_ONCE).collect();
        let sql = format!("{insert} VALUES {}", places(some.len(), N));
        let values = some.into_iter().flatten();
        tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::places;

    #[test]
    fn places_are_numbered_through_row_by_row() {
        assert_eq!(places(1, 1), "($1)");
        assert_eq!(places(1, 3), "($1, $2, $3)");
        assert_eq!(places(3, 2), "($1, $2), ($3, $4), ($5, $6)");
    }
}
