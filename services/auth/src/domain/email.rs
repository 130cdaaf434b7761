//! E-mail addresses: kept as their owner spells them, compared without case.

use email_address::{EmailAddress, Options};

/// Longest address that mail can be sent to (RFC 5321, 4.5.3.1.3).
pub const LONGEST: usize = 254;

/// An address that mail can be sent to.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Reads what somebody typed.
    ///
    /// # Errors
    /// What is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(format!("must have at most {LONGEST} characters"));
        }
        let options = Options::default()
            .without_display_text()
            .without_domain_literal()
            .with_required_tld();
        let valid = EmailAddress::parse_with_options(text, options).is_ok()
            && !text.chars().any(char::is_control)
            && mail::is_address(text);
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be an e-mail address like ada@example.com".to_owned())
        }
    }

    /// An address out of our own database.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// As its owner spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two spellings of one address share.
    pub fn key(&self) -> String {
        key(&self.0)
    }

    /// The part before the last `@`.
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or(&self.0, |(local, _)| local)
    }
}

/// What two spellings of one address share, also when it is none.
pub fn key(text: &str) -> String {
    // PostgreSQL stores no NUL; no address has one, so none is met by this.
    text.trim().replace('\0', "\u{fffd}").to_lowercase()
}

/// Addresses are personal: logs do not get them by accident.
impl std::fmt::Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Email(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_spelling_and_is_compared_without_case() {
        let address = Email::parse("  Ada.Lovelace+Hub@Example.COM ").unwrap();
        assert_eq!(address.as_str(), "Ada.Lovelace+Hub@Example.COM");
        assert_eq!(address.key(), "ada.lovelace+hub@example.com");
        assert_eq!(
            Email::parse("ÄRGER@bücher.example").unwrap().key(),
            "ärger@bücher.example"
        );
    }

    #[test]
    fn what_mail_cannot_be_sent_to_is_refused() {
        let long = format!("{}@example.com", "a".repeat(250));
        for text in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@localhost",
            "ada@example.com, bob@example.com",
            "Ada <ada@example.com>",
            "ada@[127.0.0.1]",
            "ada@exa mple.com",
            "ada@example.com\r\nBcc: all@example.com",
            "ada\0@example.com",
            "ada@@example.com",
            &long,
        ] {
            assert!(Email::parse(text).is_err(), "{text:?}");
        }
    }
}
