//! Who and what the stories are about.

use std::time::Duration;

use billing::Billing;
use chassis::Clock;
use contracts::{
    Timestamp,
    auth::{UserProfile, UserRegistered},
    gateway::OrderRequested,
    id::{OrderId, UserId},
};
use serde_json::{Value, json};
use testkit::{Actor, TestService};

pub(crate) type App = TestService<Billing>;

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// A hub whose clock stands still until the story lets time pass.
pub(crate) async fn hub() -> App {
    hub_with("").await
}

pub(crate) async fn hub_with(settings: &str) -> App {
    App::at(settings, Clock::stopped()).await
}

pub(crate) fn profile(user: UserId, email: &str, version: i64) -> UserProfile {
    UserProfile {
        user_id: user,
        email: email.to_owned(),
        handle: "someone".to_owned(),
        display_name: "Someone".to_owned(),
        email_verified: true,
        role: "user".to_owned(),
        disabled: false,
        version,
    }
}

pub(crate) fn registered(user: UserId) -> UserRegistered {
    UserRegistered {
        user_id: user,
        user: profile(user, "ada@example.com", 1),
    }
}

/// Somebody whose account has been heard of.
pub(crate) async fn customer(app: &App) -> Actor {
    let user = app.user();
    app.deliver(&registered(user.id)).await;
    user
}

pub(crate) fn admin(app: &App) -> Actor {
    app.user_with(|claims| claims.role = identity::Role::Admin)
}

pub(crate) fn order(app: &App, user: &Actor, plan: &str, seats: u32, interval: &str) -> OrderRequested {
    OrderRequested {
        order_id: OrderId::new(),
        user_id: user.id,
        plan: plan.to_owned(),
        seats,
        interval: interval.to_owned(),
        currency: None,
        requested_at: app.clock.now(),
    }
}

/// Places an order and lets it be worked on; answers it as the customer sees it.
pub(crate) async fn place(app: &App, user: &Actor, plan: &str, seats: u32, interval: &str) -> Value {
    let order = order(app, user, plan, seats, interval);
    app.deliver(&order).await;
    app.step_workers().await;
    shown(user, order.order_id).await
}

pub(crate) async fn shown(user: &Actor, order: OrderId) -> Value {
    user.get(format!("/v1/orders/{order}")).await.expect(200).json
}

pub(crate) fn steps(order: &Value) -> Vec<&str> {
    order["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect()
}

pub(crate) async fn pay_with(user: &Actor, token: &str) {
    user.put("/v1/payment-method", json!({ "token": token }))
        .await
        .expect(200);
}

pub(crate) async fn subscription(user: &Actor) -> Value {
    user.get("/v1/subscription").await.expect(200).json
}

/// The invoices, oldest first.
pub(crate) async fn invoices(user: &Actor) -> Vec<Value> {
    let mut items = user.get("/v1/invoices?limit=200").await.expect(200).json["items"]
        .as_array()
        .cloned()
        .unwrap();
    items.reverse();
    items
}

pub(crate) async fn credit_notes(user: &Actor) -> Vec<Value> {
    user.get("/v1/credit-notes").await.expect(200).json["items"]
        .as_array()
        .cloned()
        .unwrap()
}

/// What the account has to its credit, in minor units of its one currency.
pub(crate) async fn credit(user: &Actor) -> i64 {
    subscription(user).await["credit"]
        .as_array()
        .unwrap()
        .iter()
        .map(|credit| credit["amount_minor"].as_i64().unwrap())
        .sum()
}

/// What became of the subscription, in order.
pub(crate) async fn changes(app: &App) -> Vec<String> {
    app.published_of::<contracts::billing::SubscriptionUpdated>()
        .await
        .into_iter()
        .map(|event| event.change)
        .collect()
}

pub(crate) fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// Lets time pass until just after `when`.
pub(crate) fn pass_until(app: &App, when: Timestamp) {
    let wait = when.since(app.clock.now()) + Duration::from_secs(1);
    app.clock.advance(wait);
}
