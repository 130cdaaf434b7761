//! What this service does when it hears an event: event in, transaction, nothing else.

mod subscription_updated;
mod user_deleted;
mod user_disabled;
mod user_enabled;
mod user_registered;
mod user_updated;

use chassis::Clock;
use messaging::Reactions;

/// All reactions.
pub(crate) fn all(clock: &Clock) -> Reactions {
    Reactions::new()
        .on(user_registered::UserRegisteredReaction { clock: clock.clone() })
        .on(user_updated::UserUpdatedReaction { clock: clock.clone() })
        .on(user_disabled::UserDisabledReaction)
        .on(user_enabled::UserEnabledReaction)
        .on(subscription_updated::SubscriptionUpdatedReaction { clock: clock.clone() })
        .on(user_deleted::UserDeletedReaction { clock: clock.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_name_this_service_as_a_consumer_of_exactly_what_it_reacts_to() {
        let reactions = all(&Clock::system());
        let differences = contracts::consumers::differences("project", |event_type| reactions.handles(event_type));
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }
}
