//! The end of a period, and what happens when the next is not paid.

use contracts::billing::{PaymentFailed, SubscriptionUpdated};
use serde_json::json;

use crate::world::{
    App, DAY, changes, customer, hub, hub_with, invoices, order, pass_until, pay_with, place, shown, subscription, time,
};
use testkit::Actor;

/// A subscription whose first period is over, of somebody whose card has stopped working.
async fn with_a_broken_card(app: &App) -> Actor {
    let ada = customer(app).await;
    place(app, &ada, "team", 2, "month").await;
    pay_with(&ada, "sandbox_declined").await;
    pass_until(app, time(&subscription(&ada).await["period_end"]));
    app.step_workers().await;
    ada
}

#[tokio::test]
async fn a_period_is_followed_by_the_next_and_by_its_invoice() {
    let app = hub().await;
    let ada = customer(&app).await;
    place(&app, &ada, "team", 2, "month").await;
    let first = subscription(&ada).await;
    pass_until(&app, time(&first["period_end"]));
    app.step_workers().await;
    app.step_workers().await;
    let second = subscription(&ada).await;
    assert_eq!(second["period_start"], first["period_end"]);
    let all = invoices(&ada).await;
    assert_eq!(all.len(), 2, "one invoice a period, however often the scheduler looks");
    assert_eq!(
        (all[1]["purpose"].as_str(), all[1]["status"].as_str()),
        (Some("renewal"), Some("paid"))
    );
    assert_eq!(changes(&app).await, ["started", "activated", "renewed"]);
}

#[tokio::test]
async fn periods_that_passed_while_nothing_ran_are_made_up_for_one_by_one() {
    let app = hub().await;
    let ada = customer(&app).await;
    place(&app, &ada, "team", 1, "month").await;
    app.clock.advance(93 * DAY);
    // A period is paid before the next begins, so the scheduler comes back for each.
    for _ in 0..4 {
        app.step_workers().await;
        app.clock.advance(std::time::Duration::from_secs(61));
    }
    assert_eq!(invoices(&ada).await.len(), 4);
    assert!(time(&subscription(&ada).await["period_end"]) > app.clock.now());
}

#[tokio::test]
async fn a_renewal_takes_the_price_of_the_day_and_a_change_of_the_catalogue_leaves_what_is_paid() {
    let app = hub().await;
    let ada = customer(&app).await;
    place(&app, &ada, "team", 2, "month").await;
    let dearer = billing::domain::catalogue::EMBEDDED
        .replace("version = 1", "version = 2")
        .replace("amount_minor = 900 ", "amount_minor = 1100 ");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalogue.toml");
    std::fs::write(&file, dearer).unwrap();
    assert_eq!(subscription(&ada).await["seat_price_minor"], 900);
    let settings = format!("[billing]\ncatalogue = {:?}", file.display().to_string());
    let later = app.twin(&settings).await;
    let ada = later.user_with(|claims| claims.sub = ada.id);
    assert_eq!(subscription(&ada).await["seat_price_minor"], 900);
    pass_until(&later, time(&subscription(&ada).await["period_end"]));
    later.step_workers().await;
    assert_eq!(subscription(&ada).await["seat_price_minor"], 1100);
    assert_eq!(invoices(&ada).await[1]["net_minor"], 2200);
}

#[tokio::test]
async fn an_unpaid_renewal_is_tried_by_its_schedule_and_then_the_account_is_free_and_nothing_is_deleted() {
    let app = hub_with("[billing]\ndunning_days = [1, 3]").await;
    let ada = with_a_broken_card(&app).await;
    let overdue = subscription(&ada).await;
    assert_eq!(
        (overdue["status"].as_str(), overdue["plan"].as_str()),
        (Some("past_due"), Some("team"))
    );
    let failed = app.published_of::<PaymentFailed>().await;
    assert_eq!((failed.len(), failed[0].attempt), (1, 1));
    assert_eq!(
        failed[0].next_attempt_at.map(|at| at.since(failed[0].failed_at)),
        Some(DAY)
    );
    app.step_workers().await;
    assert_eq!(
        app.published_of::<PaymentFailed>().await.len(),
        1,
        "not before its time"
    );

    for days in [1, 2] {
        app.clock.advance(days * DAY);
        app.step_workers().await;
    }
    let failed = app.published_of::<PaymentFailed>().await;
    let attempts: Vec<u32> = failed.iter().map(|event| event.attempt).collect();
    assert_eq!((attempts, failed[2].next_attempt_at), (vec![1, 2, 3], None));
    let after = subscription(&ada).await;
    assert_eq!(
        (after["plan"].as_str(), after["status"].as_str()),
        (Some("free"), Some("active"))
    );
    let all = invoices(&ada).await;
    assert_eq!((all.len(), all[1]["status"].as_str()), (2, Some("uncollectible")));
    assert_eq!(
        changes(&app).await,
        ["started", "activated", "renewed", "past_due", "downgraded"]
    );
}

#[tokio::test]
async fn another_payment_method_settles_an_unpaid_renewal_at_once() {
    let app = hub().await;
    let ada = with_a_broken_card(&app).await;
    // Nothing can be ordered meanwhile.
    let refused = order(&app, &ada, "team", 5, "month");
    app.deliver(&refused).await;
    assert_eq!(shown(&ada, refused.order_id).await["reason"], "invoice_unpaid");
    pay_with(&ada, "sandbox_pays").await;
    app.step_workers().await;
    assert_eq!(subscription(&ada).await["status"], "active");
    assert_eq!(invoices(&ada).await[1]["status"], "paid");
    let last = app.published_of::<SubscriptionUpdated>().await.pop().unwrap();
    assert_eq!((last.change.as_str(), last.subscription.mrr_minor), ("recovered", 1800));
    app.clock.advance(10 * DAY);
    app.step_workers().await;
    assert_eq!(app.published_of::<PaymentFailed>().await.len(), 1);
}

#[tokio::test]
async fn a_renewal_by_bank_transfer_is_past_due_after_its_time_and_recovers_when_the_money_comes() {
    let app = hub_with("[billing]\nprovider = \"manual\"").await;
    let (ada, admin) = (customer(&app).await, crate::world::admin(&app));
    let ordered = place(&app, &ada, "team", 1, "month").await;
    assert_eq!(
        (ordered["status"].as_str(), ordered["payment"]["state"].as_str()),
        (Some("charging"), Some("waiting"))
    );
    let pay = async |number: usize| {
        let invoice = invoices(&ada).await[number].clone();
        let path = format!("/v1/invoices/{}/payments", invoice["number"].as_str().unwrap());
        let body = json!({ "amount_minor": invoice["due_minor"], "reference": "statement 48" });
        admin.post(path, body).await.expect(201);
    };
    pay(0).await;
    assert_eq!(subscription(&ada).await["plan"], "team");

    pass_until(&app, time(&subscription(&ada).await["period_end"]));
    app.step_workers().await;
    assert_eq!(
        subscription(&ada).await["status"],
        "active",
        "the invoice is not due yet"
    );
    app.clock.advance(15 * DAY);
    app.step_workers().await;
    assert_eq!(subscription(&ada).await["status"], "past_due");
    pay(1).await;
    assert_eq!(subscription(&ada).await["status"], "active");
    app.clock.advance(10 * DAY);
    app.step_workers().await;
    assert_eq!(subscription(&ada).await["status"], "active");
}
