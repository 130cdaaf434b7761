//! Orders: accepted by the gateway, carried out by billing, and what the plan then changes in auth and project.

use std::path::Path;

use acceptance::{
    Hub, Person,
    hub::{Start, operate},
    until,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

#[tokio::test]
#[cfg_attr(not(feature = "own-hub"), ignore = "takes parts of its own hub away")]
async fn an_order_that_is_accepted_while_billing_is_down_is_carried_out_once() {
    carried_out_once("billing").await;
}

#[tokio::test]
#[cfg_attr(not(feature = "own-hub"), ignore = "takes parts of its own hub away")]
async fn an_order_that_is_accepted_while_the_broker_is_down_is_carried_out_once() {
    carried_out_once("broker").await;
}

/// Orders while `part` is down, kills the hub, and counts what came of it: also after all events came once more.
async fn carried_out_once(part: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let hub = Start::default().in_folder(folder.path()).without(part).ready().await;
    let mut ada = Person::join(&hub, "ada").await;
    let order = ada.order("team", 3, "the only one").await;
    assert_eq!(ada.order("team", 3, "the only one").await, order, "one key, one order");
    let waiting = ada.get(&format!("/v1/orders/{order}")).await.expect(200);
    assert_eq!(waiting["status"], "accepted", "{waiting}");
    hub.kill().await;

    let hub = Start::default().in_folder(folder.path()).ready().await;
    ada.move_to(&hub);
    let done = ada.order_ended(&order).await;
    assert_eq!(done["payment"]["state"], "succeeded", "{done}");
    let steps = done["steps"].as_array().expect("steps");
    let steps: Vec<&str> = steps.iter().filter_map(|step| step["step"].as_str()).collect();
    assert_eq!(steps, ["accepted", "priced", "invoiced", "charging", "completed"]);
    let invoices = invoices(&ada).await;
    assert_eq!(invoices.len(), 1, "{invoices:#?}");
    assert_eq!(
        (&invoices[0]["order_id"], &invoices[0]["status"]),
        (&json!(order), &json!("paid"))
    );
    assert!(hub.interrupt().await.success());

    tell_everything_again(folder.path()).await;
    operate(folder.path(), &["auth", "users", "promote", &ada.email]).await;
    let hub = Start::default().in_folder(folder.path()).ready().await;
    ada.move_to(&hub);
    ada.sign_in().await;
    // An account's events keep their order: when this order is through, so is all that came again.
    let more = ada.order("team", 5, "two seats more").await;
    assert_eq!(ada.order_ended(&more).await["status"], "completed");
    let paid = until("both payments are in the log of events", async || {
        let paid = events(&ada, "payment.succeeded.v1").await;
        (paid.len() >= 2).then_some(paid)
    })
    .await;
    let mut orders = Vec::new();
    for invoice in self::invoices(&ada).await {
        let charged = paid.iter().filter(|event| event["data"]["invoice_id"] == invoice["id"]);
        assert_eq!(charged.count(), 1, "each invoice is paid once: {paid:#?}");
        orders.push(invoice["order_id"].as_str().expect("an order").to_owned());
    }
    assert_eq!(orders, [more, order], "each order has one invoice");
    assert_eq!(paid.len(), 2, "{paid:#?}");
    assert!(hub.interrupt().await.success());
}

/// Has every event since the beginning published once more by the next hub in `folder`.
async fn tell_everything_again(folder: &Path) {
    for service in ["gateway", "auth", "project", "billing", "notification", "analytics"] {
        let republish = [service, "events", "republish", "--since", "2000-01-01T00:00:00Z"];
        operate(folder, &republish).await;
    }
}

/// The caller's invoices, newest first.
async fn invoices(person: &Person) -> Vec<Value> {
    let page = person.get("/v1/invoices").await.expect(200);
    page["items"].as_array().expect("items").clone()
}

/// The events of a type about an admin's own account.
async fn events(admin: &Person, kind: &str) -> Vec<Value> {
    let path = format!("/v1/events?type={kind}&subject={}", admin.id);
    let page = admin.get(&path).await.expect(200);
    page["items"].as_array().expect("items").clone()
}

#[tokio::test]
async fn the_free_plan_has_an_end_which_says_the_way_out_and_the_team_plan_goes_on() {
    let hub = Hub::any().await;
    let mut ada = Person::join(&hub, "ada").await;
    let plans = ada.get("/v1/plans").await.expect(200);
    let plans = plans["plans"].as_array().expect("plans");
    let free = plans.iter().find(|plan| plan["name"] == "free").expect("the free plan");
    let limit = free["limits"]["projects"].as_u64().expect("a limit of projects");
    for number in 0..limit {
        ada.create_project(&format!("Number {number}")).await;
    }
    // The project service may hear of a new account's plan after its first projects.
    let refused = until("one more is refused", async || {
        let answer = ada.post("/v1/projects", json!({ "name": "One more" })).await;
        (answer.status != 201).then_some(answer)
    })
    .await;
    assert_eq!((refused.status, refused.problem()), (402, "quota-exceeded"));
    assert_eq!(
        (&refused.json["meter"], &refused.json["limit"], &refused.json["plan"]),
        (&json!("projects"), &json!(limit), &json!("free"))
    );
    let way_out = refused.json["upgrade"].as_str().expect("a way out");
    let offered = ada.get(way_out).await.expect(200);
    let offered = offered["plans"].as_array().expect("plans");
    assert!(offered.iter().any(|plan| plan["name"] == "team"), "{offered:#?}");

    let order = ada.order("team", 1, "more room").await;
    assert_eq!(ada.order_ended(&order).await["status"], "completed");
    until("creating goes on", async || {
        let answer = ada.post("/v1/projects", json!({ "name": "One more" })).await;
        (answer.status == 201).then_some(())
    })
    .await;

    // The token that was given before says what held then; the next one says what holds now.
    assert_eq!(claims(&ada.token)["plan"], "free");
    until("the account says so", async || {
        (ada.get("/v1/me").await.expect(200)["plan"] == "team").then_some(())
    })
    .await;
    ada.refresh().await;
    assert_eq!(claims(&ada.token)["plan"], "team");
}

/// What an access token says (RFC 7519).
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a payload");
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&payload).expect("claims")
}

#[tokio::test]
async fn an_order_that_cannot_be_paid_fails_with_the_reason_and_leaves_everything_as_it_was() {
    let hub = Hub::any().await;
    let ada = Person::join(&hub, "ada").await;
    let declined = Some(json!({ "token": "sandbox_declined" }));
    until("billing knows the account", async || {
        let answer = ada.send("PUT", "/v1/payment-method", &[], declined.clone()).await;
        (answer.status == 200).then_some(())
    })
    .await;
    let order = ada.order("team", 3, "in vain").await;
    let failed = ada.order_ended(&order).await;
    assert_eq!(
        (&failed["status"], &failed["reason"]),
        (&json!("failed"), &json!("payment_declined")),
        "{failed}"
    );
    assert!(failed["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    assert_eq!(ada.get("/v1/subscription").await.expect(200)["plan"], "free");
    let invoices = invoices(&ada).await;
    assert_eq!(invoices.len(), 1, "the number of an invoice is never given away again");
    assert_eq!(invoices[0]["status"], "cancelled");
}

#[tokio::test]
async fn an_order_that_makes_no_sense_is_refused_before_it_is_accepted() {
    let hub = Hub::any().await;
    let ada = Person::join(&hub, "ada").await;
    for (plan, seats, currency, pointer) in [
        ("team", -1_i64, "EUR", "#/seats"),
        ("team", i64::MAX, "EUR", "#/seats"),
        ("team", 3, "euro", "#/currency"),
        ("Team!", 3, "EUR", "#/plan"),
    ] {
        let body = json!({ "plan": plan, "seats": seats, "interval": "month", "currency": currency });
        let answer = ada.post("/v1/orders", body).await;
        assert_eq!((answer.status, answer.problem()), (422, "validation-failed"));
        assert_eq!(answer.json["errors"][0]["pointer"], pointer, "{}", answer.text);
    }
    assert_eq!(ada.get("/v1/orders").await.expect(200)["items"], json!([]));
}
