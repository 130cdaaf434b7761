//! Who reacts to which events.
//!
//! The AsyncAPI document shows it, and a change that breaks an event's schema is refused with the names of those who would
//! break. [`differences`] holds the table against a service's real reactions in a test of that service, so it stays true.

use crate::event::{TYPE_PREFIX, catalogue};

/// In place of a list: every type there is.
const EVERYTHING: &[&str] = &["*"];

/// Each consumer with the short names of the types it reacts to.
const TABLE: &[(&str, &[&str])] = &[
    (
        "gateway",
        &[
            "user.updated.v1",
            "user.disabled.v1",
            "user.deleted.v1",
            "session.revoked.v1",
            "token.revoked.v1",
            "project.created.v1",
            "project.updated.v1",
            "project.deleted.v1",
            "member.invited.v1",
            "member.added.v1",
            "member.role_changed.v1",
            "member.removed.v1",
            "task.created.v1",
            "task.updated.v1",
            "task.assigned.v1",
            "task.moved.v1",
            "task.deleted.v1",
            "task.due_soon.v1",
            "comment.created.v1",
            "comment.updated.v1",
            "comment.deleted.v1",
            "import.progressed.v1",
            "notification.created.v1",
            "notification.read.v1",
            "plan.published.v1",
            "order.completed.v1",
            "order.failed.v1",
            "subscription.updated.v1",
        ],
    ),
    (
        "auth",
        &[
            "subscription.updated.v1",
            "erasure.gateway_completed.v1",
            "erasure.project_completed.v1",
            "erasure.billing_completed.v1",
            "erasure.notification_completed.v1",
            "erasure.analytics_completed.v1",
        ],
    ),
    (
        "project",
        &[
            "user.registered.v1",
            "user.updated.v1",
            "user.disabled.v1",
            "user.enabled.v1",
            "subscription.updated.v1",
            "user.deleted.v1",
        ],
    ),
    (
        "notification",
        &[
            "user.registered.v1",
            "user.updated.v1",
            "user.disabled.v1",
            "user.enabled.v1",
            "user.password_changed.v1",
            "user.deleted.v1",
            "session.started.v1",
            "project.created.v1",
            "project.updated.v1",
            "project.deleted.v1",
            "member.invited.v1",
            "member.added.v1",
            "member.role_changed.v1",
            "member.removed.v1",
            "task.created.v1",
            "task.updated.v1",
            "task.assigned.v1",
            "task.deleted.v1",
            "task.due_soon.v1",
            "comment.created.v1",
            "comment.updated.v1",
            "comment.deleted.v1",
            "milestone.reached.v1",
            "report.generated.v1",
            "order.completed.v1",
            "order.failed.v1",
            "subscription.updated.v1",
            "invoice.issued.v1",
            "invoice.paid.v1",
            "invoice.credited.v1",
            "payment.succeeded.v1",
            "payment.failed.v1",
            "usage.threshold_reached.v1",
        ],
    ),
    (
        "billing",
        &[
            "order.requested.v1",
            "user.registered.v1",
            "user.updated.v1",
            "user.deleted.v1",
            "project.created.v1",
            "project.deleted.v1",
            "member.added.v1",
            "member.removed.v1",
            "task.created.v1",
            "task.deleted.v1",
        ],
    ),
    ("analytics", EVERYTHING),
];

/// The services that react to `event_type`.
pub fn of(event_type: &str) -> Vec<&'static str> {
    let short = event_type.strip_prefix(TYPE_PREFIX).unwrap_or(event_type);
    TABLE
        .iter()
        .filter(|(_, types)| *types == EVERYTHING || types.contains(&short))
        .map(|(service, _)| *service)
        .collect()
}

/// Every service that reacts to anything.
pub fn services() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(service, _)| *service)
}

/// What the table says wrongly about `service`, one sentence each; `handles` tells whether it reacts to a type.
pub fn differences(service: &str, handles: impl Fn(&str) -> bool) -> Vec<String> {
    let told = |event_type: &str| of(event_type).contains(&service);
    catalogue()
        .into_iter()
        .filter(|kind| handles(kind.type_name) != told(kind.type_name))
        .map(|kind| match told(kind.type_name) {
            true => format!(
                "{service} does not react to {}: take it out of contracts::consumers",
                kind.short_name()
            ),
            false => format!(
                "{service} reacts to {}: enter it in contracts::consumers",
                kind.short_name()
            ),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_only_types_that_exist() {
        let known: Vec<&str> = catalogue().iter().map(|kind| kind.short_name()).collect();
        for (service, types) in TABLE {
            for name in types.iter().filter(|_| *types != EVERYTHING) {
                assert!(
                    known.contains(name),
                    "{service} cannot react to {name}: there is no such type"
                );
            }
        }
    }

    #[test]
    fn a_reaction_that_the_table_forgot_is_named_and_so_is_one_that_is_gone() {
        let found = differences("notification", |event_type| {
            event_type == "com.cloudtaskhub.task.moved.v1"
        });
        assert!(found.contains(&"notification reacts to task.moved.v1: enter it in contracts::consumers".to_owned()));
        assert!(found.contains(
            &"notification does not react to user.updated.v1: take it out of contracts::consumers".to_owned()
        ));
    }
}
