//! What auth counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Counters; clones count together.
#[derive(Clone, Default)]
pub struct Metrics {
    sign_ins: Family<Outcome, Counter>,
    refreshes: Family<Outcome, Counter>,
    mails: Family<Outcome, Counter>,
}

impl Metrics {
    /// Registers them.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "auth_sign_ins",
            "Attempts to sign in by outcome",
            metrics.sign_ins.clone(),
        );
        registry.register(
            "auth_refreshes",
            "Refresh tokens presented by outcome",
            metrics.refreshes.clone(),
        );
        registry.register(
            "auth_mails",
            "Attempts to send a mail by outcome",
            metrics.mails.clone(),
        );
        metrics
    }

    pub(crate) fn sign_in(&self, outcome: &'static str) {
        self.sign_ins.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn refresh(&self, outcome: &'static str) {
        self.refreshes.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn mail(&self, outcome: &'static str) {
        self.mails.get_or_create(&Outcome { outcome }).inc();
    }
}
