//! Closing an account for good: what is erased here at once, and what every other service has to erase.
//!
//! Which services those are is said in one place, the table of who reacts to what: whoever hears `user.deleted` answers with
//! an `erasure.…_completed` of its own. When the last of them has, the erasure is complete and published.

use contracts::{
    Event, Timestamp, analytics::AnalyticsErased, auth::UserDeleted, billing::BillingErased, consumers,
    gateway::GatewayErased, id::UserId, notification::NotificationErased, project::ProjectErased,
};
use sea_orm::DbErr;

use super::{password::HashError, secret::NoRandomness, session::SessionError, user::UserError};

/// The services that have to erase what they hold about somebody, beside auth.
pub fn expected() -> Vec<&'static str> {
    consumers::of(UserDeleted::TYPE)
}

/// The word of a service that it holds nothing of an account any more.
pub trait Erased: Event {
    /// Which service.
    const SERVICE: &'static str;

    /// Whose account.
    fn user(&self) -> UserId;

    /// When it was done.
    fn at(&self) -> Timestamp;
}

macro_rules! erased {
    ($($event:ident = $service:literal;)*) => {$(
        impl Erased for $event {
            const SERVICE: &'static str = $service;

            fn user(&self) -> UserId {
                self.user_id
            }

            fn at(&self) -> Timestamp {
                self.erased_at
            }
        }
    )*};
}

erased! {
    GatewayErased = "gateway";
    ProjectErased = "project";
    BillingErased = "billing";
    NotificationErased = "notification";
    AnalyticsErased = "analytics";
}

/// How far an erasure is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Whose account it was.
    pub user: UserId,
    /// When it was closed.
    pub requested_at: Timestamp,
    /// When the last service was done.
    pub completed_at: Option<Timestamp>,
    /// Each service with when it was done.
    pub services: Vec<(String, Option<Timestamp>)>,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// There is no such erasure.
    #[error("there is no such erasure; the id is the one that closing the account answered")]
    NotFound,
    /// The password is another one.
    #[error("the password is another one")]
    WrongPassword,
    /// The account cannot be closed.
    #[error(transparent)]
    User(#[from] UserError),
    /// The caller may not act, or tries too often.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Password hashing failed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The machine has no random bytes to give.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// The database failed.
    #[error("storing the erasure")]
    Store(#[from] DbErr),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_that_is_waited_for_has_a_word_for_being_done() {
        let known = [
            GatewayErased::SERVICE,
            ProjectErased::SERVICE,
            BillingErased::SERVICE,
            NotificationErased::SERVICE,
            AnalyticsErased::SERVICE,
        ];
        for service in expected() {
            assert!(known.contains(&service), "nobody hears when {service} is done");
        }
        assert!(
            expected().contains(&"project") && expected().contains(&"gateway"),
            "{:?}",
            expected()
        );
    }
}
