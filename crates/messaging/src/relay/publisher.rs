//! What the relay publishes through: the broker, or a log in memory where a test needs to stop time.

use std::{pin::Pin, time::Duration};

use async_trait::async_trait;
use futures_util::FutureExt;
use rdkafka::{
    error::KafkaError,
    message::{Header, OwnedHeaders},
    producer::FutureRecord,
};

use crate::{
    Broker,
    broker::{BrokerError, Positions},
};

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Topic, without the prefix of the installation.
    pub topic: String,
    /// Message key.
    pub key: String,
    /// Headers, in their order.
    pub headers: Vec<(String, String)>,
    /// The value.
    pub payload: String,
}

/// Where a message was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Partition of the topic.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
}

/// A message was not stored, and will not be.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The client did not take it.
    #[error("giving an event to the producer")]
    Enqueue(#[source] KafkaError),
    /// The broker did not take it.
    #[error("the broker did not take an event")]
    Refused(#[source] KafkaError),
    /// The client was closed.
    #[error("the producer was closed before it delivered")]
    Closed,
    /// There is no client.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// Where the message was stored, once it is.
pub type Delivery = Pin<Box<dyn Future<Output = Result<Place, PublishError>> + Send + Sync>>;

/// Stores messages durably, those of one key in the order they were given.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Takes a message; the answer comes when it is stored on all replicas.
    ///
    /// # Errors
    /// When it was not even taken.
    fn publish(&self, record: Record) -> Result<Delivery, PublishError>;

    /// Whether it could be reached just now.
    async fn answers(&self) -> bool;

    /// How far the consumers have come, where that bounds how much may be published.
    fn positions(&self) -> Option<&Positions> {
        None
    }
}

#[async_trait]
impl Publisher for Broker {
    fn publish(&self, record: Record) -> Result<Delivery, PublishError> {
        let producer = self.producer()?;
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (name, value)| {
                headers.insert(Header {
                    key: name,
                    value: Some(value),
                })
            });
        let topic = self.physical(&record.topic);
        let message = FutureRecord::to(&topic)
            .key(&record.key)
            .payload(&record.payload)
            .headers(headers);
        #[expect(clippy::disallowed_methods, reason = "the one place that publishes")]
        let delivery = producer
            .send_result(message)
            .map_err(|(error, _)| PublishError::Enqueue(error))?;
        let place = delivery.map(|delivered| match delivered {
            Ok(Ok(delivery)) => Ok(Place {
                partition: delivery.partition,
                offset: delivery.offset,
            }),
            Ok(Err((error, _))) => Err(PublishError::Refused(error)),
            Err(_) => Err(PublishError::Closed),
        });
        Ok(Box::pin(place))
    }

    async fn answers(&self) -> bool {
        self.ping(Duration::from_secs(1)).await.is_ok()
    }

    fn positions(&self) -> Option<&Positions> {
        self.embedded_positions()
    }
}
