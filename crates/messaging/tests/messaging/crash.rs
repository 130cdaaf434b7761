//! kill -9 of the whole process between any two steps, many times: each event still has exactly one effect.
//!
//! The process that dies is this test binary, started again as a child with `CHILD_DATABASE` set. It appends events, runs
//! relay and consumer, and is killed at the point that `CLOUDTASKHUB_CRASH_AT` names. A last life without a crash works off
//! what is left.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
};

use database::{Db, Options, testing::TestDatabase};
use messaging::{
    Broker,
    broker::Settings,
    crash::{CONSUMER_COMMITTED, OUTBOX_COMMITTED, RELAY_PUBLISHED},
};
use sea_orm::{ConnectionTrait, Statement};

use crate::support::*;

const SIGKILL: i32 = 9;
const ROUNDS: u32 = 6;

/// One life of the process; answers whether it was killed.
fn live(options: &Options, broker: Option<(&Broker, &str)>, crash_at: Option<(&str, u32)>) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "crash::a_life", "--ignored", "--nocapture"])
        .env("CHILD_DATABASE", &options.url)
        .env_remove("CLOUDTASKHUB_CRASH_AT")
        .stdout(Stdio::null());
    if let Some((broker, prefix)) = broker {
        child.env("CHILD_BROKER", broker.servers()).env("CHILD_PREFIX", prefix);
    }
    if let Some((point, passage)) = crash_at {
        child.env("CLOUDTASKHUB_CRASH_AT", format!("{point}:{passage}"));
    }
    let status = child.status().unwrap();
    assert!(
        status.success() || status.signal() == Some(SIGKILL),
        "the child failed by itself: {status}"
    );
    !status.success()
}

/// Not a test by itself: what the child does.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a part of the other tests here"]
async fn a_life() {
    let Ok(url) = std::env::var("CHILD_DATABASE") else {
        return;
    };
    let db = Db::open(&Options {
        durable: false,
        ..Options::new(url)
    })
    .await
    .unwrap();
    let settings = match std::env::var("CHILD_BROKER") {
        Ok(servers) => Settings {
            prefix: std::env::var("CHILD_PREFIX").unwrap(),
            // A member that was killed is forgotten after this time; the newer protocol leaves that to the broker.
            properties: [("group.protocol", "classic"), ("session.timeout.ms", "6000")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..Settings::servers(servers)
        },
        Err(_) => Settings::embedded(),
    };
    let broker = Broker::new(settings).unwrap();
    if broker.is_embedded() {
        broker.create_topics().await.unwrap();
    }
    let service = Process { db: db.clone() };
    let running = service.run(&broker);
    // Round by round, so that each point is passed at least so many times.
    for _ in 0..ROUNDS {
        for key in ["ada", "bob", "eve"] {
            append(&db, key, "said").await;
        }
        eventually("all events have effects", async || count(&db, UNHANDLED).await == 0).await;
    }
    running.stop().await;
}

struct Process {
    db: Db,
}

impl Process {
    fn run(&self, broker: &Broker) -> Running {
        let reactions = messaging::Reactions::new().on(Listener::default());
        let intake = messaging::inbox::Intake::new(self.db.clone(), "gateway", "1.2.3", reactions);
        let metrics = messaging::Metrics::unread();
        let mut running = Running::default();
        running.consumer(messaging::Consumer::new(broker.clone(), intake, metrics.clone()).unwrap());
        running.relay(messaging::Relay::new(
            self.db.clone(),
            broker.clone(),
            "gateway",
            metrics,
        ));
        running
    }
}

const UNHANDLED: &str = "SELECT COUNT(*) FROM outbox WHERE event_id NOT IN (SELECT event_id FROM effects)";

/// Each committed event has exactly one effect, and those of a key in the order they were appended.
async fn assert_exactly_once(db: &Db) {
    let ids = async |sql: &str| -> Vec<(String, String)> {
        let rows = db
            .read()
            .query_all_raw(Statement::from_string(db.backend(), sql))
            .await
            .unwrap();
        rows.iter()
            .map(|row| (row.try_get("", "key").unwrap(), row.try_get("", "event_id").unwrap()))
            .collect()
    };
    let mut appended = ids("SELECT key, event_id FROM outbox ORDER BY seq").await;
    let mut handled = ids("SELECT key, event_id FROM effects ORDER BY seq").await;
    // Stable: the order within a key stays.
    appended.sort_by(|(one, _), (other, _)| one.cmp(other));
    handled.sort_by(|(one, _), (other, _)| one.cmp(other));
    assert_eq!(appended.len(), handled.len(), "as many effects as events");
    assert!(appended == handled, "the same events in the same order");
    assert!(!appended.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_point_again_and_again_with_its_broker_each_event_has_one_effect() {
    let database = TestDatabase::migrated(&migrations()).await;
    for passage in 1..=6 {
        for point in [OUTBOX_COMMITTED, RELAY_PUBLISHED, CONSUMER_COMMITTED] {
            let options = database.options();
            let life = move || live(&options, None, Some((point, passage)));
            assert!(
                tokio::task::spawn_blocking(life).await.unwrap(),
                "{point} was passed less than {passage} times"
            );
        }
    }
    let options = database.options();
    assert!(
        !tokio::task::spawn_blocking(move || live(&options, None, None))
            .await
            .unwrap()
    );
    assert_exactly_once(&database.db()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_point_while_the_broker_lives_on_each_event_has_one_effect() {
    let database = TestDatabase::migrated(&migrations()).await;
    let prefix = format!("t{}.", uuid::Uuid::now_v7().simple());
    let settings = match std::env::var("KAFKA_BROKERS") {
        Ok(servers) if !servers.is_empty() => Settings::servers(servers),
        _ => Settings::embedded(),
    };
    let broker = Broker::new(Settings {
        prefix: prefix.clone(),
        partitions: 3,
        ..settings
    })
    .unwrap();
    broker.create_topics().await.unwrap();
    for crash_at in [
        Some((OUTBOX_COMMITTED, 2)),
        Some((RELAY_PUBLISHED, 1)),
        Some((CONSUMER_COMMITTED, 1)),
        Some((RELAY_PUBLISHED, 2)),
        None,
    ] {
        let (options, broker, prefix) = (database.options(), broker.clone(), prefix.clone());
        let life = move || live(&options, Some((&broker, &prefix)), crash_at);
        let killed = tokio::task::spawn_blocking(life).await.unwrap();
        assert_eq!(killed, crash_at.is_some(), "{crash_at:?}");
    }
    assert_exactly_once(&database.db()).await;
}
