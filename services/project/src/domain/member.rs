//! Members: who may make whom what.
//!
//! Admins manage everybody below owner; only owners make, change or remove owners; everybody may leave. A project always
//! keeps an owner whose account works, whoever asks, also when two owners leave at once: changes of members' roles wait for
//! each other.

use chassis::{FieldError, Problem, http::idempotency::KeyError};
use contracts::{
    Timestamp,
    id::UserId,
    project::{MemberAdded, MemberRemoved, MemberRoleChanged},
};
use identity::ProjectRole;
use sea_orm::DbErr;

use super::{access::AccessError, invitation::Address, project::Project, quota::QuotaError};

/// Somebody's place in a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: ProjectRole,
    /// Since when, counted from the last return.
    pub joined_at: Timestamp,
    /// Rises by one with each change, also over removal and return.
    pub version: i64,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// The caller may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// No such member.
    #[error("there is no such member in this project")]
    NotFound,
    /// Only owners decide about owners.
    #[error("only an owner can make, change or remove an owner")]
    OwnersOnly,
    /// Somebody has to own it.
    #[error(
        "a project needs an owner with a working account: make somebody else an owner first, or delete the project"
    )]
    LastOwner,
    /// They are in already.
    #[error("this person is a member of the project already; change the role with PATCH")]
    AlreadyMember,
    /// They are asked already.
    #[error("this address has a pending invitation already; withdraw that one to change the role")]
    AlreadyInvited,
    /// There are enough invitations.
    #[error("the project has {0} pending invitations, which is the limit; withdraw some first")]
    TooManyInvitations(u64),
    /// The account is shut.
    #[error("the account of this address is disabled")]
    AccountDisabled,
    /// Another version was expected.
    #[error(transparent)]
    Precondition(#[from] Problem),
    /// The plan allows no more.
    #[error(transparent)]
    Quota(#[from] QuotaError),
    /// The idempotency key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database failed.
    #[error("storing the member")]
    Store(#[from] DbErr),
}

/// Pending invitations of a project at most: they send mail to strangers.
pub const INVITATIONS_MAX: u64 = 200;

/// A role as somebody typed it.
///
/// # Errors
/// When there is no such role.
pub fn role(text: &str) -> Result<ProjectRole, FieldError> {
    text.parse()
        .map_err(|expected: String| FieldError::new("/role", expected))
}

/// Whom to ask into a project, as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Whom.
    pub address: Address,
    /// As what.
    pub role: ProjectRole,
}

impl Invite {
    /// Checks what somebody typed.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(email: &str, as_role: &str) -> Result<Self, Vec<FieldError>> {
        match (email.parse(), role(as_role)) {
            (Ok(address), Ok(role)) => Ok(Self { address, role }),
            (address, role) => Err(address.err().into_iter().chain(role.err()).collect()),
        }
    }
}

/// Whether somebody with the role `actor` may give or take the role `target`.
///
/// # Errors
/// [`MemberError::OwnersOnly`].
pub fn may_decide_about(actor: ProjectRole, target: ProjectRole) -> Result<(), MemberError> {
    if target == ProjectRole::Owner && actor != ProjectRole::Owner {
        Err(MemberError::OwnersOnly)
    } else {
        Ok(())
    }
}

impl Membership {
    /// The maker's, in a new project.
    pub fn first_owner(user: UserId, now: Timestamp) -> Self {
        Self {
            user,
            role: ProjectRole::Owner,
            joined_at: now,
            version: 1,
        }
    }

    /// They are in from now on.
    pub fn added(&self, project: &Project, actor: UserId) -> MemberAdded {
        MemberAdded {
            project_id: project.id,
            project_name: project.name.clone(),
            user_id: self.user,
            role: self.role.name().to_owned(),
            actor_id: actor,
            version: self.version,
        }
    }

    /// Makes them something else; `None` when they are that already. `other_owners`: working owners beside them.
    ///
    /// # Errors
    /// When `actor` may not, or the project would lose its last owner.
    pub fn change_role(
        &mut self,
        project: &Project,
        role: ProjectRole,
        actor: (UserId, ProjectRole),
        other_owners: u64,
    ) -> Result<Option<MemberRoleChanged>, MemberError> {
        may_decide_about(actor.1, self.role)?;
        may_decide_about(actor.1, role)?;
        if self.role == role {
            return Ok(None);
        }
        self.keep_an_owner(other_owners)?;
        self.role = role;
        self.version += 1;
        Ok(Some(MemberRoleChanged {
            project_id: project.id,
            project_name: project.name.clone(),
            user_id: self.user,
            role: role.name().to_owned(),
            actor_id: actor.0,
            version: self.version,
        }))
    }

    /// They leave, or are sent away.
    ///
    /// # Errors
    /// When `actor` may not, or the project would lose its last owner.
    pub fn remove(
        &mut self,
        project: &Project,
        actor: (UserId, ProjectRole),
        other_owners: u64,
    ) -> Result<MemberRemoved, MemberError> {
        may_decide_about(actor.1, self.role)?;
        self.keep_an_owner(other_owners)?;
        self.version += 1;
        Ok(MemberRemoved {
            project_id: project.id,
            project_name: project.name.clone(),
            user_id: self.user,
            actor_id: actor.0,
            version: self.version,
        })
    }

    fn keep_an_owner(&self, others: u64) -> Result<(), MemberError> {
        if self.role == ProjectRole::Owner && others == 0 {
            Err(MemberError::LastOwner)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::project::ProjectDraft;

    const NOW: Timestamp = Timestamp::from_micros(0);
    const ROLES: [ProjectRole; 4] = [
        ProjectRole::Viewer,
        ProjectRole::Member,
        ProjectRole::Admin,
        ProjectRole::Owner,
    ];

    fn project() -> Project {
        ProjectDraft::parse("Apollo", None)
            .unwrap()
            .create(UserId::new(), NOW)
            .0
    }

    fn member(role: ProjectRole) -> Membership {
        Membership {
            role,
            ..Membership::first_owner(UserId::new(), NOW)
        }
    }

    #[test]
    fn an_admin_decides_about_everybody_but_owners() {
        for (from, to) in ROLES.iter().flat_map(|from| ROLES.map(|to| (*from, to))) {
            let owners = from == ProjectRole::Owner || to == ProjectRole::Owner;
            let as_admin = member(from).change_role(&project(), to, (UserId::new(), ProjectRole::Admin), 5);
            assert_eq!(
                matches!(as_admin, Err(MemberError::OwnersOnly)),
                owners,
                "{from:?} to {to:?}: {as_admin:?}"
            );
            let as_owner = member(from).change_role(&project(), to, (UserId::new(), ProjectRole::Owner), 5);
            assert_eq!(as_owner.unwrap().is_some(), from != to, "{from:?} to {to:?}");
        }
    }

    #[test]
    fn the_last_owner_stays_owner_whoever_asks() {
        let owner = (UserId::new(), ProjectRole::Owner);
        for to in [ProjectRole::Viewer, ProjectRole::Member, ProjectRole::Admin] {
            let refused = member(ProjectRole::Owner).change_role(&project(), to, owner, 0);
            assert!(matches!(refused, Err(MemberError::LastOwner)));
            assert!(
                member(ProjectRole::Owner)
                    .change_role(&project(), to, owner, 1)
                    .unwrap()
                    .is_some()
            );
        }
        assert!(matches!(
            member(ProjectRole::Owner).remove(&project(), owner, 0),
            Err(MemberError::LastOwner)
        ));
        assert!(member(ProjectRole::Owner).remove(&project(), owner, 1).is_ok());
        assert!(member(ProjectRole::Admin).remove(&project(), owner, 0).is_ok());
    }

    #[test]
    fn everything_wrong_with_an_invite_is_told_at_once() {
        let wrong = Invite::parse("nobody", "boss").unwrap_err();
        let pointers: Vec<_> = wrong.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["#/email", "#/role"]);
    }
}
