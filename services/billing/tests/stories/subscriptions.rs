//! What becomes of a subscription between orders.

use chassis::Clock;
use contracts::billing::{InvoiceCredited, SubscriptionUpdated};
use serde_json::json;

use crate::world::{
    App, DAY, changes, credit, credit_notes, customer, hub, invoices, pass_until, place, subscription, time,
};

#[tokio::test]
async fn everybody_has_the_free_plan_from_the_beginning() {
    let app = hub().await;
    let ada = app.user();
    assert_eq!(
        ada.get("/v1/subscription").await.expect(404).problem(),
        "subscription-not-found"
    );
    app.deliver(&crate::world::registered(ada.id)).await;
    let now = subscription(&ada).await;
    assert_eq!(
        (now["plan"].as_str(), now["status"].as_str()),
        (Some("free"), Some("active"))
    );
    assert_eq!(
        (now["limits"]["projects"].as_i64(), now["period_end"].is_null()),
        (Some(10), true)
    );
    let started = app.published_of::<SubscriptionUpdated>().await;
    assert_eq!(
        (started[0].change.as_str(), started[0].subscription.limits.projects),
        ("started", Some(10))
    );
}

#[tokio::test]
async fn a_trial_is_free_of_charge_once_and_then_turns_into_a_paid_subscription() {
    let app = hub().await;
    let ada = customer(&app).await;
    let order = place(&app, &ada, "business", 2, "month").await;
    assert_eq!(
        (order["status"].as_str(), order["invoice_id"].is_null()),
        (Some("completed"), true)
    );
    let trial = subscription(&ada).await;
    assert_eq!(
        (trial["status"].as_str(), trial["plan"].as_str()),
        (Some("trialing"), Some("business"))
    );
    assert_eq!(time(&trial["period_end"]).since(app.clock.now()), 14 * DAY);
    // More seats within the trial cost nothing either.
    assert_eq!(place(&app, &ada, "business", 3, "month").await["status"], "completed");
    assert!(invoices(&ada).await.is_empty());

    pass_until(&app, time(&trial["period_end"]));
    app.step_workers().await;
    let paid = subscription(&ada).await;
    assert_eq!(
        (paid["status"].as_str(), paid["period_start"].clone()),
        (Some("active"), trial["period_end"].clone())
    );
    assert_eq!(invoices(&ada).await[0]["net_minor"], 5700);
    let expected = ["started", "trial_started", "seats_changed", "activated"];
    assert_eq!(changes(&app).await, expected);

    // Back to free and again: no second trial.
    ada.post("/v1/subscription/cancel", json!({})).await.expect(200);
    pass_until(&app, time(&paid["period_end"]));
    app.step_workers().await;
    place(&app, &ada, "business", 1, "month").await;
    assert_eq!(subscription(&ada).await["status"], "active");
    assert_eq!(invoices(&ada).await.len(), 2);
}

#[tokio::test]
async fn ordering_free_within_a_trial_ends_it_at_once() {
    let app = hub().await;
    let ada = customer(&app).await;
    place(&app, &ada, "business", 1, "month").await;
    assert_eq!(place(&app, &ada, "free", 1, "month").await["status"], "completed");
    assert_eq!(subscription(&ada).await["plan"], "free");
    assert_eq!(changes(&app).await, ["started", "trial_started", "ended"]);
}

#[tokio::test]
async fn a_larger_plan_in_the_middle_of_a_period_costs_what_is_left_of_it() {
    // March has 31 days; its middle is noon of the 16th.
    let app = App::at("", at("2027-03-01T00:00:00Z")).await;
    let ada = customer(&app).await;
    place(&app, &ada, "team", 2, "month").await;
    pass_until(&app, "2027-03-16T11:59:59Z".parse().unwrap());
    place(&app, &ada, "business", 2, "month").await;
    let upgraded = subscription(&ada).await;
    // A first subscription of a plan with a trial, but not of an account without any.
    assert_eq!(
        (upgraded["plan"].as_str(), upgraded["status"].as_str()),
        (Some("business"), Some("active"))
    );
    let invoice = &invoices(&ada).await[1];
    let lines: Vec<i64> = lines(invoice);
    assert_eq!(lines, [-900, 1900]);
    assert_eq!(
        (invoice["net_minor"].as_i64(), invoice["tax_minor"].as_i64()),
        (Some(1000), Some(190))
    );
    assert_eq!(upgraded["period_end"], "2027-04-01T00:00:00Z");
}

#[tokio::test]
async fn a_smaller_plan_leaves_a_credit_that_the_next_invoice_uses() {
    let app = App::at("", at("2027-03-01T00:00:00Z")).await;
    let ada = customer(&app).await;
    place(&app, &ada, "team", 4, "month").await;
    pass_until(&app, "2027-03-16T11:59:59Z".parse().unwrap());
    let order = place(&app, &ada, "team", 2, "month").await;
    assert_eq!(
        (order["status"].as_str(), order["invoice_id"].is_null()),
        (Some("completed"), true)
    );
    // Half a month of two seats, with tax: 9.00 EUR + 19 %.
    assert_eq!(credit(&ada).await, 1071);
    let note = &credit_notes(&ada).await[0];
    assert_eq!(
        (note["total_minor"].as_i64(), note["tax_minor"].as_i64()),
        (Some(1071), Some(171))
    );
    assert_eq!(app.published_of::<InvoiceCredited>().await[0].total_minor, 1071);

    pass_until(&app, "2027-04-01T00:00:00Z".parse().unwrap());
    app.step_workers().await;
    let renewal = &invoices(&ada).await[1];
    assert_eq!(
        (renewal["total_minor"].as_i64(), renewal["credit_minor"].as_i64()),
        (Some(2142), Some(1071))
    );
    assert_eq!(
        (renewal["due_minor"].as_i64(), renewal["status"].as_str()),
        (Some(1071), Some("paid"))
    );
    assert_eq!(credit(&ada).await, 0);
}

#[tokio::test]
async fn what_is_given_back_carries_the_tax_that_was_paid_and_not_that_of_another_country() {
    let app = hub().await;
    let ada = customer(&app).await;
    let profile = |country: &str| json!({ "name": "Ada Okafor", "address": "12 Long Lane", "country": country });
    let save = async |country: &str| {
        let call = ada.put("/v1/billing-profile", profile(country));
        call.header("if-match", "*").await.expect(200);
    };
    save("US").await;
    place(&app, &ada, "team", 2, "year").await;
    assert_eq!(invoices(&ada).await[0]["tax_minor"], 0);
    save("FI").await;
    place(&app, &ada, "team", 1, "year").await;
    assert_eq!(credit(&ada).await, 9000, "no more than was paid for the seat");
}

#[tokio::test]
async fn a_credit_that_covers_an_order_pays_it_without_a_charge() {
    let app = hub().await;
    let ada = customer(&app).await;
    place(&app, &ada, "team", 10, "year").await;
    place(&app, &ada, "team", 1, "year").await;
    let before = credit(&ada).await;
    let order = place(&app, &ada, "team", 2, "year").await;
    assert_eq!(
        (order["status"].as_str(), order["payment"].is_null()),
        (Some("completed"), true)
    );
    let invoice = &invoices(&ada).await[1];
    assert_eq!(
        (invoice["due_minor"].as_i64(), invoice["status"].as_str()),
        (Some(0), Some("paid"))
    );
    assert_eq!(credit(&ada).await, before - invoice["total_minor"].as_i64().unwrap());
}

#[tokio::test]
async fn a_cancelled_subscription_lasts_to_the_end_of_what_is_paid() {
    let app = hub().await;
    let ada = customer(&app).await;
    assert_eq!(
        ada.post("/v1/subscription/cancel", json!({}))
            .await
            .expect(409)
            .problem(),
        "nothing-to-cancel"
    );
    place(&app, &ada, "team", 1, "month").await;
    for _ in 0..2 {
        let cancelled = ada.post("/v1/subscription/cancel", json!({})).await.expect(200);
        assert_eq!(
            (&cancelled.json["cancel_at_period_end"], &cancelled.json["plan"]),
            (&json!(true), &json!("team"))
        );
    }
    let end = time(&subscription(&ada).await["period_end"]);
    pass_until(&app, end);
    app.step_workers().await;
    let after = subscription(&ada).await;
    assert_eq!(
        (after["plan"].as_str(), after["status"].as_str()),
        (Some("free"), Some("active"))
    );
    assert_eq!(invoices(&ada).await.len(), 1, "nothing more is charged");
    assert_eq!(
        changes(&app).await,
        ["started", "activated", "cancel_scheduled", "ended"]
    );
}

#[tokio::test]
async fn who_changes_their_mind_keeps_the_subscription() {
    let app = hub().await;
    let ada = customer(&app).await;
    place(&app, &ada, "team", 1, "month").await;
    place(&app, &ada, "free", 1, "month").await;
    assert_eq!(subscription(&ada).await["cancel_at_period_end"], true);
    ada.post("/v1/subscription/reactivate", json!({})).await.expect(200);
    ada.post("/v1/subscription/cancel", json!({})).await.expect(200);
    // Ordering what one has does the same.
    assert_eq!(place(&app, &ada, "team", 1, "month").await["status"], "completed");
    assert_eq!(subscription(&ada).await["cancel_at_period_end"], false);
    assert_eq!(invoices(&ada).await.len(), 1);
    let expected = [
        "started",
        "activated",
        "cancel_scheduled",
        "reactivated",
        "cancel_scheduled",
        "reactivated",
    ];
    assert_eq!(changes(&app).await, expected);
}

#[tokio::test]
async fn a_change_made_from_an_old_version_is_refused() {
    let app = hub().await;
    let ada = customer(&app).await;
    place(&app, &ada, "team", 1, "month").await;
    let tag = ada
        .get("/v1/subscription")
        .await
        .expect(200)
        .header("etag")
        .unwrap()
        .to_owned();
    let cancel = async |tag: &str| {
        ada.request("POST", "/v1/subscription/cancel")
            .header("if-match", tag)
            .await
    };
    cancel(&tag).await.expect(200);
    assert_eq!(cancel(&tag).await.expect(412).problem(), "precondition-failed");
    assert_eq!(
        ada.post("/v1/subscription/reactivate", json!({}))
            .await
            .expect(200)
            .json["version"],
        4
    );
    let bo = customer(&app).await;
    let free = bo.post("/v1/subscription/reactivate", json!({})).await.expect(409);
    assert_eq!(free.problem(), "nothing-to-reactivate");
}

fn lines(invoice: &serde_json::Value) -> Vec<i64> {
    let lines = invoice["lines"].as_array().unwrap();
    lines.iter().map(|line| line["net_minor"].as_i64().unwrap()).collect()
}

/// A clock that stands still at this time.
fn at(text: &str) -> Clock {
    let clock = Clock::stopped();
    let there: contracts::Timestamp = text.parse().unwrap();
    clock.advance(there.since(clock.now()));
    clock
}
