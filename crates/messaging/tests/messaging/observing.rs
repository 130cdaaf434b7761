//! An observer hears every event of a known type, a batch at a time.

use std::sync::{Arc, Mutex};

use contracts::{Envelope, Event, EventId, Timestamp, auth::TokenRevoked, gateway::ClientThrottled};
use database::{Tx, testing::TestDatabase};
use messaging::{
    Heard, Observer, ReactionError, Reactions,
    inbox::{Intake, Outcome},
    message::Message,
    operator,
};
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder};

use crate::support::*;

/// Writes batches down, publishes an answer to `echo`, refuses `poison` until it is healed.
#[derive(Clone, Default)]
struct Scribe {
    listener: Listener,
    batches: Arc<Mutex<Vec<Vec<EventId>>>>,
}

#[async_trait::async_trait]
impl Observer for Scribe {
    async fn observe(&self, tx: &Tx, events: &[Heard<'_>]) -> Result<(), ReactionError> {
        let ids = events.iter().map(|heard| heard.envelope.id).collect();
        self.batches.lock().unwrap().push(ids);
        for heard in events {
            let insert = "INSERT INTO effects (event_id, key, what) VALUES ($1, $2, 'heard')";
            let values = [heard.envelope.id.into(), heard.envelope.subject.clone().into()];
            let insert = sea_orm::Statement::from_sql_and_values(tx.get_database_backend(), insert, values);
            tx.execute_raw(insert).await?;
            let text = String::from_utf8_lossy(heard.value);
            if text.contains("poison") && !self.listener.healed.load(std::sync::atomic::Ordering::SeqCst) {
                return Err(ReactionError::Rejected("it is poison".to_owned()));
            }
            assert!(!text.contains("panic"), "it is too much");
            if text.contains("echo") {
                heard
                    .cause(async { messaging::append(tx, &said("answer", "answer")) })
                    .await?;
            }
        }
        Ok(())
    }
}

fn message<E: Event>(event: &E) -> Message {
    let envelope = Envelope {
        id: EventId::new(),
        source: "/services/test".to_owned(),
        event_type: E::TYPE.to_owned(),
        time: Timestamp::now(),
        subject: event.key(),
        causation_id: None,
        traceparent: None,
        tracestate: None,
    };
    Message::of(&envelope, E::TOPIC.name(), serde_json::to_vec(event).unwrap())
}

fn revoked() -> TokenRevoked {
    TokenRevoked {
        token_id: contracts::id::TokenId::new(),
        user_id: contracts::id::UserId::new(),
    }
}

async fn observed() -> (TestDatabase, Scribe, Intake) {
    let database = TestDatabase::migrated(&migrations()).await;
    let scribe = Scribe::default();
    let reactions = Reactions::new().observing(scribe.clone());
    let intake = Intake::new(database.db(), "analytics", "1.2.3", reactions);
    (database, scribe, intake)
}

#[tokio::test]
async fn a_batch_of_any_types_is_observed_at_once_and_each_event_once() {
    let (database, scribe, intake) = observed().await;
    assert!(intake.reactions().handles(ClientThrottled::TYPE) && intake.reactions().handles(TokenRevoked::TYPE));
    assert_eq!(intake.reactions().topics(), contracts::Topic::ALL);
    let messages = [
        message(&said("ada", "one")),
        message(&revoked()),
        message(&said("ada", "two")),
    ];
    let outcomes = intake.take(&messages, 1).await.unwrap();
    assert_eq!(outcomes, [Outcome::Applied; 3]);
    let again = [messages[1].clone(), message(&said("ada", "three"))];
    let outcomes = intake.take(&again, 1).await.unwrap();
    assert_eq!(outcomes, [Outcome::Duplicate, Outcome::Applied]);
    let sizes: Vec<usize> = scribe.batches.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [3, 1]);
    assert_eq!(effects(&database.db()).await.len(), 4);
}

#[tokio::test]
async fn one_event_at_fault_becomes_a_dead_letter_and_the_others_are_observed() {
    let (database, scribe, intake) = observed().await;
    let messages = [
        message(&said("ada", "one")),
        message(&said("bob", "poison")),
        message(&said("bob", "waits")),
        message(&said("eve", "panic")),
    ];
    let outcomes = intake.take(&messages, 1).await.unwrap();
    assert_eq!(
        outcomes,
        [
            Outcome::Applied,
            Outcome::DeadLettered,
            Outcome::Parked,
            Outcome::DeadLettered
        ]
    );
    assert_eq!(effects(&database.db()).await, [("ada".to_owned(), "heard".to_owned())]);

    scribe.listener.healed.store(true, std::sync::atomic::Ordering::SeqCst);
    let letters = messaging::dead_letter::Entity::find()
        .order_by_asc(messaging::dead_letter::Column::Seq)
        .all(database.db().read())
        .await
        .unwrap();
    let order = operator::Order::new("ada@example.com", "it is healed").unwrap();
    let report = operator::redrive(&intake, letters[0].id, &order).await.unwrap();
    assert_eq!(report.handled, 2);
    let heard: Vec<String> = effects(&database.db()).await.into_iter().map(|(key, _)| key).collect();
    assert_eq!(heard, ["ada", "bob", "bob"]);
}

#[tokio::test]
async fn what_is_published_because_of_an_event_of_a_batch_names_that_event() {
    let (database, _, intake) = observed().await;
    let messages = [message(&said("ada", "one")), message(&said("ada", "echo"))];
    intake.take(&messages, 1).await.unwrap();
    let rows = messaging::outbox::Entity::find()
        .all(database.db().read())
        .await
        .unwrap();
    let causes: Vec<_> = rows.iter().map(|row| row.causation_id).collect();
    assert_eq!(causes, [Some(messages[1].envelope().unwrap().id)]);
}
