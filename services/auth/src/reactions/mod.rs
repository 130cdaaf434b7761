//! What this service does when it hears an event: event in, transaction, nothing else.

mod erased;

use contracts::{
    analytics::AnalyticsErased, billing::BillingErased, gateway::GatewayErased, notification::NotificationErased,
    project::ProjectErased,
};
use messaging::Reactions;

use self::erased::ErasedReaction;

/// All reactions.
pub(crate) fn all() -> Reactions {
    Reactions::new()
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
    fn the_table_of_consumers_names_what_this_service_reacts_to() {
        let reactions = all();
        let differences = contracts::consumers::differences("auth", |event_type| reactions.handles(event_type));
        assert!(differences.is_empty(), "{differences:#?}");
    }
}
