//! An order on its way.

use contracts::{
    Event,
    billing::{InvoiceIssued, InvoicePaid, OrderCompleted, OrderFailed, PaymentSucceeded, SubscriptionUpdated},
};
use testkit::Outcome;

use crate::world::{
    changes, credit_notes, customer, hub, hub_with, invoices, order, pay_with, place, shown, steps, subscription,
};

#[tokio::test]
async fn an_order_is_priced_invoiced_charged_and_completed_and_each_step_can_be_seen() {
    let app = hub().await;
    let ada = customer(&app).await;
    let order = place(&app, &ada, "team", 3, "month").await;
    assert_eq!(order["status"], "completed");
    assert_eq!(
        steps(&order),
        ["accepted", "priced", "invoiced", "charging", "completed"]
    );
    assert_eq!(order["steps"][1]["detail"], "32.13 EUR");
    assert_eq!(order["payment"]["state"], "succeeded");

    let now = subscription(&ada).await;
    assert_eq!((now["plan"].as_str(), now["seats"].as_i64()), (Some("team"), Some(3)));
    assert_eq!(
        (now["status"].as_str(), now["limits"]["tasks"].as_i64()),
        (Some("active"), Some(100_000))
    );

    let invoices = invoices(&ada).await;
    assert_eq!(invoices.len(), 1);
    assert_eq!(
        (invoices[0]["net_minor"].as_i64(), invoices[0]["tax_minor"].as_i64()),
        (Some(2700), Some(513))
    );
    assert_eq!(
        (invoices[0]["status"].as_str(), &invoices[0]["id"]),
        (Some("paid"), &order["invoice_id"])
    );

    let types: Vec<String> = app
        .published()
        .await
        .into_iter()
        .map(|event| event.event_type)
        .collect();
    let of_order = types
        .iter()
        .filter(|name| !name.contains(".plan."))
        .cloned()
        .collect::<Vec<_>>();
    let expected = [
        SubscriptionUpdated::TYPE,
        InvoiceIssued::TYPE,
        PaymentSucceeded::TYPE,
        InvoicePaid::TYPE,
        SubscriptionUpdated::TYPE,
        OrderCompleted::TYPE,
    ];
    assert_eq!(of_order, expected);
    let updates = app.published_of::<SubscriptionUpdated>().await;
    assert_eq!(
        (updates[0].change.as_str(), updates[1].change.as_str()),
        ("started", "activated")
    );
    assert_eq!(
        (updates[1].subscription.mrr_minor, updates[1].subscription.version),
        (2700, 2)
    );
}

#[tokio::test]
async fn an_order_that_is_published_twice_is_carried_out_once() {
    let app = hub().await;
    let ada = customer(&app).await;
    let order = order(&app, &ada, "team", 1, "month");
    let envelope = app.envelope(&order);
    let bytes = serde_json::to_vec(&order).unwrap();
    app.deliver_as(&envelope, bytes.clone()).await;
    assert_eq!(app.deliver_as(&envelope, bytes).await, Outcome::Duplicate);
    // As if the record of the first had been pruned, before and after it was paid.
    app.deliver(&order).await;
    app.step_workers().await;
    app.deliver(&order).await;
    app.step_workers().await;
    assert_eq!(invoices(&ada).await.len(), 1);
    assert_eq!(app.published_of::<PaymentSucceeded>().await.len(), 1);
    assert_eq!(app.published_of::<OrderCompleted>().await.len(), 1);
    assert_eq!(steps(&shown(&ada, order.order_id).await).len(), 5);
}

#[tokio::test]
async fn an_order_that_arrives_before_its_account_is_carried_out() {
    let app = hub().await;
    let ada = app.user();
    let order = place(&app, &ada, "team", 1, "year").await;
    assert_eq!(order["status"], "completed");
    app.deliver(&crate::world::registered(ada.id)).await;
    assert_eq!(subscription(&ada).await["plan"], "team");
    assert_eq!(changes(&app).await, ["started", "activated"]);
}

#[tokio::test]
async fn a_declined_order_charges_nothing_and_its_invoice_is_taken_back() {
    let app = hub().await;
    let ada = customer(&app).await;
    pay_with(&ada, "sandbox_declined").await;
    let order = place(&app, &ada, "team", 2, "month").await;
    assert_eq!(
        (order["status"].as_str(), order["reason"].as_str()),
        (Some("failed"), Some("payment_declined"))
    );
    assert!(order["detail"].as_str().unwrap().contains("the card was declined"));
    assert_eq!(subscription(&ada).await["plan"], "free");
    assert_eq!(invoices(&ada).await[0]["status"], "cancelled");
    assert_eq!(credit_notes(&ada).await[0]["total_minor"], 2142);
    assert_eq!(crate::world::credit(&ada).await, 0, "what was never paid is no credit");
    let failed = app.published_of::<OrderFailed>().await;
    assert_eq!(failed[0].reason, "payment_declined");
    assert!(app.published_of::<PaymentSucceeded>().await.is_empty());
}

#[tokio::test]
async fn a_plan_that_is_unknown_withdrawn_or_too_large_fails_with_its_reason_and_no_invoice() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalogue.toml");
    let text = billing::domain::catalogue::EMBEDDED.replace(
        "title = \"Team\"\norderable = true",
        "title = \"Team\"\norderable = false",
    );
    std::fs::write(&file, text).unwrap();
    let app = hub_with(&format!("[billing]\ncatalogue = {:?}", file.display().to_string())).await;
    let ada = customer(&app).await;
    let reason = async |plan: &str, seats, interval: &str| {
        let order = place(&app, &ada, plan, seats, interval).await;
        assert_eq!(order["status"], "failed", "{order}");
        order["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(reason("team", 1, "month").await, "plan_withdrawn");
    assert_eq!(reason("platinum", 1, "month").await, "plan_unknown");
    assert_eq!(reason("business", u32::MAX, "year").await, "amount_too_large");
    assert_eq!(reason("business", 0, "month").await, "order_invalid");
    assert_eq!(reason("business", 1, "decade").await, "order_invalid");
    let mut euros = order(&app, &ada, "business", 1, "month");
    euros.currency = Some("DOUBLOON".to_owned());
    app.deliver(&euros).await;
    assert_eq!(shown(&ada, euros.order_id).await["reason"], "currency_unknown");
    assert!(invoices(&ada).await.is_empty());
    assert_eq!(app.published_of::<OrderFailed>().await.len(), 6);
    assert_eq!(subscription(&ada).await["version"], 1);
}

#[tokio::test]
async fn a_second_order_waits_for_the_first_and_is_priced_by_what_that_made() {
    let app = hub().await;
    let ada = customer(&app).await;
    let (first, second) = (
        order(&app, &ada, "team", 1, "month"),
        order(&app, &ada, "team", 4, "month"),
    );
    app.deliver(&first).await;
    app.deliver(&second).await;
    assert_eq!(shown(&ada, first.order_id).await["status"], "charging");
    assert_eq!(steps(&shown(&ada, second.order_id).await), ["accepted"]);
    app.step_workers().await;
    assert_eq!(shown(&ada, second.order_id).await["status"], "completed");
    assert_eq!(subscription(&ada).await["seats"], 4);
    let invoices = invoices(&ada).await;
    assert_eq!(
        (invoices[0]["net_minor"].as_i64(), invoices[1]["net_minor"].as_i64()),
        (Some(900), Some(2700))
    );
    assert_eq!(changes(&app).await, ["started", "activated", "seats_changed"]);
}

#[tokio::test]
async fn an_order_that_waits_for_its_payer_gives_way_to_a_later_one() {
    let app = hub().await;
    let ada = customer(&app).await;
    pay_with(&ada, "sandbox_unconfirmed").await;
    let first = order(&app, &ada, "team", 1, "month");
    app.deliver(&first).await;
    app.step_workers().await;
    let waiting = shown(&ada, first.order_id).await;
    assert_eq!(
        (waiting["payment"]["state"].as_str(), steps(&waiting)[4]),
        (Some("waiting"), "action_required")
    );
    assert!(waiting["payment"]["action"].is_string());
    pay_with(&ada, "sandbox_pays").await;
    let second = place(&app, &ada, "team", 2, "month").await;
    assert_eq!(second["status"], "completed");
    let first = shown(&ada, first.order_id).await;
    assert_eq!(
        (first["status"].as_str(), first["reason"].as_str()),
        (Some("failed"), Some("superseded"))
    );
    let states: Vec<_> = invoices(&ada)
        .await
        .iter()
        .map(|invoice| invoice["status"].clone())
        .collect();
    assert_eq!(states, ["cancelled", "paid"]);
}

#[tokio::test]
async fn an_order_is_seen_by_its_account_alone_and_newest_first() {
    let app = hub().await;
    let (ada, bo) = (customer(&app).await, customer(&app).await);
    let first = place(&app, &ada, "team", 1, "month").await;
    let second = place(&app, &ada, "team", 2, "month").await;
    let path = format!("/v1/orders/{}", first["id"].as_str().unwrap());
    assert_eq!(bo.get(&path).await.expect(404).problem(), "order-not-found");
    let page = ada.get("/v1/orders?limit=1").await.expect(200).json;
    assert_eq!(page["items"][0]["id"], second["id"]);
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = ada
        .get(format!("/v1/orders?limit=1&cursor={cursor}"))
        .await
        .expect(200)
        .json;
    assert_eq!(
        (&next["items"][0]["id"], next["next_cursor"].is_null()),
        (&first["id"], true)
    );
    assert!(
        bo.get("/v1/orders").await.expect(200).json["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn what_the_cashier_does_later_is_because_of_the_order_and_of_its_trace() {
    let app = hub().await;
    let ada = customer(&app).await;
    // The second waits for the end of the first.
    let (first, second) = (
        order(&app, &ada, "team", 3, "month"),
        order(&app, &ada, "team", 5, "month"),
    );
    let (because_first, because_second) = (app.deliver(&first).await, app.deliver(&second).await);
    app.step_workers().await;
    let published = app.published().await;
    let mut traces = Vec::new();
    for (order, because) in [(first, because_first), (second, because_second)] {
        let caused: Vec<_> = published
            .iter()
            .filter(|event| event.causation_id == Some(because))
            .collect();
        let types: Vec<&str> = caused.iter().map(|event| event.event_type.as_str()).collect();
        let expected = [
            InvoiceIssued::TYPE,
            PaymentSucceeded::TYPE,
            InvoicePaid::TYPE,
            SubscriptionUpdated::TYPE,
            OrderCompleted::TYPE,
        ];
        assert_eq!(types, expected);
        assert_eq!(caused[4].as_event::<OrderCompleted>().unwrap().order_id, order.order_id);
        let trace = caused[0].trace_id.clone().expect("a trace");
        assert!(
            caused.iter().all(|event| event.trace_id.as_ref() == Some(&trace)),
            "{caused:?}"
        );
        traces.push(trace);
    }
    assert_ne!(traces[0], traces[1]);
}
