//! A broker that comes back with an empty disk, while services run.
//!
//! Needs an Apache Kafka that no other test uses: started here, from the classes that `KAFKA_CLASSPATH` names.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use messaging::{Broker, broker::Settings, operator};

use crate::support::*;

/// The same for both disks, as where a deployment sets it.
const CLUSTER: &str = "MkU3OEVBNTcwNTJENDM2Qg";

/// A Kafka with an empty disk; killed when dropped.
struct Kafka {
    server: Child,
    _disk: tempfile::TempDir,
}

impl Kafka {
    fn start(port: u16, controller: u16) -> Self {
        let disk = tempfile::tempdir().unwrap();
        let settings = disk.path().join("server.properties");
        let data = disk.path().join("data");
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
             controller.listener.names=CONTROLLER\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\nlog.dirs={}\n\
             auto.create.topics.enable=false\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n\
             group.initial.rebalance.delay.ms=0\n",
            data.display()
        );
        std::fs::write(&settings, text).unwrap();
        let formatted = java("kafka.tools.StorageTool")
            .args(["format", "-t", CLUSTER, "-c"])
            .arg(&settings)
            .output()
            .unwrap();
        assert!(formatted.status.success(), "{formatted:?}");
        let server = java("kafka.Kafka").arg(Path::new(&settings)).spawn().unwrap();
        Self { server, _disk: disk }
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // Gone already is gone as well.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn java(class: &str) -> Command {
    let classes = std::env::var("KAFKA_CLASSPATH").expect("KAFKA_CLASSPATH: .ci/with-kafka sets it");
    let mut java = Command::new("java");
    java.args(["-Xmx256m", "-Djava.awt.headless=true", "-cp", &classes, class])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    java
}

fn duplicates(service: &Service) -> u32 {
    let metrics = service.scrape();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("inbox_duplicates_total "));
    line.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the classes of Apache Kafka: set KAFKA_CLASSPATH"]
async fn consumers_that_run_while_the_broker_loses_its_disk_join_again_and_hear_what_is_published_again() {
    let free = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (first, second) = (free(), free());
    let (port, controller) = (first.local_addr().unwrap().port(), second.local_addr().unwrap().port());
    drop((first, second));
    let kafka = Kafka::start(port, controller);
    let broker = Broker::new(Settings {
        partitions: 3,
        ..Settings::servers(format!("127.0.0.1:{port}"))
    })
    .unwrap();
    eventually("Kafka takes topics", async || broker.create_topics().await.is_ok()).await;
    let service = Service::new().await;
    let mut running = service.run(&broker);
    running.consumer(service.consumer(&broker));
    for n in 0..10 {
        append(&service.db(), "ada", &n.to_string()).await;
    }
    eventually("10 effects", async || service.effects().await.len() == 10).await;
    eventually("all are sent", async || service.count(SENT).await == 10).await;

    drop(kafka);
    append(&service.db(), "ada", "10").await;
    let _kafka = Kafka::start(port, controller);
    eventually("Kafka is back", async || {
        broker.ping(Duration::from_secs(5)).await.is_ok()
    })
    .await;
    let again = operator::republish(&service.db(), contracts::Timestamp::from_micros(0))
        .await
        .unwrap();
    assert_eq!(again, 10);
    eventually("the one that was never published", async || {
        service.effects().await.len() == 11
    })
    .await;
    // A member that is new to the group may read some of them once more.
    eventually("the old ones are known", async || duplicates(&service) >= 10).await;

    append(&service.db(), "ada", "11").await;
    eventually("life goes on", async || service.effects().await.len() == 12).await;
    running.stop().await;
    let expected: Vec<String> = (0..12).map(|n| n.to_string()).collect();
    assert_eq!(service.effects_by_key().await["ada"], expected);
}
