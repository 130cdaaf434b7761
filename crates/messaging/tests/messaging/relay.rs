//! What the relay promises by itself.

use database::testing::TestDatabase;
use messaging::{
    Broker, Metrics, Relay,
    broker::Settings,
    worker::{Step, Worker},
};
use rdkafka::Message;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_marked_after_the_broker_acknowledged_them_and_carry_the_envelope() {
    let (broker, service) = (broker().await, Service::new().await);
    let id = append(&service.db(), "ada", "hello").await;
    drain(&mut service.relay(&broker)).await;
    assert_eq!((service.count(UNSENT).await, service.count(SENT).await), (0, 1));
    let messages = read(&broker, "gateway.events", 1).await;
    let headers = messages[0].headers().map(|headers| {
        use rdkafka::message::Headers;
        headers
            .iter()
            .map(|header| {
                (
                    header.key.to_owned(),
                    String::from_utf8_lossy(header.value.unwrap()).into_owned(),
                )
            })
            .collect::<std::collections::BTreeMap<_, _>>()
    });
    let headers = headers.unwrap();
    assert_eq!(headers["ce_id"], id.to_string());
    assert_eq!(headers["ce_source"], "/services/gateway");
    assert_eq!(headers["ce_subject"], "ada");
    assert_eq!(
        headers["ce_dataschema"],
        contracts::envelope::data_schema(&headers["ce_type"])
    );
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(messages[0].key(), Some(b"ada".as_slice()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_cannot_be_reached_fails_the_step_and_loses_nothing() {
    let service = Service::new().await;
    append(&service.db(), "ada", "patient").await;
    let nowhere = Broker::new(Settings::servers("127.0.0.1:1")).unwrap();
    let mut relay = Relay::new(service.db(), nowhere, "gateway", Metrics::unread());
    let failed = relay.step().await.unwrap_err();
    assert!(failed.to_string().contains("not acknowledged 1 events"), "{failed}");
    assert!(
        !relay.stalled(),
        "it is the broker's fault: a new start of this process would not help"
    );
    assert_eq!(service.count(UNSENT).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: set DATABASE_URL"]
async fn two_replicas_never_publish_one_shard_at_a_time() {
    let database = TestDatabase::postgres().await.expect("DATABASE_URL");
    database::migrate(&database.db(), &migrations()).await.unwrap();
    let (broker, service) = (broker().await, Service::on(database));
    for n in 0..40 {
        append(&service.db(), &format!("key{n}"), "hello").await;
    }
    let other = service.database.replica().await.unwrap();
    let mut first = service.relay(&broker);
    let mut second = Relay::new(other.clone(), broker.clone(), "gateway", Metrics::unread());
    drain(&mut first).await;
    assert_eq!(service.count(UNSENT).await, 0);
    for n in 0..40 {
        append(&service.db(), &format!("key{n}"), "again").await;
    }
    assert_eq!(second.step().await.unwrap(), Step::Drained);
    assert_eq!(
        service.count(UNSENT).await,
        40,
        "the second one holds no shard while the first lives"
    );
    drop(first);
    eventually("the second one takes over", async || {
        second.step().await.unwrap();
        count(&other, UNSENT).await == 0
    })
    .await;
    assert_eq!(read(&broker, "gateway.events", 80).await.len(), 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_in_this_process_gets_again_only_what_was_not_handled_before() {
    let service = Service::new().await;
    let first = Broker::embedded().unwrap();
    first.create_topics().await.unwrap();
    let running = service.run(&first);
    for n in 0..10 {
        append(&service.db(), "ada", &n.to_string()).await;
    }
    eventually("10 effects", async || service.effects().await.len() == 10).await;
    running.stop().await;
    assert_eq!(service.count("SELECT MAX(seq) FROM outbox_checkpoint").await, 10);

    let second = Broker::embedded().unwrap();
    second.create_topics().await.unwrap();
    let known = service.consumer(&second);
    drain(&mut service.relay(&second)).await;
    drop(known);
    assert!(
        service.scrape().contains("relay_published_events_total 10"),
        "after a clean stop nothing comes again"
    );

    // A consumer that was never there before gets everything that is kept.
    let mut fresh = Service::on(TestDatabase::migrated(&migrations()).await);
    fresh.name = "billing".to_owned();
    let third = Broker::embedded().unwrap();
    third.create_topics().await.unwrap();
    let mut running = Running::default();
    running.consumer(fresh.consumer(&third));
    running.relay(service.relay(&third));
    eventually("10 effects there", async || fresh.effects().await.len() == 10).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_does_not_run_ahead_of_a_consumer_that_the_broker_in_this_process_would_forget() {
    let service = Service::new().await;
    let broker = Broker::embedded().unwrap();
    broker.create_topics().await.unwrap();
    let slow = service.consumer(&broker);
    let long = "x".repeat(500_000);
    for _ in 0..20 {
        append(&service.db(), "ada", &long).await;
    }
    let mut relay = service.relay(&broker);
    drain(&mut relay).await;
    let ahead = service.count(SENT).await;
    assert!(
        (5..10).contains(&ahead),
        "{ahead} events are on the broker, which keeps 5 MiB a partition"
    );
    let mut running = Running::default();
    running.consumer(slow);
    running.relay(relay);
    eventually("20 effects", async || service.effects().await.len() == 20).await;
    running.stop().await;
}
