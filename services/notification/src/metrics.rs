//! What notification counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Result {
    channel: String,
    result: &'static str,
}

/// Counters; clones count together.
#[derive(Clone, Default)]
pub struct Metrics {
    attempts: Family<Result, Counter>,
}

impl Metrics {
    /// Registers them.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "notification_delivery_attempts",
            "Attempts to deliver something outside by channel and result",
            metrics.attempts.clone(),
        );
        metrics
    }

    pub(crate) fn attempt(&self, channel: &str, result: &'static str) {
        let channel = channel.to_owned();
        self.attempts.get_or_create(&Result { channel, result }).inc();
    }
}
