//! What this service does when it hears an event: event in, transaction, nothing else.

mod erased;
mod subscription_updated;

use chassis::Clock;
use contracts::{
    analytics::AnalyticsErased, billing::BillingErased, gateway::GatewayErased, notification::NotificationErased,
    project::ProjectErased,
};
use messaging::Reactions;

use self::erased::ErasedReaction;

/// All reactions.
pub fn all(clock: &Clock) -> Reactions {
    Reactions::new()
        .on(subscription_updated::SubscriptionUpdatedReaction { clock: clock.clone() })
        .on(ErasedReaction::<GatewayErased>::new())
        .on(ErasedReaction::<ProjectErased>::new())
        .on(ErasedReaction::<BillingErased>::new())
        .on(ErasedReaction::<NotificationErased>::new())
        .on(ErasedReaction::<AnalyticsErased>::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_name_this_service_as_a_consumer_of_exactly_what_it_reacts_to() {
        let reactions = all(&Clock::system());
        let differences = contracts::consumers::differences("auth", |event_type| reactions.handles(event_type));
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }
}
