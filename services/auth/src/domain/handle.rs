//! Handles: the short unique names of users, for mentions (`@ada`).

/// Characters of a handle at least.
pub const SHORTEST: usize = 2;
/// Characters of a handle at most.
pub const LONGEST: usize = 32;

/// Names that would read as something else in a mention or an address.
const RESERVED: &[&str] = &[
    "admin",
    "administrator",
    "all",
    "api",
    "channel",
    "everybody",
    "everyone",
    "here",
    "hub",
    "me",
    "nobody",
    "none",
    "null",
    "root",
    "security",
    "support",
    "system",
    "team",
    "undefined",
];

/// A handle: lower-case letters, digits, `-` and `_`, beginning and ending with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handle(String);

impl Handle {
    /// Reads what somebody typed; a leading `@` and capitals are forgiven.
    ///
    /// # Errors
    /// What is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let handle = text.strip_prefix('@').unwrap_or(text).to_lowercase();
        if !well_formed(&handle) {
            return Err(format!(
                "must have {SHORTEST} to {LONGEST} letters a-z, digits, - or _, and begin and end with a letter or digit"
            ));
        }
        if RESERVED.contains(&handle.as_str()) {
            return Err(format!("{handle} is reserved; choose another"));
        }
        Ok(Self(handle))
    }

    /// Handles to try for a new user, from the local part of their address: the plain one, then numbered ones. `random`
    /// numbers the later ones, so that the thousandth Ada does not try a thousand.
    pub fn candidates(local_part: &str, random: impl Fn() -> u32) -> Vec<Self> {
        let before_tag = local_part.split('+').next().unwrap_or_default();
        let mut stem = String::new();
        for letter in before_tag.to_lowercase().chars() {
            match letter {
                'a'..='z' | '0'..='9' | '_' => stem.push(letter),
                _ if stem.ends_with('-') => {}
                _ => stem.push('-'),
            }
        }
        stem.truncate(LONGEST - 8);
        let stem = stem.trim_matches(['-', '_']);
        let stem = if stem.len() < SHORTEST { "user" } else { stem };
        let plain = (stem != "user").then(|| stem.to_owned());
        let numbered = (2..=9).map(|number| format!("{stem}{number}"));
        let random = (0..8).map(|_| format!("{stem}{}", 10 + random() % 9_999_990));
        plain
            .into_iter()
            .chain(numbered)
            .chain(random)
            .filter_map(|text| Self::parse(&text).ok())
            .collect()
    }

    /// A handle out of our own database.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// Its text, without `@`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn well_formed(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let outer = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    (SHORTEST..=LONGEST).contains(&bytes.len())
        && bytes.iter().all(|byte| inner(*byte))
        && outer(bytes.first())
        && outer(bytes.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(local_part: &str) -> String {
        Handle::candidates(local_part, || 4711)[0].as_str().to_owned()
    }

    #[test]
    fn a_handle_comes_from_the_local_part_of_the_address() {
        assert_eq!(first("ada"), "ada");
        assert_eq!(first("Ada.Lovelace+hub"), "ada-lovelace");
        assert_eq!(first("_o'neill..x_"), "o-neill-x");
        assert_eq!(first("a_b"), "a_b");
    }

    #[test]
    fn an_address_that_gives_no_handle_gets_a_numbered_one() {
        for local_part in ["", "+", "ü", "...", "x", "日本語"] {
            assert_eq!(first(local_part), "user2", "{local_part:?}");
        }
        assert_eq!(first("admin"), "admin2");
        assert_eq!(first("all"), "all2");
    }

    #[test]
    fn every_candidate_is_a_handle_however_long_the_address() {
        let all = Handle::candidates(&"ab-".repeat(100), || u32::MAX);
        assert!(all.len() == 17 && all.iter().all(|handle| well_formed(handle.as_str())));
    }

    #[test]
    fn what_a_mention_could_not_name_is_refused() {
        for text in [
            "",
            "a",
            "-ada",
            "ada-",
            "ada lovelace",
            "ada.l",
            "ädä",
            "all",
            "@here",
            "me",
            &"a".repeat(33),
        ] {
            assert!(Handle::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(Handle::parse(" @Ada-L ").unwrap().as_str(), "ada-l");
    }
}
