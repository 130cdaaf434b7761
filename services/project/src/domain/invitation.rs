//! Invitations: addresses that have no account yet.

use std::str::FromStr;

use chassis::FieldError;
use contracts::{
    Timestamp,
    id::{InvitationId, ProjectId, UserId},
    project::MemberInvited,
};
use email_address::{EmailAddress, Options};
use identity::ProjectRole;
use sea_orm::DbErr;

use super::{access::AccessError, project::Project};

/// An e-mail address: shown as it was typed, compared without case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    text: String,
    key: String,
}

impl Address {
    /// As it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// For comparing.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl FromStr for Address {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        let options = Options::default()
            .without_display_text()
            .without_domain_literal()
            .with_required_tld();
        let text = text.trim();
        EmailAddress::parse_with_options(text, options)
            .map_err(|_| FieldError::new("/email", "must be an e-mail address such as ada@example.com"))?;
        Ok(Self {
            text: text.to_owned(),
            key: key(text),
        })
    }
}

/// What two spellings of one address have in common.
pub fn key(address: &str) -> String {
    address.to_lowercase()
}

/// An invitation that waits for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Which invitation.
    pub id: InvitationId,
    /// To which project.
    pub project_id: ProjectId,
    /// Who is asked.
    pub email: String,
    /// As what.
    pub role: ProjectRole,
    /// Who asked.
    pub invited_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// Why it did not become a membership when its address registered; absent while it waits for the account.
    pub held_back: Option<String>,
}

impl Invitation {
    /// Asks `address` into `project`.
    pub fn send(
        project: &Project,
        address: &Address,
        role: ProjectRole,
        actor: UserId,
        now: Timestamp,
    ) -> (Self, MemberInvited) {
        let invitation = Self {
            id: InvitationId::new(),
            project_id: project.id,
            email: address.text().to_owned(),
            role,
            invited_by: actor,
            created_at: now,
            held_back: None,
        };
        let event = MemberInvited {
            invitation_id: invitation.id,
            project_id: project.id,
            project_name: project.name.clone(),
            email: invitation.email.clone(),
            role: role.name().to_owned(),
            actor_id: actor,
        };
        (invitation, event)
    }
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum InvitationError {
    /// The caller may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It was accepted or withdrawn, or never existed.
    #[error("there is no such pending invitation")]
    NotFound,
    /// Only owners decide who becomes one.
    #[error("only an owner can withdraw an invitation to become an owner")]
    OwnersOnly,
    /// The database failed.
    #[error("storing the invitation")]
    Store(#[from] DbErr),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_in_two_spellings_has_one_key() {
        let typed: Address = " Ada.Okafor@Example.COM ".parse().unwrap();
        assert_eq!(typed.text(), "Ada.Okafor@Example.COM");
        assert_eq!(typed.key(), "ada.okafor@example.com");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(300));
        for text in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "a b@example.com",
            "Ada <ada@example.com>",
            "ada@[127.0.0.1]",
            "ada@localhost",
            "a\u{0}@example.com",
            &long,
        ] {
            assert_eq!(text.parse::<Address>().unwrap_err().pointer, "#/email", "{text:?}");
        }
    }
}
