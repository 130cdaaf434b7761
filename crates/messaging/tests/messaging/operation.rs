//! What operators see and do, and what is removed in time.

use std::time::Duration;

use contracts::Timestamp;
use messaging::{metrics::Sampler, operator, prune::Prune, worker::Worker};
use sea_orm::ConnectionTrait;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_tell_what_waits() {
    let service = Service::new().await;
    append(&service.db(), "ada", "one").await;
    append(&service.db(), "ada", "two").await;
    let long_ago = Timestamp::now() - Duration::from_mins(10);
    let age = format!("UPDATE outbox SET created_at = {} WHERE seq = 1", long_ago.as_micros());
    service
        .db()
        .write(async |tx| tx.execute_unprepared(&age).await.map(drop))
        .await
        .unwrap();
    let mut sampler = Sampler::new(service.db(), service.metrics.clone());
    sampler.step().await.unwrap();
    let metrics = service.scrape();
    assert!(metrics.contains("outbox_pending 2"), "{metrics}");
    let oldest = metrics
        .lines()
        .find_map(|line| line.strip_prefix("outbox_oldest_age_seconds "))
        .unwrap();
    assert!((600.0..700.0).contains(&oldest.parse::<f64>().unwrap()), "{oldest}");
    assert!(
        metrics.contains("dlq_depth{state=\"dead\"} 0"),
        "a drained depth is 0, not absent: {metrics}"
    );

    drain(&mut service.relay(&broker().await)).await;
    sampler.step().await.unwrap();
    let metrics = service.scrape();
    assert!(
        metrics.contains("outbox_pending 0") && metrics.contains("outbox_oldest_age_seconds 0.0"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_is_what_a_group_has_not_read() {
    let (broker, service) = (broker().await, Service::new().await);
    for n in 0..7 {
        append(&service.db(), &format!("key{n}"), "hello").await;
    }
    drain(&mut service.relay(&broker)).await;
    let lag = async || {
        let offsets = operator::lag(&broker, "gateway", &service.reactions()).await.unwrap();
        assert_eq!(offsets.len(), 3, "one for each partition");
        offsets.iter().map(operator::Offsets::lag).sum::<i64>()
    };
    assert_eq!(lag().await, 7);
    let running = service.run(&broker);
    eventually("7 effects", async || service.effects().await.len() == 7).await;
    running.stop().await;
    assert_eq!(lag().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_waits_for_nothing_makes_progress() {
    let (broker, service) = (broker().await, Service::new().await);
    let consumer = service.consumer(&broker);
    let progress = consumer.progress();
    let before = Timestamp::now();
    let mut running = Running::default();
    running.consumer(consumer);
    eventually("it beats while idle", async || {
        progress.age() < Timestamp::now().since(before)
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sent_events_and_old_memories_are_removed_and_unsent_ones_never() {
    let service = Service::new().await;
    let db = service.db();
    for n in 0..1200 {
        let (age, sent) = if n < 1100 { (10, "1") } else { (1, "1") };
        let created = (Timestamp::now() - Duration::from_hours(24 * age)).as_micros();
        // One that is old and was never sent.
        let sent = if n == 3 {
            "NULL".to_owned()
        } else {
            format!("{created} + {sent}")
        };
        let sql = format!(
            "INSERT INTO outbox (event_id, topic, key, shard, event_type, created_at, payload, sent_at) \
             VALUES ('e{n}', 't', 'k', 0, 'x', {created}, '{{}}', {sent});
             INSERT INTO inbox (consumer, event_id, handled_at) VALUES ('gateway', 'e{n}', {created} - {})",
            Duration::from_hours(24 * 7).as_micros()
        );
        db.write(async |tx| tx.execute_unprepared(&sql).await.map(drop))
            .await
            .unwrap();
    }
    let mut prune = Prune::usual(db.clone());
    drain(&mut prune).await;
    assert_eq!(service.count(UNSENT).await, 1);
    assert_eq!(service.count(SENT).await, 100);
    assert_eq!(service.count("SELECT COUNT(*) FROM inbox").await, 100);
    drain(&mut prune).await;
    assert_eq!(service.count(SENT).await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_always_remembers_longer_than_the_outbox_can_repeat() {
    let service = Service::new().await;
    let db = service.db();
    let handled = (Timestamp::now() - Duration::from_hours(30)).as_micros();
    let sql = format!("INSERT INTO inbox (consumer, event_id, handled_at) VALUES ('gateway', 'e', {handled})");
    db.write(async |tx| tx.execute_unprepared(&sql).await.map(drop))
        .await
        .unwrap();
    drain(&mut Prune::new(db, Duration::from_hours(24), Duration::from_hours(1))).await;
    assert_eq!(service.count("SELECT COUNT(*) FROM inbox").await, 1);
}
