//! From outbox to effect.

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
}
