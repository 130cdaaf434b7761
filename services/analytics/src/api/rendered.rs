//! An answer as JSON or, for `Accept: text/csv`, as a table.
//!
//! A cell that a spreadsheet would take for a formula begins with an apostrophe (OWASP: CSV injection); numbers stay numbers.

use chassis::{Problem, http::json::Json};
use poem::{IntoResponse, Response, web::Accept};
use poem_openapi::{
    ApiResponse,
    payload::Payload,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use serde::Serialize;

const CSV: &str = "text/csv";

/// What can be written as a table.
pub trait Table {
    /// The names of the columns.
    fn columns(&self) -> Vec<String>;
    /// The rows, each with a cell for each column.
    fn rows(&self) -> Vec<Vec<String>>;
}

/// 200, in the format that the client likes better.
pub struct Rendered<T> {
    body: T,
    csv: bool,
}

impl<T> Rendered<T> {
    /// As JSON, unless `accept` puts CSV before it.
    pub fn new(body: T, accept: &Accept) -> Self {
        let preferred = accept.0.iter().find(|mime| {
            ["text/csv", "text/*", "application/json", "application/*", "*/*"].contains(&mime.essence_str())
        });
        let csv = preferred.is_some_and(|mime| mime.type_() == "text");
        Self { body, csv }
    }
}

impl<T: Serialize + Table + Send> IntoResponse for Rendered<T> {
    fn into_response(self) -> Response {
        if !self.csv {
            return Json(self.body).into_response();
        }
        match table(&self.body) {
            Ok(bytes) => Response::builder()
                .content_type("text/csv; charset=utf-8; header=present")
                .header("vary", "accept")
                .body(bytes),
            Err(error) => Problem::internal(error).render(None),
        }
    }
}

fn table(body: &impl Table) -> Result<Vec<u8>, std::io::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(body.columns())?;
    for row in body.rows() {
        writer.write_record(row.into_iter().map(safe))?;
    }
    writer.into_inner().map_err(|error| error.into_error())
}

fn safe(cell: String) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<i64>().is_err();
    if formula { format!("'{cell}") } else { cell }
}

impl<T: Type + Serialize> ApiResponse for Rendered<T> {
    fn meta() -> MetaResponses {
        let content = vec![
            MetaMediaType {
                content_type: Json::<T>::CONTENT_TYPE,
                schema: T::schema_ref(),
            },
            MetaMediaType {
                content_type: CSV,
                schema: String::schema_ref(),
            },
        ];
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Done. As a table, one row for each bucket, for Accept: text/csv.",
                status: Some(200),
                status_range: None,
                content,
                headers: vec![],
            }],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Cells(Vec<&'static str>);

    impl Table for Cells {
        fn columns(&self) -> Vec<String> {
            vec!["cell".to_owned()]
        }

        fn rows(&self) -> Vec<Vec<String>> {
            self.0.iter().map(|cell| vec![(*cell).to_owned()]).collect()
        }
    }

    #[test]
    fn a_cell_is_never_a_formula_and_a_negative_number_stays_one() {
        let bytes = table(&Cells(vec!["=1+1", "@SUM(A1)", "-5", "-cmd", "plain", "a,\"b\""])).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text, "cell\n'=1+1\n'@SUM(A1)\n-5\n'-cmd\nplain\n\"a,\"\"b\"\"\"\n");
    }

    #[test]
    fn a_table_is_answered_to_who_puts_it_first() {
        let csv = |accept: &[&str]| {
            let accept = Accept(accept.iter().map(|mime| mime.parse().unwrap()).collect());
            Rendered::new((), &accept).csv
        };
        assert!(csv(&["text/csv"]) && csv(&["text/*"]) && csv(&["text/html", "text/csv", "*/*"]));
        assert!(!csv(&[]) && !csv(&["*/*"]) && !csv(&["application/json", "text/csv"]) && !csv(&["image/png"]));
    }
}
