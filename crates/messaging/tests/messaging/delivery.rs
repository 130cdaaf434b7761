//! From outbox to effect.

use std::sync::atomic::Ordering;

use database::testing::TestDatabase;
use messaging::{inbox::Outcome, message::Message};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn every_committed_event_has_one_effect_in_the_order_of_its_key() {
    let (broker, service) = (broker().await, Service::new().await);
    let running = service.run(&broker);
    for n in 0..50 {
        for key in ["ada", "bob", "eve"] {
            append(&service.db(), key, &n.to_string()).await;
        }
    }
    eventually("150 effects", async || service.effects().await.len() >= 150).await;
    running.stop().await;
    let expected: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let effects = service.effects_by_key().await;
    assert_eq!(effects.len(), 3);
    assert!(effects.values().all(|what| *what == expected), "{effects:?}");
    assert_eq!(service.count(UNSENT).await, 0);
    let metrics = service.scrape();
    assert!(metrics.contains("relay_published_events_total 150"), "{metrics}");
    assert!(
        metrics.contains("consumer_events_total{outcome=\"applied\"} 150"),
        "{metrics}"
    );
    assert!(
        metrics.contains("event_delay_seconds_count{topic=\"gateway.events\"} 150"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_change_that_was_rolled_back_is_never_published() {
    let (broker, service) = (broker().await, Service::new().await);
    let failed = service
        .db()
        .write(async |tx| {
            messaging::append(tx, &said("ada", "never"))?;
            Err::<(), _>(sea_orm::DbErr::Custom("the rule says no".to_owned()))
        })
        .await;
    assert!(failed.is_err());
    append(&service.db(), "ada", "then").await;
    let running = service.run(&broker);
    eventually("one effect", async || !service.effects().await.is_empty()).await;
    running.stop().await;
    assert_eq!(service.effects().await, [("ada".to_owned(), "then".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_too_long_for_a_broker_fails_its_change_instead_of_blocking_the_outbox() {
    let service = Service::new().await;
    let long = "x".repeat(messaging::outbox::MAX_PAYLOAD);
    let refused = service
        .db()
        .write(async |tx| messaging::append(tx, &said("ada", &long)))
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("at most 786432 can be published"),
        "{refused}"
    );
    assert_eq!(service.count("SELECT COUNT(*) FROM outbox").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_events_flow_although_few_fit_on_the_broker_at_once() {
    let (broker, service) = (broker().await, Service::new().await);
    let running = service.run(&broker);
    let long = "x".repeat(messaging::outbox::MAX_PAYLOAD - 1000);
    for _ in 0..20 {
        append(&service.db(), "ada", &long).await;
    }
    eventually("20 effects", async || service.effects().await.len() == 20).await;
    running.stop().await;
    assert!(
        service.scrape().contains("consumer_gaps_total 0"),
        "nothing was dropped unread"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_published_twice_has_one_effect() {
    let (broker, service) = (broker().await, Service::new().await);
    let running = service.run(&broker);
    for n in 0..10 {
        append(&service.db(), "ada", &n.to_string()).await;
    }
    eventually("10 effects", async || service.effects().await.len() == 10).await;
    let again = messaging::operator::republish(&service.db(), contracts::Timestamp::from_micros(0))
        .await
        .unwrap();
    assert_eq!(again, 10);
    eventually("all are known", async || {
        service.scrape().contains("inbox_duplicates_total 10")
    })
    .await;
    running.stop().await;
    assert_eq!(service.effects().await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_twice_in_one_batch_has_one_effect() {
    let service = Service::new().await;
    let envelope = contracts::Envelope {
        id: contracts::EventId::new(),
        source: "/services/gateway".to_owned(),
        event_type: <contracts::gateway::ClientThrottled as contracts::Event>::TYPE.to_owned(),
        time: contracts::Timestamp::now(),
        subject: "ada".to_owned(),
        causation_id: None,
        traceparent: None,
        tracestate: None,
    };
    let message = Message::of(
        &envelope,
        "gateway.events",
        serde_json::to_vec(&said("ada", "once")).unwrap(),
    );
    let outcomes = service.intake().take(&[message.clone(), message], 1).await.unwrap();
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Duplicate]);
    assert_eq!(service.effects().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_reaction_publishes_names_its_cause() {
    let (broker, service) = (broker().await, Service::new().await);
    let running = service.run(&broker);
    let cause = append(&service.db(), "ada", "echo").await;
    eventually("question and answer", async || service.effects().await.len() == 2).await;
    running.stop().await;
    let sql = format!("SELECT COUNT(*) FROM outbox WHERE causation_id = '{cause}'");
    assert_eq!(service.count(&sql).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_fails_for_a_while_loses_and_doubles_nothing_and_keeps_the_order() {
    let (broker, service) = (broker().await, Service::new().await);
    service.listener.outages.store(6, Ordering::SeqCst);
    let running = service.run(&broker);
    for n in 0..20 {
        append(&service.db(), "ada", &n.to_string()).await;
    }
    eventually("20 effects", async || service.effects().await.len() >= 20).await;
    running.stop().await;
    let expected: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    assert_eq!(service.effects_by_key().await["ada"], expected);
    assert_eq!(
        service.count("SELECT COUNT(*) FROM dead_letters").await,
        0,
        "what passes is no reason to give up"
    );
    assert!(service.scrape().contains("consumer_retries_total 6"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_stops_while_the_database_is_away_leaves_the_event_for_the_next() {
    let (broker, service) = (broker().await, Service::new().await);
    service.listener.outages.store(u32::MAX, Ordering::SeqCst);
    let running = service.run(&broker);
    append(&service.db(), "ada", "patient").await;
    eventually("it was tried", async || {
        service.listener.calls.load(Ordering::SeqCst) > 2
    })
    .await;
    running.stop().await;
    assert_eq!(service.effects().await.len(), 0);
    service.listener.outages.store(0, Ordering::SeqCst);
    let running = service.run(&broker);
    eventually("the effect", async || service.effects().await.len() == 1).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_stopped_goes_on_where_it_was() {
    let (broker, service) = (broker().await, Service::new().await);
    let running = service.run(&broker);
    append(&service.db(), "ada", "before").await;
    eventually("one effect", async || service.effects().await.len() == 1).await;
    running.stop().await;
    append(&service.db(), "ada", "after").await;
    let running = service.run(&broker);
    eventually("two effects", async || service.effects().await.len() == 2).await;
    running.stop().await;
    let metrics = service.scrape();
    assert!(
        metrics.contains("inbox_duplicates_total 0"),
        "the offsets were committed at the stop: {metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_that_come_and_go_neither_lose_nor_double_nor_reorder() {
    let (broker, service) = (broker().await, Service::new().await);
    let mut relays = Running::default();
    let consumers: Vec<_> = (0..2).map(|_| service.consumer(&broker)).collect();
    relays.relay(service.relay(&broker));
    let mut first = Running::default();
    let mut second = Running::default();
    let mut consumers = consumers.into_iter();
    first.consumer(consumers.next().unwrap());
    let append_some = async |from: u32, to: u32| {
        for n in from..to {
            for key in ["ada", "bob", "eve", "joe", "kim", "lee"] {
                append(&service.db(), key, &n.to_string()).await;
            }
        }
    };
    append_some(0, 20).await;
    second.consumer(consumers.next().unwrap());
    append_some(20, 40).await;
    first.stop().await;
    append_some(40, 60).await;
    eventually("360 effects", async || service.effects().await.len() >= 360).await;
    second.stop().await;
    relays.stop().await;
    let expected: Vec<String> = (0..60).map(|n| n.to_string()).collect();
    assert!(service.effects_by_key().await.values().all(|what| *what == expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_was_lost_with_everything_on_it_does_no_harm() {
    let service = Service::new().await;
    let first = broker().await;
    let running = service.run(&first);
    for n in 0..10 {
        append(&service.db(), "ada", &n.to_string()).await;
    }
    eventually("10 effects", async || service.effects().await.len() == 10).await;
    running.stop().await;
    drop(first);
    append(&service.db(), "ada", "10").await;

    // Another broker knows neither topics nor offsets.
    let second = broker().await;
    messaging::operator::republish(&service.db(), contracts::Timestamp::from_micros(0))
        .await
        .unwrap();
    let running = service.run(&second);
    eventually("the new one as well", async || service.effects().await.len() == 11).await;
    eventually("the old ones are known", async || {
        service.scrape().contains("inbox_duplicates_total 10")
    })
    .await;
    running.stop().await;
    let expected: Vec<String> = (0..11).map(|n| n.to_string()).collect();
    assert_eq!(service.effects_by_key().await["ada"], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_file_that_was_closed_and_opened_again_has_everything() {
    let database = TestDatabase::sqlite().await;
    database::migrate(&database.db(), &migrations()).await.unwrap();
    let service = Service::on(database);
    append(&service.db(), "ada", "kept").await;
    service.db().close().await.unwrap();
    let again = service.database.replica().await.unwrap();
    assert_eq!(count(&again, UNSENT).await, 1);
}
