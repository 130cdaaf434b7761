//! To whom invoices are addressed.

use chassis::{FieldError, Problem};

/// To whom invoices are addressed; empty fields are not known.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Profile {
    /// A person or a company.
    pub name: String,
    /// Street, postal code and place, in lines.
    pub address: String,
    /// ISO 3166-1, two letters.
    pub country: String,
    /// For the tax of a business; empty for a person.
    pub vat_id: String,
}

impl Profile {
    /// Checks what a client sent.
    ///
    /// # Errors
    /// Every wrong field.
    pub fn parse(name: &str, address: &str, country: &str, vat_id: &str) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let name = text(&mut wrong, "/name", name, 200, false);
        let address = text(&mut wrong, "/address", address, 500, true);
        if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            wrong.push(FieldError::new(
                "/country",
                "must be a country by ISO 3166-1, two capital letters like DE",
            ));
        }
        let vat_id: String = vat_id.chars().filter(|letter| !letter.is_whitespace()).collect();
        if vat_id.len() > 20
            || !vat_id
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        {
            wrong.push(FieldError::new(
                "/vat_id",
                "must have at most 20 capital letters and digits, like DE123456789; null for a person",
            ));
        }
        if wrong.is_empty() {
            Ok(Self {
                name,
                address,
                country: country.to_owned(),
                vat_id,
            })
        } else {
            Err(wrong)
        }
    }
}

fn text(wrong: &mut Vec<FieldError>, pointer: &str, text: &str, most: usize, lines: bool) -> String {
    let trimmed = text.trim();
    let many = trimmed.chars().count();
    if many == 0 || many > most {
        wrong.push(FieldError::new(pointer, format!("must have 1 to {most} characters")));
    }
    if trimmed
        .chars()
        .any(|letter| letter.is_control() && !(lines && letter == '\n'))
    {
        wrong.push(FieldError::new(pointer, "must not have control characters"));
    }
    trimmed.to_owned()
}

/// Why a profile cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It is not of the version that the client changed.
    #[error("somebody changed it in the meantime")]
    Stale(Problem),
    /// The account is closed.
    #[error("this account is closed")]
    Closed,
    /// The database failed.
    #[error("reading or storing the billing profile")]
    Store(#[from] sea_orm::DbErr),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = Profile::parse(" ", &"x".repeat(501), "Germany", "<b>").unwrap_err();
        let pointers: Vec<&str> = wrong.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["#/name", "#/address", "#/country", "#/vat_id"]);
        assert!(Profile::parse("A\u{0}b", "x", "DE", "").is_err());
    }

    #[test]
    fn a_vat_id_is_read_as_people_write_it() {
        let profile = Profile::parse("Müller & Söhne", "Straße 1\n10115 Berlin", "DE", "DE 123 456 789").unwrap();
        assert_eq!(profile.vat_id, "DE123456789");
    }
}
