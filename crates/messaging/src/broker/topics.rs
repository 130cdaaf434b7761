//! Topics, created on purpose: with the partitions, replicas and retention that were asked for, never by accident.

use std::time::Duration;

use contracts::Topic;
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    types::RDKafkaErrorCode,
};

use super::{Broker, BrokerError, Log};

/// The topic where the dead letters of `service` are published.
pub fn dead_letter_topic(service: &str) -> String {
    format!("{service}.dlq")
}

impl Broker {
    /// Creates the topics of all services that do not exist yet: events and dead letters of each.
    ///
    /// A topic that exists stays as it is: another number of partitions would send keys elsewhere and break their order.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub async fn create_topics(&self) -> Result<(), BrokerError> {
        let names: Vec<String> = Topic::ALL
            .iter()
            .flat_map(|topic| [topic.name().to_owned(), dead_letter_topic(topic.publisher())])
            .map(|name| self.physical(&name))
            .collect();
        let settings = &self.inner.settings;
        if let Some(cluster) = &self.inner.embedded {
            return names
                .iter()
                .try_for_each(|name| cluster.create_topic(name, settings.partitions));
        }
        let mut config = self.config();
        self.customise(&mut config, &[super::CONSUMER_ONLY, super::PRODUCER_ONLY].concat());
        let admin: AdminClient<Log> = config.create_with_context(Log).map_err(BrokerError::Settings)?;
        let retention = settings.retention.as_millis().to_string();
        let topics: Vec<NewTopic<'_>> = names
            .iter()
            .map(|name| {
                NewTopic::new(name, settings.partitions, TopicReplication::Fixed(settings.replication))
                    .set("retention.ms", &retention)
                    .set("cleanup.policy", "delete")
            })
            .collect();
        let options = AdminOptions::new()
            .request_timeout(Some(Duration::from_secs(20)))
            .operation_timeout(Some(Duration::from_secs(15)));
        let results = admin
            .create_topics(&topics, &options)
            .await
            .map_err(|error| self.unusable(error.to_string()))?;
        // Destroying a client waits for its threads.
        tokio::task::spawn_blocking(move || drop(admin));
        for result in results {
            match result {
                Ok(name) => tracing::info!(topic = %name, "created"),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => return Err(self.unusable(format!("creating topic {name}: {code}"))),
            }
        }
        Ok(())
    }
}
