//! What this service does when it hears an event: event in, transaction, nothing else.
//!
//! Reactions share transactions with up to 200 others and `task.created` comes 1,500 times a second, so only what leads to
//! a notification, or forbids one, is listened to.

mod comment_created;
mod comment_deleted;
mod comment_updated;
mod member_added;
mod member_removed;
mod notify;
mod project_deleted;
mod session_started;
mod task_assigned;
mod task_deleted;
mod task_due_soon;
mod user_disabled;
mod user_enabled;
mod user_password_changed;
mod user_registered;
mod user_updated;

use chassis::Clock;
use messaging::Reactions;

/// All reactions.
pub fn all(clock: &Clock) -> Reactions {
    Reactions::new()
        .on(user_registered::UserRegisteredReaction)
        .on(user_updated::UserUpdatedReaction)
        .on(user_disabled::UserDisabledReaction)
        .on(user_enabled::UserEnabledReaction)
        .on(user_password_changed::UserPasswordChangedReaction { clock: clock.clone() })
        .on(session_started::SessionStartedReaction { clock: clock.clone() })
        .on(project_deleted::ProjectDeletedReaction)
        .on(member_added::MemberAddedReaction { clock: clock.clone() })
        .on(member_removed::MemberRemovedReaction)
        .on(task_assigned::TaskAssignedReaction { clock: clock.clone() })
        .on(task_deleted::TaskDeletedReaction)
        .on(task_due_soon::TaskDueSoonReaction { clock: clock.clone() })
        .on(comment_created::CommentCreatedReaction { clock: clock.clone() })
        .on(comment_updated::CommentUpdatedReaction { clock: clock.clone() })
        .on(comment_deleted::CommentDeletedReaction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_name_this_service_as_a_consumer_of_exactly_what_it_reacts_to() {
        let reactions = all(&Clock::system());
        let differences = contracts::consumers::differences("notification", |event_type| reactions.handles(event_type));
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }
}
