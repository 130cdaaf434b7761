//! Payments, whatever happens to the process that carries them out.

use std::time::Duration;

use billing::{
    domain::payment::{Outcome, Report},
    flow,
    store::payment,
};
use contracts::{
    billing::{InvoiceIssued, OrderCompleted, PaymentSucceeded},
    id::PaymentId,
};
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;

use crate::world::{App, admin, credit, customer, hub, invoices, order, pay_with, shown};

async fn sql(app: &App, statement: &str) {
    let done: Result<(), DbErr> = app
        .db
        .write(async |tx| tx.execute_unprepared(statement).await.map(|_| ()))
        .await;
    done.unwrap();
}

async fn payment_of(app: &App, user: &testkit::Actor) -> payment::Model {
    payment::of_user(app.db.read(), user.id).await.unwrap().pop().unwrap()
}

#[tokio::test]
async fn a_charge_that_a_dying_process_left_behind_is_taken_over_after_its_lease_with_the_same_key() {
    let app = hub().await;
    let ada = customer(&app).await;
    let order = order(&app, &ada, "team", 1, "month");
    app.deliver(&order).await;
    // As a process leaves it that dies between asking the provider and recording the answer.
    let policy = billing::domain::payment::Policy {
        lease: Duration::from_secs(60),
        dunning: vec![],
        action: Duration::from_secs(60),
    };
    let now = app.clock.now();
    let claimed: Result<_, DbErr> = app.db.write(async |tx| payment::claim(tx, &policy, now).await).await;
    let key = claimed.unwrap().unwrap().id;
    app.step_workers().await;
    assert_eq!(
        shown(&ada, order.order_id).await["payment"]["state"],
        "charging",
        "somebody may still be at it"
    );
    app.clock.advance(Duration::from_secs(61));
    app.step_workers().await;
    assert_eq!(shown(&ada, order.order_id).await["status"], "completed");
    let after = payment_of(&app, &ada).await;
    assert_eq!((after.id, after.tries, after.interrupted), (key, 2, 1));
    assert_eq!(app.published_of::<PaymentSucceeded>().await.len(), 1);
}

#[tokio::test]
async fn two_replicas_at_once_charge_and_record_once() {
    let app = hub().await;
    let twin = app.twin("").await;
    let ada = customer(&app).await;
    for seats in 1..=3 {
        let order = order(&app, &ada, "team", seats, "month");
        app.deliver(&order).await;
        tokio::join!(app.step_workers(), twin.step_workers());
        assert_eq!(shown(&ada, order.order_id).await["status"], "completed");
    }
    assert_eq!(app.published_of::<PaymentSucceeded>().await.len(), 3);
    assert_eq!(app.published_of::<InvoiceIssued>().await.len(), 3);
    assert_eq!(app.published_of::<OrderCompleted>().await.len(), 3);
}

#[tokio::test]
async fn a_provider_that_does_not_answer_leaves_the_order_charging_and_says_so() {
    let app = hub().await;
    let ada = customer(&app).await;
    pay_with(&ada, "sandbox_unreachable").await;
    let order = order(&app, &ada, "team", 1, "month");
    app.deliver(&order).await;
    app.step_workers().await;
    let waiting = shown(&ada, order.order_id).await;
    assert_eq!(waiting["status"], "charging");
    assert!(
        waiting["payment"]["reason"]
            .as_str()
            .unwrap()
            .contains("told not to answer")
    );
    // Whoever pays by transfer meanwhile might pay twice.
    let body = json!({ "amount_minor": 1071, "reference": "x" });
    let path = format!("/v1/invoices/{}/payments", waiting["invoice_id"].as_str().unwrap());
    assert_eq!(
        admin(&app).post(path, body).await.expect(409).problem(),
        "invoice-charging"
    );
}

#[tokio::test]
async fn an_answer_that_is_recorded_twice_counts_once() {
    let app = hub().await;
    let ada = customer(&app).await;
    let order = order(&app, &ada, "team", 1, "month");
    app.deliver(&order).await;
    app.step_workers().await;
    record(&app, payment_of(&app, &ada).await.id).await;
    assert_eq!(app.published_of::<PaymentSucceeded>().await.len(), 1);
    assert_eq!(credit(&ada).await, 0);
}

#[tokio::test]
async fn money_that_comes_for_an_order_that_was_given_up_is_to_the_accounts_credit() {
    let app = hub().await;
    let ada = customer(&app).await;
    pay_with(&ada, "sandbox_declined").await;
    let order = order(&app, &ada, "team", 1, "month");
    app.deliver(&order).await;
    app.step_workers().await;
    record(&app, payment_of(&app, &ada).await.id).await;
    assert_eq!(credit(&ada).await, 1071);
    assert_eq!(shown(&ada, order.order_id).await["status"], "failed");
    assert_eq!(invoices(&ada).await[0]["status"], "cancelled");
}

/// The provider says that the money is there.
async fn record(app: &App, id: PaymentId) {
    let state = crate::contract::state(app);
    let report = Report::from(Outcome::Succeeded {
        reference: "late".to_owned(),
    });
    let now = app.clock.now();
    let done: Result<(), DbErr> = app
        .db
        .write(async |tx| flow::payment::record(&state, tx, id, Ok(report.clone()), now).await)
        .await;
    done.unwrap();
}

#[tokio::test]
async fn a_payment_of_a_provider_that_is_not_set_up_any_more_waits_for_it() {
    let app = hub().await;
    let ada = customer(&app).await;
    let order = order(&app, &ada, "team", 1, "month");
    app.deliver(&order).await;
    sql(&app, "UPDATE payments SET provider = 'stripe'").await;
    app.step_workers().await;
    let waiting = shown(&ada, order.order_id).await;
    assert_eq!(waiting["status"], "charging");
    assert!(
        waiting["payment"]["reason"]
            .as_str()
            .unwrap()
            .contains("stripe is not set up")
    );
}

#[tokio::test]
async fn money_that_comes_after_its_account_was_closed_ends_the_order_and_subscribes_nobody() {
    let app = hub().await;
    let ada = customer(&app).await;
    pay_with(&ada, "sandbox_unreachable").await;
    let order = order(&app, &ada, "team", 1, "month");
    app.deliver(&order).await;
    app.step_workers().await;
    let closed = contracts::auth::UserDeleted {
        user_id: ada.id,
        deleted_at: app.clock.now(),
        version: 2,
    };
    app.deliver(&closed).await;
    assert_eq!(
        shown(&ada, order.order_id).await["status"],
        "charging",
        "nobody knows yet"
    );
    record(&app, payment_of(&app, &ada).await.id).await;
    assert_eq!(shown(&ada, order.order_id).await["reason"], "account_closed");
    assert_eq!(crate::world::subscription(&ada).await["plan"], "free");
    assert_eq!(
        invoices(&ada).await[0]["status"],
        "paid",
        "an admin sees what is to be given back"
    );
}

#[tokio::test]
async fn money_that_comes_late_for_a_renewal_pays_it_and_the_scheduled_attempt_is_called_off() {
    let app = hub().await;
    let ada = customer(&app).await;
    crate::world::place(&app, &ada, "team", 1, "month").await;
    pay_with(&ada, "sandbox_declined").await;
    let end = crate::world::time(&crate::world::subscription(&ada).await["period_end"]);
    crate::world::pass_until(&app, end);
    app.step_workers().await;
    let payments = payment::of_user(app.db.read(), ada.id).await.unwrap();
    assert_eq!(
        (payments.len(), payments[1].state.as_str(), payments[2].state.as_str()),
        (3, "failed", "pending")
    );
    record(&app, payments[1].id).await;
    assert_eq!(crate::world::subscription(&ada).await["status"], "active");
    assert_eq!(
        (invoices(&ada).await[1]["status"].as_str(), credit(&ada).await),
        (Some("paid"), 0)
    );
    app.clock.advance(10 * crate::world::DAY);
    app.step_workers().await;
    assert_eq!(app.published_of::<PaymentSucceeded>().await.len(), 2);
}
