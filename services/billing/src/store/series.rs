//! The numbers of invoices and credit notes: gapless for each seller, kind and year.
//!
//! The last number is a row that is raised in the transaction of the document: concurrent writers wait for each other, and
//! a transaction that is rolled back gives its number back. A database's sequence would leave gaps.

use database::Tx;
use sea_orm::{ConnectionTrait, DbErr};

use super::statement;
use crate::domain::invoice::Kind;

/// The next number of a series. Others who want one of it wait until this transaction ends.
///
/// # Errors
/// The database's.
pub async fn next(tx: &Tx, seller: &str, kind: Kind, year: i32) -> Result<i64, DbErr> {
    let sql = "INSERT INTO number_series (seller, kind, year, last) VALUES ($1, $2, $3, 1)
               ON CONFLICT (seller, kind, year) DO UPDATE SET last = number_series.last + 1 RETURNING last";
    let values = [seller.into(), kind.name().into(), i64::from(year).into()];
    let row = tx.query_one_raw(statement(tx, sql, values)).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("the number just written".to_owned()))?
        .try_get("", "last")
}
