//! A list of texts as one parameter, so that a query's text does not depend on how many there are.

use sea_orm::DbBackend;

/// A table with the one column `value`: the elements of the JSON list in `parameter` (`$2`).
pub(super) fn table(backend: DbBackend, parameter: &str) -> String {
    match backend {
        DbBackend::Postgres => format!("json_array_elements_text({parameter}::json)"),
        _ => format!("json_each({parameter})"),
    }
}

/// The parameter's value.
pub(super) fn value<T: serde::Serialize>(list: &[T]) -> String {
    // Ids and texts are always JSON.
    serde_json::to_string(list).unwrap_or_else(|_| "[]".to_owned())
}

/// A stored list.
///
/// # Errors
/// When the column holds something else.
pub(super) fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<Vec<T>, sea_orm::DbErr> {
    // Most lists are empty.
    if text == "[]" {
        return Ok(Vec::new());
    }
    serde_json::from_str(text).map_err(|error| sea_orm::DbErr::Type(format!("a stored list: {error}")))
}
