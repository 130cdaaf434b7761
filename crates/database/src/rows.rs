//! Many rows in one statement.

use std::fmt::Write;

use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

use crate::Tx;

/// Rows of one statement at most.
const AT_ONCE: usize = 128;

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
    insert_rows(tx, insert, rows).await
}

/// The same for rows whose width only the caller knows; it is the same for all.
pub(crate) async fn insert_rows<R>(tx: &impl ConnectionTrait, insert: &str, rows: Vec<R>) -> Result<(), DbErr>
where
    R: IntoIterator<Item = Value>,
{
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let many = portion(rows.len());
        let values: Vec<Value> = rows.by_ref().take(many).flatten().collect();
        let sql = format!("{insert} VALUES {}", places(many, values.len() / many));
        tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
            .await?;
    }
    Ok(())
}

/// How many of `rows` rows go into the next statement: a power of two, so that there are few texts to prepare.
fn portion(rows: usize) -> usize {
    1 << rows.min(AT_ONCE).ilog2()
}

#[cfg(test)]
mod tests {
    use super::{places, portion};

    #[test]
    fn places_are_numbered_through_row_by_row() {
        assert_eq!(places(1, 1), "($1)");
        assert_eq!(places(1, 3), "($1, $2, $3)");
        assert_eq!(places(3, 2), "($1, $2), ($3, $4), ($5, $6)");
    }

    #[test]
    fn rows_go_in_few_sizes_of_portions() {
        let mut left = 300;
        let mut portions = Vec::new();
        while left > 0 {
            portions.push(portion(left));
            left -= portion(left);
        }
        assert_eq!(portions, [128, 128, 32, 8, 4]);
    }
}
