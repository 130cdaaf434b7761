//! Users: what an account is and what may become of it.

use chassis::{FieldError, Problem};
use contracts::{
    Timestamp,
    auth::{UserDeleted, UserDisabled, UserEnabled, UserPasswordChanged, UserProfile, UserRegistered, UserUpdated},
    id::UserId,
};
use identity::Role;
use sea_orm::DbErr;

use super::{
    email::Email,
    handle::Handle,
    password::{HashError, NewPassword, PasswordHash},
};

/// Characters of a display name at most.
pub const NAME_MAX: usize = 100;
/// What a user is called whose account was closed for good.
pub const DELETED: &str = "Deleted user";
/// The plan of accounts that bought none.
pub const FREE: &str = "free";

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub id: UserId,
    /// Where mail reaches them, and what they sign in with.
    pub email: Email,
    /// Short unique name.
    pub handle: Handle,
    /// Name to show.
    pub display_name: String,
    /// Of their password.
    pub password: PasswordHash,
    /// Whether they showed that the address is theirs.
    pub email_verified: bool,
    /// Global role.
    pub role: Role,
    /// What they pay for.
    pub plan: String,
    /// Version of the subscription that says so; 0 before billing has told of one.
    pub plan_version: i64,
    /// Whether an admin has shut the account.
    pub disabled: bool,
    /// Rises by one with each change.
    pub version: i64,
    /// When they registered.
    pub created_at: Timestamp,
    /// When the account changed last.
    pub updated_at: Timestamp,
}

/// The caller is not somebody who may still act.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// Session or token ended, or the account was shut, after the access token was issued.
    #[error("the session has ended or the account was disabled; sign in again")]
    Gone,
    /// The database failed.
    #[error("reading the caller")]
    Store(#[from] DbErr),
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// Values are not acceptable.
    #[error("the request is not valid")]
    Invalid(Vec<FieldError>),
    /// Somebody has an account with it.
    #[error("there is an account with this e-mail address already; sign in, or ask for a new password")]
    EmailTaken,
    /// Somebody has it.
    #[error("this handle is taken; choose another")]
    HandleTaken,
    /// There is no such user.
    #[error("there is no such user")]
    NotFound,
    /// Nobody would be left to administer.
    #[error("this is the last admin who can sign in; make somebody else an admin first")]
    LastAdmin,
    /// The caller may not act any more.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// Another version was expected.
    #[error(transparent)]
    Precondition(#[from] Problem),
    /// Password hashing failed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database failed.
    #[error("storing the user")]
    Store(#[from] DbErr),
}

/// What somebody who registers told.
pub struct Registration {
    /// Their address.
    pub email: Email,
    /// Name to show.
    pub display_name: String,
    /// Their password.
    pub password: NewPassword,
}

impl Registration {
    /// Checks what somebody typed.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(email: &str, password: &str, display_name: &str) -> Result<Self, Vec<FieldError>> {
        let address = Email::parse(email).map_err(|wrong| FieldError::new("/email", wrong));
        let name = display_name_of(display_name);
        let about = [
            email.trim(),
            address.as_ref().map_or("", Email::local_part),
            display_name.trim(),
        ];
        let password = NewPassword::parse(password, &about).map_err(|wrong| FieldError::new("/password", wrong));
        match (address, password, name) {
            (Ok(email), Ok(password), Ok(display_name)) => Ok(Self {
                email,
                display_name,
                password,
            }),
            (email, password, name) => Err([email.err(), password.err(), name.err()]
                .into_iter()
                .flatten()
                .collect()),
        }
    }
}

fn display_name_of(text: &str) -> Result<String, FieldError> {
    let name = text.trim();
    let wrong = |detail: String| Err(FieldError::new("/display_name", detail));
    match name.chars().count() {
        0 => wrong(format!("must have 1 to {NAME_MAX} characters, not only blanks")),
        count if count > NAME_MAX => wrong(format!("must have at most {NAME_MAX} characters, has {count}")),
        _ if name.chars().any(char::is_control) => wrong("must be one line without control characters".to_owned()),
        _ => Ok(name.to_owned()),
    }
}

/// What a user changes about themselves; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileChange {
    display_name: Option<String>,
    handle: Option<Handle>,
}

impl ProfileChange {
    /// Checks what somebody typed.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(display_name: Option<&str>, handle: Option<&str>) -> Result<Self, Vec<FieldError>> {
        let name = display_name.map(display_name_of).transpose();
        let handle = handle
            .map(Handle::parse)
            .transpose()
            .map_err(|wrong| FieldError::new("/handle", wrong));
        match (name, handle) {
            (Ok(display_name), Ok(handle)) => Ok(Self { display_name, handle }),
            (name, handle) => Err([name.err(), handle.err()].into_iter().flatten().collect()),
        }
    }
}

impl User {
    /// Opens an account.
    pub fn register(
        email: Email,
        handle: Handle,
        display_name: String,
        password: PasswordHash,
        now: Timestamp,
    ) -> (Self, UserRegistered) {
        let user = Self {
            id: UserId::new(),
            email,
            handle,
            display_name,
            password,
            email_verified: false,
            role: Role::User,
            plan: FREE.to_owned(),
            plan_version: 0,
            disabled: false,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let registered = UserRegistered {
            user_id: user.id,
            user: user.profile(),
        };
        (user, registered)
    }

    /// The user as others may know them.
    pub fn profile(&self) -> UserProfile {
        UserProfile {
            user_id: self.id,
            email: self.email.as_str().to_owned(),
            handle: self.handle.as_str().to_owned(),
            display_name: self.display_name.clone(),
            email_verified: self.email_verified,
            role: self.role.name().to_owned(),
            disabled: self.disabled,
            version: self.version,
        }
    }

    fn changed(&mut self, now: Timestamp) {
        self.version += 1;
        self.updated_at = now;
    }

    fn updated(&mut self, now: Timestamp) -> UserUpdated {
        self.changed(now);
        UserUpdated {
            user_id: self.id,
            user: self.profile(),
        }
    }

    /// Applies `change`; `None` when it changes nothing.
    pub fn change_profile(&mut self, change: ProfileChange, now: Timestamp) -> Option<UserUpdated> {
        let display_name = change.display_name.unwrap_or_else(|| self.display_name.clone());
        let handle = change.handle.unwrap_or_else(|| self.handle.clone());
        if display_name == self.display_name && handle == self.handle {
            return None;
        }
        (self.display_name, self.handle) = (display_name, handle);
        Some(self.updated(now))
    }

    /// The address is theirs; `None` when that was known.
    pub fn verify_email(&mut self, now: Timestamp) -> Option<UserUpdated> {
        if self.email_verified {
            return None;
        }
        self.email_verified = true;
        Some(self.updated(now))
    }

    /// Gives them a role; `None` when they have it.
    pub fn set_role(&mut self, role: Role, now: Timestamp) -> Option<UserUpdated> {
        if self.role == role {
            return None;
        }
        self.role = role;
        Some(self.updated(now))
    }

    /// Learns the plan from `version` of their subscription, unless a newer one is known. Whether it was news; and what to
    /// tell when the plan is another than before: everybody who remembers the user has to ask again.
    pub fn learn_plan(&mut self, plan: &str, version: i64, now: Timestamp) -> (bool, Option<UserUpdated>) {
        if version <= self.plan_version {
            return (false, None);
        }
        self.plan_version = version;
        if self.plan == plan {
            return (true, None);
        }
        plan.clone_into(&mut self.plan);
        (true, Some(self.updated(now)))
    }

    /// Shuts the account; `None` when it is shut.
    pub fn disable(&mut self, now: Timestamp) -> Option<UserDisabled> {
        if self.disabled {
            return None;
        }
        self.disabled = true;
        self.changed(now);
        Some(UserDisabled {
            user_id: self.id,
            version: self.version,
        })
    }

    /// Opens it again; `None` when it is open.
    pub fn enable(&mut self, now: Timestamp) -> Option<UserEnabled> {
        if !self.disabled {
            return None;
        }
        self.disabled = false;
        self.changed(now);
        Some(UserEnabled {
            user_id: self.id,
            version: self.version,
        })
    }

    /// Closes the account for good: nothing in it names anybody any more, and nobody knows the password of `hash`.
    pub fn erase(&mut self, hash: PasswordHash, now: Timestamp) -> UserDeleted {
        let id = self.id.to_string();
        self.email = Email::stored(format!("{id}@deleted.invalid"));
        // The random part of the id: unique, and within the length of a handle.
        let random: String = id.chars().rev().take(20).collect();
        self.handle = Handle::stored(format!("deleted-{random}"));
        self.display_name = DELETED.to_owned();
        self.password = hash;
        self.email_verified = false;
        self.role = Role::User;
        self.disabled = true;
        self.changed(now);
        UserDeleted {
            user_id: self.id,
            deleted_at: now,
            version: self.version,
        }
    }

    /// Sets a new password.
    pub fn set_password(&mut self, hash: PasswordHash, by_reset: bool, now: Timestamp) -> UserPasswordChanged {
        self.password = hash;
        self.changed(now);
        UserPasswordChanged {
            user_id: self.id,
            by_reset,
            version: self.version,
        }
    }

    /// What a guesser knows of them.
    pub fn known(&self) -> [&str; 4] {
        [
            self.email.as_str(),
            self.email.local_part(),
            self.handle.as_str(),
            &self.display_name,
        ]
    }

    /// Whether they can administer now.
    pub fn administers(&self) -> bool {
        self.role == Role::Admin && !self.disabled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> User {
        let hash = PasswordHash::stored("hash".to_owned());
        let (email, handle) = (Email::parse("ada@example.com").unwrap(), Handle::parse("ada").unwrap());
        User::register(email, handle, "Ada".to_owned(), hash, Timestamp::from_micros(0)).0
    }

    #[test]
    fn everything_wrong_with_a_registration_is_told_at_once() {
        let Err(wrong) = Registration::parse("ada", "short", " \n ") else {
            panic!("accepted")
        };
        let pointers: Vec<&str> = wrong.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["#/email", "#/password", "#/display_name"]);
    }

    #[test]
    fn each_change_raises_the_version_by_one_and_no_change_tells_nothing() {
        let (mut user, now) = (ada(), Timestamp::from_micros(1));
        assert_eq!(user.verify_email(now).map(|event| event.user.version), Some(2));
        assert_eq!(user.verify_email(now), None);
        assert_eq!(
            user.set_role(Role::Admin, now).map(|event| event.user.role),
            Some("admin".to_owned())
        );
        assert_eq!(user.set_role(Role::Admin, now), None);
        assert_eq!(user.enable(now), None);
        assert_eq!(user.disable(now).map(|event| event.version), Some(4));
        assert_eq!(user.disable(now), None);
        assert_eq!(user.enable(now).map(|event| event.version), Some(5));
        let same = ProfileChange::parse(Some("Ada"), Some("@ADA")).unwrap();
        assert_eq!(user.change_profile(same, now), None);
        assert_eq!(user.version, 5);
    }

    #[test]
    fn a_plan_is_learnt_from_newer_versions_alone_and_told_when_it_is_another() {
        let (mut user, now) = (ada(), Timestamp::from_micros(1));
        assert_eq!(
            user.learn_plan("free", 1, now),
            (true, None),
            "nobody sees a difference"
        );
        let (news, told) = user.learn_plan("team", 3, now);
        assert_eq!((news, told.map(|event| event.user.version)), (true, Some(2)));
        assert_eq!(user.learn_plan("business", 3, now), (false, None));
        assert_eq!(user.learn_plan("free", 2, now), (false, None));
        assert_eq!((user.plan.as_str(), user.version), ("team", 2));
    }
}
