//! Events that cannot be handled, and those that wait behind them.

use contracts::{Envelope, Event, EventId, Timestamp, gateway::ClientThrottled};
use messaging::{
    dead_letter::State,
    message::Message,
    operator::{self, OperatorError, Order},
};
use rdkafka::{Message as _, message::Headers};

use crate::support::*;

fn order() -> Order {
    Order::new("ada@example.com", "the rule was wrong").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_becomes_a_dead_letter_its_key_waits_and_other_keys_flow() {
    let (broker, service) = (broker().await, Service::new().await);
    let running = service.run(&broker);
    for what in ["one", "poison", "two", "three"] {
        append(&service.db(), "ada", what).await;
        append(&service.db(), "bob", if what == "poison" { "fine" } else { what }).await;
    }
    eventually("ada's later events are parked", async || {
        service.count(PARKED).await == 2
    })
    .await;
    eventually("bob's events flow", async || service.effects().await.len() == 5).await;
    let effects = service.effects_by_key().await;
    assert_eq!(effects["ada"], ["one"]);
    assert_eq!(effects["bob"], ["one", "fine", "two", "three"]);

    let letters = operator::list(&service.db(), None, 10).await.unwrap();
    let poison = &letters[0];
    assert_eq!(
        (poison.state, poison.error.as_str(), poison.attempts),
        (State::Dead, "it is poison", 1)
    );
    assert_eq!(
        (poison.topic.as_str(), poison.key.as_deref()),
        ("gateway.events", Some("ada"))
    );
    assert_eq!(poison.event_type.as_deref(), Some(ClientThrottled::TYPE));
    assert_eq!(poison.service_version, "1.2.3");
    assert!(letters[1..].iter().all(|letter| letter.state == State::Parked));

    service.listener.healed.store(true, std::sync::atomic::Ordering::SeqCst);
    let report = operator::redrive(&service.intake(), poison.id, &order()).await.unwrap();
    assert_eq!((report.handled, report.stopped_at), (3, None));
    assert_eq!(service.effects_by_key().await["ada"], ["one", "poison", "two", "three"]);

    append(&service.db(), "ada", "four").await;
    eventually("the key flows again", async || service.effects().await.len() == 9).await;
    running.stop().await;
    let (letter, audit) = operator::show(&service.db(), poison.id).await.unwrap();
    assert_eq!(letter.state, State::Redriven);
    assert_eq!(
        (audit[0].action.as_str(), audit[0].outcome.as_str()),
        ("redrive", "handled")
    );
    assert_eq!(
        (audit[0].actor.as_str(), audit[0].reason.as_str()),
        ("ada@example.com", "the rule was wrong")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_published_with_where_it_comes_from() {
    let (broker, service) = (broker().await, Service::new().await);
    let running = service.run(&broker);
    let id = append(&service.db(), "ada", "poison").await;
    let letters = read(&broker, "gateway.dlq", 1).await;
    running.stop().await;
    let header = |name: &str| {
        let found = letters[0].headers().unwrap().iter().find(|header| header.key == name)?;
        found.value.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    assert_eq!(header("ce_id"), Some(id.to_string()));
    assert_eq!(header("ce_type").as_deref(), Some(ClientThrottled::TYPE));
    assert_eq!(header("dlq_consumer").as_deref(), Some("gateway"));
    assert_eq!(header("dlq_topic").as_deref(), Some("gateway.events"));
    assert_eq!(header("dlq_error").as_deref(), Some("it is poison"));
    assert_eq!(header("dlq_attempts").as_deref(), Some("1"));
    assert_eq!(header("dlq_service_version").as_deref(), Some("1.2.3"));
    assert!(header("dlq_partition").is_some() && header("dlq_offset").is_some());
    let event: ClientThrottled = serde_json::from_slice(letters[0].payload().unwrap()).unwrap();
    assert_eq!(event.policy, "poison");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_costs_the_others_of_its_batch_nothing() {
    let service = Service::new().await;
    let messages: Vec<Message> = ["one", "conflict", "panic", "two"]
        .iter()
        .enumerate()
        .map(|(n, what)| message(&format!("key{n}"), what))
        .collect();
    let outcomes = service.intake().take(&messages, 1).await.unwrap();
    use messaging::inbox::Outcome::{Applied, DeadLettered};
    assert_eq!(outcomes, [Applied, DeadLettered, DeadLettered, Applied]);
    assert_eq!(
        service.effects().await.len(),
        2,
        "the effect of a failed event goes with it"
    );
    let letters = operator::list(&service.db(), None, 10).await.unwrap();
    assert!(letters[0].error.contains("storing the effect"), "{}", letters[0].error);
    assert_eq!(letters[1].error, "the reaction panicked: it is too much");
    assert_eq!(
        service.intake().take(&messages, 1).await.unwrap(),
        [messaging::inbox::Outcome::Duplicate; 4]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_an_unknown_type_or_version_becomes_a_dead_letter_and_parks_nothing() {
    let (broker, service) = (broker().await, Service::new().await);
    let running = service.run(&broker);
    let mut envelope = envelope("ada");
    envelope.event_type = "com.cloudtaskhub.client.throttled.v2".to_owned();
    let headers = envelope.headers();
    let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    send(&broker, Some(b"ada"), &headers, b"{}").await;
    eventually("a dead letter", async || service.count(DEAD).await == 1).await;
    append(&service.db(), "ada", "later").await;
    eventually("the later event of its key is handled", async || {
        service.effects().await.len() == 1
    })
    .await;
    running.stop().await;
    let letters = operator::list(&service.db(), None, 10).await.unwrap();
    assert!(letters[0].error.contains("client.throttled.v2"), "{}", letters[0].error);
    assert_eq!(letters[0].event_id, Some(envelope.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_no_event_becomes_a_dead_letter_whatever_its_bytes_are() {
    let (broker, service) = (broker().await, Service::new().await);
    let running = service.run(&broker);
    send(&broker, None, &[], b"").await;
    send(
        &broker,
        Some(&[0xff, 0xfe]),
        &[("ce_id", b"nonsense"), ("x", &[0xff])],
        &[0xff, 0x00, 0xfe],
    )
    .await;
    send(&broker, Some(b"k"), &[("ce_specversion", b"0.3")], b"{\"a\":1}").await;
    eventually("three dead letters", async || service.count(DEAD).await == 3).await;
    let copies = read(&broker, "gateway.dlq", 3).await;
    running.stop().await;
    let letters = operator::list(&service.db(), None, 10).await.unwrap();
    let binary = letters
        .iter()
        .find(|letter| letter.payload == [0xff, 0x00, 0xfe])
        .expect("the bytes are kept");
    assert_eq!(
        binary.message().headers[1],
        ("x".to_owned(), vec![0xff]),
        "and those of the headers"
    );
    assert!(
        letters
            .iter()
            .all(|letter| letter.event_id.is_none() && letter.error.contains("ce_specversion"))
    );
    assert!(
        copies.iter().any(|copy| copy.payload() == Some(b"/wD+".as_slice())),
        "bytes are published as base64"
    );

    let refused = operator::redrive(&service.intake(), binary.id, &order())
        .await
        .unwrap_err();
    assert!(matches!(refused, OperatorError::StillDead(..)), "{refused}");
    operator::discard(&service.intake(), binary.id, &order()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_discards_with_a_reason_and_what_waited_is_handled() {
    let service = Service::new().await;
    let intake = service.intake();
    let messages: Vec<Message> = ["poison", "two", "poison", "four"]
        .iter()
        .map(|what| message("ada", what))
        .collect();
    intake.take(&messages, 1).await.unwrap();
    let letters = operator::list(&service.db(), None, 10).await.unwrap();
    assert_eq!(letters.len(), 4);

    let refused = operator::discard(&intake, letters[1].id, &order()).await.unwrap_err();
    assert!(
        matches!(refused, OperatorError::Behind(_, first) if first == letters[0].id),
        "{refused}"
    );
    assert!(Order::new("ada@example.com", " ").is_err(), "a reason is required");
    assert!(Order::new("", "because").is_err(), "so is an actor");

    let report = operator::discard(&intake, letters[0].id, &order()).await.unwrap();
    assert_eq!(report.handled, 1);
    assert_eq!(
        report.stopped_at.map(|(id, _)| id),
        Some(letters[2].id),
        "the next poison stops the rest"
    );
    assert_eq!(service.effects_by_key().await["ada"], ["two"]);
    let settled = operator::redrive(&intake, letters[0].id, &order()).await.unwrap_err();
    assert!(
        matches!(settled, OperatorError::Settled(_, State::Discarded)),
        "{settled}"
    );

    let still = operator::redrive(&intake, letters[2].id, &order()).await.unwrap_err();
    assert!(matches!(still, OperatorError::StillDead(..)), "{still}");
    let (letter, audit) = operator::show(&service.db(), letters[2].id).await.unwrap();
    assert_eq!((letter.state, letter.attempts), (State::Dead, 2));
    assert_eq!(audit[0].outcome, "failed: it is poison");
    operator::discard(&intake, letters[2].id, &order()).await.unwrap();
    assert_eq!(service.effects_by_key().await["ada"], ["two", "four"]);
    let unknown = operator::show(&service.db(), contracts::id::DeadLetterId::new())
        .await
        .unwrap_err();
    assert!(matches!(unknown, OperatorError::Unknown(_)), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_arrive_while_the_operator_redrives_are_neither_lost_nor_overtaken() {
    let service = Service::new().await;
    let intake = service.intake();
    let mut sent = vec!["poison".to_owned()];
    intake.take(&[message("ada", "poison")], 1).await.unwrap();
    for n in 0..20 {
        sent.push(n.to_string());
        intake.take(&[message("ada", &n.to_string())], 1).await.unwrap();
    }
    service.listener.healed.store(true, std::sync::atomic::Ordering::SeqCst);
    let letter = operator::list(&service.db(), None, 1).await.unwrap().remove(0);
    let arriving = async {
        for n in 20..40 {
            intake.take(&[message("ada", &n.to_string())], 1).await.unwrap();
        }
    };
    let order = order();
    let (redriven, ()) = tokio::join!(operator::redrive(&intake, letter.id, &order), arriving);
    redriven.unwrap();
    sent.extend((20..40).map(|n| n.to_string()));
    assert_eq!(service.effects_by_key().await["ada"], sent);
    assert_eq!(service.count(PARKED).await, 0, "nothing is left behind");
}

fn envelope(key: &str) -> Envelope {
    Envelope {
        id: EventId::new(),
        source: "/services/gateway".to_owned(),
        event_type: ClientThrottled::TYPE.to_owned(),
        time: Timestamp::now(),
        subject: key.to_owned(),
        causation_id: None,
        traceparent: None,
        tracestate: None,
    }
}

fn message(key: &str, what: &str) -> Message {
    Message::of(
        &envelope(key),
        "gateway.events",
        serde_json::to_vec(&said(key, what)).unwrap(),
    )
}
