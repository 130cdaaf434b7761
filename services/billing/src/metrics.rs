//! What billing counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::domain::payment::{Outcome, Report, Unknown};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    provider: &'static str,
    outcome: &'static str,
}

/// Counters; clones count together.
#[derive(Clone, Default)]
pub struct Metrics {
    payments: Family<Asked, Counter>,
}

impl Metrics {
    /// Registers them.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "billing_payments",
            "What providers answered when they were asked about a payment",
            metrics.payments.clone(),
        );
        metrics
    }

    pub(crate) fn payment(&self, provider: &'static str, answer: &Result<Report, Unknown>) {
        let outcome = match answer.as_ref().map(|report| &report.outcome) {
            Ok(Outcome::Succeeded { .. }) => "succeeded",
            Ok(Outcome::Declined { .. }) => "declined",
            Ok(Outcome::ActionRequired { .. } | Outcome::Processing { .. } | Outcome::AwaitingTransfer) => "waiting",
            Ok(Outcome::Cancelled) => "cancelled",
            Err(Unknown(_)) => "unknown",
        };
        self.payments.get_or_create(&Asked { provider, outcome }).inc();
    }
}
