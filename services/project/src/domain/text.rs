//! Rules for texts that people write.

use chassis::FieldError;

/// A text of one line, without blanks around it: 1 to `max` characters.
///
/// # Errors
/// What is wrong with it, at `pointer` (`/name`).
pub fn line(pointer: &str, text: &str, max: usize) -> Result<String, FieldError> {
    let text = text.trim();
    let wrong = |detail: String| Err(FieldError::new(pointer, detail));
    match text.chars().count() {
        0 => wrong(format!("must have 1 to {max} characters, not only blanks")),
        count if count > max => wrong(format!("must have at most {max} characters, has {count}")),
        _ if text.chars().any(char::is_control) => wrong("must be one line without control characters".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// A text of any number of lines: 0 to `max` characters.
///
/// # Errors
/// What is wrong with it, at `pointer`.
pub fn lines(pointer: &str, text: &str, max: usize) -> Result<String, FieldError> {
    let count = text.chars().count();
    if count > max {
        return Err(FieldError::new(
            pointer,
            format!("must have at most {max} characters, has {count}"),
        ));
    }
    // PostgreSQL cannot store U+0000 in a text at all.
    if text
        .chars()
        .any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
    {
        return Err(FieldError::new(
            pointer,
            "must not contain control characters other than line breaks and tabs",
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_trimmed_and_counted_in_characters_not_bytes() {
        assert_eq!(line("/name", "  Größe 📏 ", 7).unwrap(), "Größe 📏");
        assert!(line("/name", "Größe 📏!", 7).unwrap_err().detail.contains("has 8"));
    }

    #[test]
    fn a_line_of_blanks_breaks_or_nul_is_refused() {
        for text in ["", "   ", "\n\t", "a\nb", "a\u{0}b", "a\u{7f}"] {
            assert_eq!(line("/name", text, 100).unwrap_err().pointer, "#/name", "{text:?}");
        }
    }

    #[test]
    fn lines_may_be_empty_and_broken_but_hold_no_nul() {
        assert_eq!(lines("/description", "", 10).unwrap(), "");
        assert_eq!(lines("/description", "a\r\n\tb", 10).unwrap(), "a\r\n\tb");
        assert!(lines("/description", "a\u{0}", 10).is_err());
        assert!(lines("/description", &"x".repeat(11), 10).is_err());
    }
}
