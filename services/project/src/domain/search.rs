//! What people type into a search field.
//!
//! Only the words of it are used: runs of letters and digits. So nothing that is typed can be an operator of a database's
//! query language, and what has no word finds nothing. Each word also finds longer words that begin with it.

use chassis::FieldError;

/// Characters of a query at most.
pub const QUERY_MAX: usize = 200;
/// Words of a query that count.
pub const WORDS_MAX: usize = 16;

/// The words of a query, all of which a text must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(Vec<String>);

impl Words {
    /// Reads a query from parameter `q`.
    ///
    /// # Errors
    /// When it is blank or too long.
    pub fn parse(q: &str) -> Result<Self, FieldError> {
        let count = q.chars().count();
        if q.trim().is_empty() || count > QUERY_MAX {
            return Err(FieldError::parameter(
                "q",
                format!("must have 1 to {QUERY_MAX} characters, not only blanks"),
            ));
        }
        let words = q
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty());
        Ok(Self(words.take(WORDS_MAX).map(str::to_lowercase).collect()))
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The words, in lower case.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// The part of `text` around the first of `words` in it, at most `max` characters, with `…` where something is left out.
pub fn excerpt(text: &str, words: &Words, max: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    let lower: Vec<char> = letters
        .iter()
        .map(|letter| letter.to_lowercase().next().unwrap_or(*letter))
        .collect();
    let found = words.iter().filter_map(|word| {
        let word: Vec<char> = word.chars().collect();
        lower.windows(word.len().max(1)).position(|window| window == word)
    });
    let first = found.min().unwrap_or(0);
    let start = first.saturating_sub(max / 4).min(letters.len().saturating_sub(max));
    let end = (start + max).min(letters.len());
    let middle: String = letters[start..end].iter().collect();
    let before = if start > 0 { "…" } else { "" };
    let after = if end < letters.len() { "…" } else { "" };
    format!("{before}{}{after}", middle.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(q: &str) -> Vec<String> {
        Words::parse(q).unwrap().0
    }

    #[test]
    fn operators_and_quotes_are_no_words() {
        assert_eq!(
            words("Fix -the \"valve\"* (OR) title:x^2"),
            ["fix", "the", "valve", "or", "title", "x", "2"]
        );
        assert_eq!(words("Größe 日本"), ["größe", "日本"]);
        assert_eq!(words("\"'*()&|!:<->\0%_"), Vec::<String>::new());
    }

    #[test]
    fn a_blank_or_endless_query_is_refused() {
        for q in ["", "  ", &"x".repeat(201)] {
            assert_eq!(Words::parse(q).unwrap_err().pointer, "?q");
        }
        assert_eq!(words(&"a ".repeat(100)).len(), WORDS_MAX);
    }

    #[test]
    fn an_excerpt_shows_the_first_word_found() {
        let text = format!("{} the Valve leaks {}", "before ".repeat(50), "after ".repeat(50));
        let shown = excerpt(&text, &Words::parse("valve").unwrap(), 40);
        assert!(
            shown.contains("Valve") && shown.starts_with('…') && shown.ends_with('…'),
            "{shown}"
        );
        assert_eq!(excerpt("short", &Words::parse("valve").unwrap(), 40), "short");
        assert_eq!(excerpt("", &Words::parse("valve").unwrap(), 40), "");
    }
}
