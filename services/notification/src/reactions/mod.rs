//! What this service does when it hears an event: event in, transaction, nothing else.
//!
//! Reactions share transactions with up to 200 others and `task.created` comes 1,500 times a second, so an event that
//! concerns nobody costs one look-up by index.

pub(crate) mod broadcast;
mod comment_created;
mod comment_deleted;
mod comment_updated;
pub(crate) mod disable;
mod invoice_issued;
mod member_added;
mod member_removed;
mod member_role_changed;
mod milestone_reached;
pub(crate) mod notify;
mod order_completed;
mod order_failed;
mod outside;
mod payment_failed;
mod project_deleted;
mod project_slack;
mod report_generated;
mod session_started;
mod subscription_updated;
mod task_assigned;
mod task_deleted;
mod task_due_soon;
mod usage_threshold_reached;
mod user_deleted;
mod user_disabled;
mod user_enabled;
mod user_password_changed;
mod user_registered;
mod user_updated;

use chassis::Clock;
use contracts::{
    analytics::{MilestoneReached, ReportGenerated},
    billing::{
        InvoiceCredited, InvoiceIssued, InvoicePaid, OrderCompleted, OrderFailed, PaymentFailed, PaymentSucceeded,
        SubscriptionUpdated, UsageThresholdReached,
    },
    project::{
        CommentCreated, CommentDeleted, CommentUpdated, MemberAdded, MemberInvited, MemberRemoved, MemberRoleChanged,
        ProjectCreated, ProjectDeleted, ProjectUpdated, TaskAssigned, TaskCreated, TaskDeleted, TaskDueSoon,
        TaskUpdated,
    },
};
use messaging::Reactions;

use self::{broadcast::Broadcast, project_slack::ProjectSlack};

/// All reactions. Where several hear one event: what lets somebody hear of it comes before, what ends that comes after.
pub fn all(clock: &Clock) -> Reactions {
    let clock = || clock.clone();
    let reactions = Reactions::new()
        .on(user_registered::UserRegisteredReaction)
        .on(user_updated::UserUpdatedReaction)
        .on(user_disabled::UserDisabledReaction)
        .on(user_enabled::UserEnabledReaction)
        .on(user_password_changed::UserPasswordChangedReaction { clock: clock() })
        .on(session_started::SessionStartedReaction { clock: clock() })
        .on(member_added::MemberAddedReaction { clock: clock() })
        .on(member_role_changed::MemberRoleChangedReaction)
        .on(task_assigned::TaskAssignedReaction { clock: clock() })
        .on(task_due_soon::TaskDueSoonReaction { clock: clock() })
        .on(comment_created::CommentCreatedReaction { clock: clock() })
        .on(comment_updated::CommentUpdatedReaction { clock: clock() })
        .on(milestone_reached::MilestoneReachedReaction { clock: clock() })
        .on(report_generated::ReportGeneratedReaction { clock: clock() })
        .on(order_completed::OrderCompletedReaction { clock: clock() })
        .on(order_failed::OrderFailedReaction { clock: clock() })
        .on(invoice_issued::InvoiceIssuedReaction { clock: clock() })
        .on(payment_failed::PaymentFailedReaction { clock: clock() })
        .on(subscription_updated::SubscriptionUpdatedReaction { clock: clock() })
        .on(usage_threshold_reached::UsageThresholdReachedReaction { clock: clock() })
        .on(ProjectSlack::<TaskCreated>::new(&clock()))
        .on(ProjectSlack::<TaskUpdated>::new(&clock()))
        .on(ProjectSlack::<CommentCreated>::new(&clock()))
        .on(ProjectSlack::<MilestoneReached>::new(&clock()));
    broadcasts(reactions, &clock())
        .on(user_deleted::UserDeletedReaction { clock: clock() })
        .on(project_deleted::ProjectDeletedReaction)
        .on(member_removed::MemberRemovedReaction)
        .on(task_deleted::TaskDeletedReaction)
        .on(comment_deleted::CommentDeletedReaction)
}

fn broadcasts(reactions: Reactions, clock: &Clock) -> Reactions {
    reactions
        .on(Broadcast::<ProjectCreated>::new(clock))
        .on(Broadcast::<ProjectUpdated>::new(clock))
        .on(Broadcast::<ProjectDeleted>::new(clock))
        .on(Broadcast::<MemberInvited>::new(clock))
        .on(Broadcast::<MemberAdded>::new(clock))
        .on(Broadcast::<MemberRoleChanged>::new(clock))
        .on(Broadcast::<MemberRemoved>::new(clock))
        .on(Broadcast::<TaskCreated>::new(clock))
        .on(Broadcast::<TaskUpdated>::new(clock))
        .on(Broadcast::<TaskAssigned>::new(clock))
        .on(Broadcast::<TaskDeleted>::new(clock))
        .on(Broadcast::<TaskDueSoon>::new(clock))
        .on(Broadcast::<CommentCreated>::new(clock))
        .on(Broadcast::<CommentUpdated>::new(clock))
        .on(Broadcast::<CommentDeleted>::new(clock))
        .on(Broadcast::<MilestoneReached>::new(clock))
        .on(Broadcast::<ReportGenerated>::new(clock))
        .on(Broadcast::<OrderCompleted>::new(clock))
        .on(Broadcast::<OrderFailed>::new(clock))
        .on(Broadcast::<SubscriptionUpdated>::new(clock))
        .on(Broadcast::<InvoiceIssued>::new(clock))
        .on(Broadcast::<InvoicePaid>::new(clock))
        .on(Broadcast::<InvoiceCredited>::new(clock))
        .on(Broadcast::<PaymentSucceeded>::new(clock))
        .on(Broadcast::<PaymentFailed>::new(clock))
        .on(Broadcast::<UsageThresholdReached>::new(clock))
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
