//! Invoices: their numbers, that they never change, how they are paid by hand and taken back.

use billing::{domain::invoice::Kind, store::series};
use contracts::billing::{InvoiceCredited, InvoicePaid, PaymentSucceeded};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;

use crate::world::{admin, changes, credit, customer, hub, hub_with, invoices, order, place, subscription};

#[tokio::test]
async fn numbers_have_no_gaps_though_many_orders_come_at_once_and_some_writes_fail() {
    let app = hub().await;
    let customers = join_all((0..12).map(|_| customer(&app))).await;
    let orders = customers.iter().map(|user| order(&app, user, "team", 1, "month"));
    let orders: Vec<_> = orders.collect();
    let failing = (0..12).map(|_| async {
        let year = billing::domain::period::year(app.clock.now());
        let failed = app
            .db
            .write(async |tx| {
                series::next(tx, "CTH", Kind::Invoice, year).await?;
                Err::<(), _>(DbErr::Custom("the process had no luck".to_owned()))
            })
            .await;
        assert!(failed.is_err());
    });
    tokio::join!(
        join_all(orders.iter().map(|order| app.deliver(order))),
        join_all(failing)
    );
    app.step_workers().await;
    let mut numbers = Vec::new();
    for user in &customers {
        numbers.push(invoices(user).await[0]["number"].as_str().unwrap().to_owned());
    }
    numbers.sort_unstable();
    let year = billing::domain::period::year(app.clock.now());
    let expected: Vec<String> = (1..=12).map(|sequence| format!("CTH-{year}-{sequence:06}")).collect();
    assert_eq!(numbers, expected);
}

#[tokio::test]
async fn each_year_begins_its_own_numbers() {
    let app = hub().await;
    let next = async |year: i32, kind| {
        let number = app.db.write(async |tx| series::next(tx, "CTH", kind, year).await).await;
        number.unwrap_or_else(|error: DbErr| panic!("{error}"))
    };
    assert_eq!(
        (next(2026, Kind::Invoice).await, next(2026, Kind::Invoice).await),
        (1, 2)
    );
    assert_eq!(
        (next(2027, Kind::Invoice).await, next(2027, Kind::CreditNote).await),
        (1, 1)
    );
}

#[tokio::test]
async fn what_is_issued_cannot_be_changed_or_removed_even_by_sql() {
    let app = hub().await;
    let ada = customer(&app).await;
    place(&app, &ada, "team", 4, "month").await;
    place(&app, &ada, "team", 1, "month").await;
    for sql in [
        "UPDATE invoices SET total_minor = 0",
        "DELETE FROM invoices",
        "UPDATE credit_notes SET total_minor = 0",
        "DELETE FROM credit_notes",
    ] {
        let done: Result<_, DbErr> = app
            .db
            .write(async |tx| tx.execute_unprepared(sql).await.map(|_| ()))
            .await;
        assert!(done.unwrap_err().to_string().contains("never"), "{sql}");
    }
}

#[tokio::test]
async fn an_admin_records_a_bank_transfer_and_the_order_is_completed() {
    let app =
        hub_with("[billing]\nprovider = \"manual\"\n[billing.seller]\nbank_account = \"DE02 1203 0000 0000 2020 51\"")
            .await;
    let (ada, admin) = (customer(&app).await, admin(&app));
    let placed = place(&app, &ada, "team", 1, "month").await;
    assert_eq!(placed["status"], "charging");
    let path = format!("/v1/invoices/{}/payments", placed["invoice_id"].as_str().unwrap());
    let record = async |amount: i64, key: &str| {
        let body = json!({ "amount_minor": amount, "reference": "statement 48" });
        admin.post(&path, body).header("idempotency-key", key).await
    };
    let short = record(1000, "a").await.expect(422);
    assert_eq!(
        (short.wrong(), short.text().contains("10.71 EUR")),
        (vec!["#/amount_minor"], true)
    );
    let paid = record(1071, "b").await.expect(201);
    assert_eq!(paid.json["status"], "paid");
    assert_eq!(
        record(1071, "b").await.expect(201).json,
        paid.json,
        "sent twice, recorded once"
    );
    assert_eq!(record(1071, "c").await.expect(409).problem(), "invoice-not-open");
    assert_eq!(record(1000, "b").await.expect(422).problem(), "idempotency-key-reused");
    assert_eq!(changes(&app).await, ["started", "activated"]);
    let payment = app.published_of::<PaymentSucceeded>().await;
    assert_eq!((payment.len(), payment[0].provider.as_str()), (1, "manual"));
    assert_eq!(app.published_of::<InvoicePaid>().await.len(), 1);
}

#[tokio::test]
async fn an_order_whose_bank_transfer_never_comes_fails_when_its_invoice_is_due() {
    let app = hub_with("[billing]\nprovider = \"manual\"\ninvoice_due_days = 7").await;
    let ada = customer(&app).await;
    let placed = place(&app, &ada, "team", 1, "month").await;
    app.clock.advance(8 * crate::world::DAY);
    app.step_workers().await;
    let order = ada
        .get(format!("/v1/orders/{}", placed["id"].as_str().unwrap()))
        .await
        .expect(200)
        .json;
    assert_eq!(
        (order["status"].as_str(), order["reason"].as_str()),
        (Some("failed"), Some("payment_declined"))
    );
    assert_eq!(invoices(&ada).await[0]["status"], "cancelled");
    let refused = ada
        .put("/v1/payment-method", json!({ "token": "pm_1" }))
        .await
        .expect(422);
    assert!(refused.text().contains("bank transfer"));
}

#[tokio::test]
async fn an_admin_takes_back_part_of_a_paid_invoice_and_the_next_one_uses_it() {
    let app = hub().await;
    let (ada, admin) = (customer(&app).await, admin(&app));
    place(&app, &ada, "team", 3, "month").await;
    let number = invoices(&ada).await[0]["number"].as_str().unwrap().to_owned();
    let path = format!("/v1/invoices/{number}/credit-notes");
    let give_back = async |amount: i64| {
        let body = json!({ "amount_minor": amount, "reason": "One seat was never used." });
        admin.post(&path, body).await
    };
    let note = give_back(1071).await.expect(201);
    assert_eq!(
        (note.json["net_minor"].as_i64(), note.json["tax_minor"].as_i64()),
        (Some(900), Some(171))
    );
    assert_eq!(
        (credit(&ada).await, app.published_of::<InvoiceCredited>().await.len()),
        (1071, 1)
    );
    let too_much = give_back(2143).await.expect(422);
    assert!(too_much.text().contains("21.42 EUR"), "{}", too_much.text());
    give_back(2142).await.expect(201);
    let invoice = ada.get(format!("/v1/invoices/{number}")).await.expect(200).json;
    assert_eq!(
        (invoice["credited_minor"].as_i64(), invoice["total_minor"].as_i64()),
        (Some(3213), Some(3213))
    );
    let body = json!({ "amount_minor": -5, "reason": "" });
    assert_eq!(
        admin.post(&path, body).await.expect(422).wrong(),
        ["#/reason", "#/amount_minor"]
    );
    // Support may look, not change; the customer sees their own.
    let support = app.user_with(|claims| claims.role = identity::Role::Support);
    support.get(format!("/v1/invoices/{number}")).await.expect(200);
    assert_eq!(
        ada.get("/v1/credit-notes").await.expect(200).json["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(subscription(&ada).await["plan"], "team");
}

#[tokio::test]
async fn an_invoice_that_was_taken_back_cannot_be_paid_or_credited_again() {
    let app = hub().await;
    let (ada, admin) = (customer(&app).await, admin(&app));
    crate::world::pay_with(&ada, "sandbox_declined").await;
    place(&app, &ada, "team", 1, "month").await;
    let id = invoices(&ada).await[0]["id"].as_str().unwrap().to_owned();
    let pay = json!({ "amount_minor": 1071, "reference": "x" });
    let refused = admin.post(format!("/v1/invoices/{id}/payments"), pay).await.expect(409);
    assert_eq!(refused.problem(), "invoice-not-open");
    let back = json!({ "amount_minor": 1, "reason": "x" });
    let refused = admin
        .post(format!("/v1/invoices/{id}/credit-notes"), back)
        .await
        .expect(409);
    assert_eq!(refused.problem(), "invoice-not-paid");
}
