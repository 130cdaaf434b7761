//! The beginning and the end of an account, and what is known about it.

use contracts::{
    auth::{UserDeleted, UserUpdated},
    billing::{BillingErased, OrderFailed, SubscriptionUpdated},
};
use serde_json::json;

use crate::world::{
    App, changes, credit_notes, customer, hub, invoices, order, pay_with, place, profile, registered, shown,
    subscription,
};
use testkit::Actor;

fn closed(app: &App, user: &Actor) -> UserDeleted {
    UserDeleted {
        user_id: user.id,
        deleted_at: app.clock.now(),
        version: 9,
    }
}

async fn with_profile(app: &App) -> Actor {
    let ada = customer(app).await;
    let body = json!({ "name": "Ada Okafor", "address": "12 Long Lane\n10115 Berlin", "country": "FR", "vat_id": "FR 12 345678901" });
    ada.put("/v1/billing-profile", body)
        .header("if-match", "*")
        .await
        .expect(200);
    ada
}

#[tokio::test]
async fn invoices_are_addressed_and_taxed_by_the_billing_profile() {
    let app = hub().await;
    let ada = with_profile(&app).await;
    place(&app, &ada, "team", 1, "month").await;
    let invoice = &invoices(&ada).await[0];
    assert_eq!(
        (invoice["tax_minor"].as_i64(), invoice["tax_rate"].as_i64()),
        (Some(0), Some(0))
    );
    assert_eq!(invoice["buyer"]["vat_id"], "FR12345678901");
    // A person pays the tax of their country; what is issued stays as it is.
    let person = json!({ "name": "Ada Okafor", "address": "12 Long Lane", "country": "FI" });
    let tag = ada
        .get("/v1/billing-profile")
        .await
        .expect(200)
        .header("etag")
        .unwrap()
        .to_owned();
    ada.put("/v1/billing-profile", person.clone())
        .header("if-match", &tag)
        .await
        .expect(200);
    place(&app, &ada, "team", 2, "month").await;
    let all = invoices(&ada).await;
    assert_eq!(
        (all[0]["buyer"]["country"].as_str(), all[1]["tax_rate"].as_i64()),
        (Some("FR"), Some(2550))
    );
    let stale = ada
        .put("/v1/billing-profile", person.clone())
        .header("if-match", &tag)
        .await
        .expect(412);
    assert_eq!(stale.problem(), "precondition-failed");
    assert_eq!(
        ada.put("/v1/billing-profile", person).await.expect(428).problem(),
        "precondition-required"
    );
}

#[tokio::test]
async fn a_profile_that_is_wrong_is_refused_with_every_wrong_field() {
    let app = hub().await;
    let ada = customer(&app).await;
    let body = json!({ "name": "", "address": "x\u{0}", "country": "Germany", "vat_id": "?" });
    let refused = ada
        .put("/v1/billing-profile", body)
        .header("if-match", "*")
        .await
        .expect(422);
    assert_eq!(refused.wrong(), ["#/name", "#/address", "#/country", "#/vat_id"]);
}

#[tokio::test]
async fn a_closed_account_ends_its_subscription_loses_what_is_personal_and_keeps_its_invoices() {
    let app = hub().await;
    let ada = with_profile(&app).await;
    place(&app, &ada, "team", 1, "month").await;
    let event = closed(&app, &ada);
    app.deliver(&event).await;
    app.deliver(&event).await;
    app.step_workers().await;
    let after = subscription(&ada).await;
    assert_eq!(
        (after["status"].as_str(), after["plan"].as_str()),
        (Some("cancelled"), Some("free"))
    );
    assert_eq!(ada.get("/v1/billing-profile").await.expect(200).json["name"], "");
    let invoice = &invoices(&ada).await[0];
    assert_eq!(
        invoice["buyer"]["name"], "Ada Okafor",
        "the law wants invoices kept as they were issued"
    );
    assert_eq!(app.published_of::<BillingErased>().await.len(), 1);
    assert_eq!(changes(&app).await, ["started", "activated", "ended"]);
    let data = ada.get("/v1/personal-data/billing").await.expect(200).json;
    assert_eq!(
        (&data["email"], &data["payment_method"]["token"]),
        (&json!(""), &json!(null))
    );
}

#[tokio::test]
async fn a_closed_account_can_neither_order_nor_be_renewed_nor_filled_again() {
    let app = hub().await;
    let ada = customer(&app).await;
    app.deliver(&closed(&app, &ada)).await;
    let late = order(&app, &ada, "team", 1, "month");
    app.deliver(&late).await;
    assert_eq!(shown(&ada, late.order_id).await["reason"], "account_closed");
    app.deliver(&registered(ada.id)).await;
    let body = json!({ "name": "Ada", "address": "x", "country": "FI" });
    let refused = ada
        .put("/v1/billing-profile", body)
        .header("if-match", "*")
        .await
        .expect(409);
    assert_eq!(refused.problem(), "account-closed");
    ada.put("/v1/payment-method", json!({ "token": "sandbox_pays" }))
        .await
        .expect(404);
    ada.post("/v1/subscription/cancel", json!({})).await.expect(404);
    assert_eq!(ada.get("/v1/personal-data/billing").await.expect(200).json["email"], "");
}

#[tokio::test]
async fn an_order_on_its_way_fails_when_its_account_is_closed() {
    let app = hub().await;
    let ada = customer(&app).await;
    pay_with(&ada, "sandbox_unconfirmed").await;
    let (first, second) = (
        order(&app, &ada, "team", 1, "month"),
        order(&app, &ada, "team", 2, "month"),
    );
    app.deliver(&first).await;
    app.deliver(&second).await;
    app.deliver(&closed(&app, &ada)).await;
    app.step_workers().await;
    for id in [first.order_id, second.order_id] {
        assert_eq!(shown(&ada, id).await["reason"], "account_closed");
    }
    assert_eq!(app.published_of::<OrderFailed>().await.len(), 2);
    assert_eq!(
        (
            invoices(&ada).await[0]["status"].as_str(),
            credit_notes(&ada).await.len()
        ),
        (Some("cancelled"), 1)
    );
    let last = app.published_of::<SubscriptionUpdated>().await.pop().unwrap();
    assert_eq!(last.subscription.status, "cancelled");
}

#[tokio::test]
async fn a_customer_gets_all_that_is_held_about_them_and_nothing_of_others() {
    let app = hub().await;
    let (ada, bo) = (with_profile(&app).await, customer(&app).await);
    place(&app, &ada, "team", 1, "month").await;
    app.deliver(&UserUpdated {
        user_id: ada.id,
        user: profile(ada.id, "ada@new.example", 2),
    })
    .await;
    app.deliver(&registered(ada.id)).await;
    let data = ada.get("/v1/personal-data/billing").await.expect(200).json;
    assert_eq!(
        (data["email"].as_str(), data["profile"]["name"].as_str()),
        (Some("ada@new.example"), Some("Ada Okafor"))
    );
    for list in ["orders", "invoices", "payments"] {
        assert_eq!(data[list].as_array().unwrap().len(), 1, "{list}");
    }
    assert_eq!(data["subscription"]["plan"], "team");
    let others = bo.get("/v1/personal-data/billing").await.expect(200).json;
    assert!(others["orders"].as_array().unwrap().is_empty() && others["invoices"].as_array().unwrap().is_empty());
}
