//! What was done becomes figures, and what happened can be looked up.

use acceptance::{
    Hub, Person,
    hub::{Start, operate},
    until,
};
use serde_json::{Value, json};

#[tokio::test]
async fn finished_tasks_are_in_the_projects_throughput_for_its_members_alone() {
    let hub = Hub::any().await;
    let (ada, bob) = (Person::join(&hub, "ada").await, Person::join(&hub, "bob").await);
    let eve = Person::join(&hub, "eve").await;
    let project = ada.create_project("Apollo").await;
    ada.bring_in(&project, &bob, "viewer").await;
    for title in ["Fix the valve", "Paint the door", "Sweep the floor"] {
        let task = ada.create_task(&project, json!({ "title": title })).await;
        if title != "Sweep the floor" {
            ada.finish(&task).await;
        }
    }
    let path = format!("/v1/analytics/projects/{project}/throughput?tz=Europe/Berlin");
    until("the figures have followed", async || {
        let answer = bob.get(&path).await;
        let whole = &answer.json["whole"];
        (answer.status == 200 && whole["created"] == 3 && whole["completed"] == 2).then_some(())
    })
    .await;

    let csv = ada.send("GET", &path, &[("Accept", "text/csv")], None).await;
    assert!(
        csv.header("content-type")
            .is_some_and(|kind| kind.starts_with("text/csv")),
        "{csv:?}"
    );
    let mut reader = csv::Reader::from_reader(csv.text.as_bytes());
    let headers = reader.headers().expect("a header").clone();
    let completed = headers.iter().position(|name| name == "completed").expect("a column");
    let column: u64 = reader
        .records()
        .map(|row| row.expect("a row")[completed].parse::<u64>().expect("a number"))
        .sum();
    assert_eq!(column, 2, "{}", csv.text);

    assert_eq!(eve.get(&path).await.problem(), "project-not-found");
    let unknown = "/v1/analytics/projects/prj_01h455vb4pex5vsknk084sn02q/throughput"; // pragma: allowlist secret
    assert_eq!(ada.get(unknown).await.status, 404);
}

#[tokio::test]
async fn the_tenth_finished_task_is_told_to_every_member_once() {
    let hub = Hub::any().await;
    let (ada, bob) = (Person::join(&hub, "ada").await, Person::join(&hub, "bob").await);
    let project = ada.create_project("Apollo").await;
    ada.bring_in(&project, &bob, "member").await;
    for number in 1..=11 {
        let title = format!("Number {number}");
        let task = ada.create_task(&project, json!({ "title": title })).await;
        ada.finish(&task).await;
    }
    for person in [&ada, &bob] {
        let told = person.notified("milestone_reached").await;
        assert_eq!(told["project_id"], project.as_str());
    }
    let path = format!("/v1/analytics/projects/{project}/throughput");
    until("the eleventh is counted too", async || {
        let figures = ada.get(&path).await.expect(200);
        (figures["whole"]["completed"] == 11).then_some(())
    })
    .await;
    let list = ada.get("/v1/notifications").await.expect(200);
    let told = list["items"].as_array().expect("items").iter();
    assert_eq!(
        told.filter(|item| item["type"] == "milestone_reached").count(),
        1,
        "{list}"
    );
}

#[tokio::test]
#[cfg_attr(
    not(feature = "own-hub"),
    ignore = "carries out an operator's command on its own hub"
)]
async fn an_admin_follows_a_request_through_the_services() {
    let folder = tempfile::tempdir().expect("a folder");
    let hub = Start::default().in_folder(folder.path()).ready().await;
    let mut ada = Person::join(&hub, "ada").await;
    assert_eq!(ada.get("/v1/events").await.problem(), "forbidden");
    assert!(hub.interrupt().await.success());
    operate(folder.path(), &["auth", "users", "promote", &ada.email]).await;

    let hub = Start::default().in_folder(folder.path()).ready().await;
    ada.move_to(&hub);
    ada.sign_in().await;
    let order = ada.order("team", 3, "to be followed").await;
    assert_eq!(ada.order_ended(&order).await["status"], "completed");
    let path = format!("/v1/events?type=order.requested.v1&subject={}", ada.id);
    let requested = until("the request is in the log", async || {
        let page = ada.get(&path).await.expect(200);
        page["items"].get(0).cloned()
    })
    .await;
    assert_eq!(requested["data"]["order_id"], order.as_str());
    let path = format!("/v1/events/{}/trace", requested["id"].as_str().expect("an id"));
    // The gateway was asked; because of it billing issued an invoice, charged it and changed the plan; of that auth told those
    // who check tokens, and notification the customer.
    let expected = [
        ("order.requested.v1", "/services/gateway", 0),
        ("invoice.issued.v1", "/services/billing", 1),
        ("payment.succeeded.v1", "/services/billing", 1),
        ("invoice.paid.v1", "/services/billing", 1),
        ("subscription.updated.v1", "/services/billing", 1),
        ("order.completed.v1", "/services/billing", 1),
        ("user.updated.v1", "/services/auth", 2),
        ("notification.created.v1", "/services/notification", 2),
    ];
    let chain = until("every reaction is in the chain", async || {
        let chain = ada.get(&path).await.expect(200)["events"].clone();
        let links = chain.as_array().expect("events");
        let is_there = |(kind, source, depth): &(&str, &str, u64)| {
            let is = |link: &Value| {
                let event = &link["event"];
                event["type"] == *kind && event["source"] == *source && link["depth"] == *depth
            };
            links.iter().any(is)
        };
        expected.iter().all(is_there).then_some(chain)
    })
    .await;
    for link in chain.as_array().expect("events") {
        assert_eq!(link["event"]["trace_id"], requested["trace_id"], "one trace: {link}");
    }
    assert!(requested["trace_id"].is_string(), "{requested}");
    assert!(hub.interrupt().await.success());
}

#[tokio::test]
#[cfg_attr(
    not(feature = "own-hub"),
    ignore = "carries out an operator's command on its own hub"
)]
async fn the_figures_can_be_made_again_and_say_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let hub = Start::default().in_folder(folder.path()).ready().await;
    let mut ada = Person::join(&hub, "ada").await;
    let project = ada.create_project("Apollo").await;
    let task = ada.create_task(&project, json!({ "title": "Fix the valve" })).await;
    ada.finish(&task).await;
    let path = format!("/v1/analytics/projects/{project}/cumulative-flow");
    let done = |figures: &Value| figures["whole"]["done"] == 1;
    until("the figures have followed", async || {
        let answer = ada.get(&path).await;
        (answer.status == 200 && done(&answer.json)).then_some(())
    })
    .await;
    assert!(hub.interrupt().await.success());

    let said = operate(folder.path(), &["analytics", "rebuild"]).await;
    assert!(
        said.contains("the rebuilt tables say the same, and serve now"),
        "{said}"
    );
    let hub = Start::default().in_folder(folder.path()).ready().await;
    ada.move_to(&hub);
    assert!(done(&ada.get(&path).await.expect(200)));
    assert!(hub.interrupt().await.success());
}
