//! What stands in the cells of an exported CSV file.
//!
//! Spreadsheets take a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula and carry it out
//! (OWASP, CSV injection). Such a cell gets an apostrophe before it, and so does one that begins with an apostrophe, so that
//! exactly what was escaped is taken back when our own file is imported.

/// How a text stands in a cell.
pub(super) fn escape(text: &str) -> std::borrow::Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']) {
        format!("'{text}").into()
    } else {
        text.into()
    }
}

/// The text of a cell that [`escape`] wrote.
pub(super) fn unescape(cell: String) -> String {
    match cell.strip_prefix('\'') {
        Some(text) => text.to_owned(),
        None => cell,
    }
}

/// Several names in one cell: `bug; "fix; later"`.
pub(super) fn join<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted = |name: &str| {
        if name.contains([',', ';', '|', '"']) {
            format!("\"{}\"", name.replace('"', "\"\""))
        } else {
            name.to_owned()
        }
    };
    let names: Vec<String> = names.into_iter().map(quoted).collect();
    names.join("; ")
}

/// The names in one cell, between commas, semicolons or bars; a name in double quotes may hold any of them.
pub(super) fn split(cell: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = cell.trim_start();
    while !rest.is_empty() {
        let (name, after) = match rest.strip_prefix('"').and_then(quoted) {
            Some((name, after)) => (name, after.trim_start()),
            None => {
                let end = rest.find([',', ';', '|']).unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        if !name.is_empty() {
            names.push(name);
        }
        rest = after.strip_prefix([',', ';', '|']).unwrap_or(after).trim_start();
    }
    names
}

/// The name in quotes whose opening quote is gone, and what follows it; `None` when it is not closed.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_formula_is_written_so_that_no_spreadsheet_carries_it_out() {
        for formula in ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"] {
            assert_eq!(escape(formula), format!("'{formula}"));
        }
        assert_eq!(escape("a=b"), "a=b");
    }

    #[test]
    fn names_are_taken_apart_as_people_write_them() {
        assert_eq!(split("bug, ui;later | x"), ["bug", "ui", "later", "x"]);
        assert_eq!(split(" ; , "), Vec::<String>::new());
        assert_eq!(split("\"a, b\"; \"5\"\"\""), ["a, b", "5\""]);
        assert_eq!(split("\"not closed, b"), ["\"not closed", "b"]);
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_taken_back(text in "[=+@\t\r'a-]{0,6}") {
            prop_assert_eq!(unescape(escape(&text).into_owned()), text);
        }

        #[test]
        fn what_is_joined_comes_apart_the_same(names in prop::collection::vec("[a,;|\"']([a ,;|\"']{0,4}[a,;|\"'])?", 0..6)) {
            prop_assert_eq!(split(&join(names.iter().map(String::as_str))), names);
        }
    }
}
