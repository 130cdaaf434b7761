//! Ordering a plan: accepted whatever is down, told truthfully whoever knows.

use std::{sync::Arc, time::Duration};

use chassis::{Clock, Service as _};
use contracts::{
    Event, Timestamp,
    billing::{OrderCompleted, OrderFailed, PlanLimits, PlanPublished, SeatPrice},
    gateway::OrderRequested,
    id::{OrderId, SubscriptionId, UserId},
};
use gateway::{Gateway, edge::order_pruner::OrderPruner, store::order};
use identity::Scope;
use messaging::{outbox, worker::Worker};
use poem::{Request, Response, http::StatusCode};
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::support::{Answer, Edge, Service, User, json_answer};

fn team() -> Value {
    json!({"plan": "team", "seats": 3, "interval": "month"})
}

async fn order(edge: &Edge, user: &User, body: &Value, key: Option<&str>) -> Answer {
    let mut request = edge
        .request(reqwest::Method::POST, "/v1/orders")
        .bearer_auth(&user.token)
        .header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    Answer::of(request.body(body.to_string()).send().await.unwrap()).await
}

/// An order that was accepted; its id.
async fn accepted(edge: &Edge, user: &User) -> OrderId {
    let answer = order(edge, user, &team(), None).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json()["id"].as_str().unwrap().parse().unwrap()
}

async fn requested(edge: &Edge) -> Vec<OrderRequested> {
    let rows = outbox::Entity::find().all(edge.db.read()).await.unwrap();
    let orders = rows.iter().filter(|row| row.event_type == OrderRequested::TYPE);
    orders.map(|row| serde_json::from_str(&row.payload).unwrap()).collect()
}

fn plan(name: &str, orderable: bool, prices: &[(&str, &str)], catalogue_version: i64) -> PlanPublished {
    let price = |(interval, currency): &(&str, &str)| SeatPrice {
        interval: (*interval).to_owned(),
        currency: (*currency).to_owned(),
        amount_minor: 900,
    };
    PlanPublished {
        plan: name.to_owned(),
        title: name.to_owned(),
        limits: PlanLimits::default(),
        prices: prices.iter().map(price).collect(),
        orderable,
        catalogue_version,
    }
}

fn completed(order: OrderId, user: UserId) -> OrderCompleted {
    OrderCompleted {
        order_id: order,
        user_id: user,
        subscription_id: SubscriptionId::new(),
        plan: "team".to_owned(),
        seats: 3,
        invoice_id: None,
        completed_at: Timestamp::now(),
    }
}

fn failed(order: OrderId, user: UserId) -> OrderFailed {
    OrderFailed {
        order_id: order,
        user_id: user,
        plan: "team".to_owned(),
        reason: "payment_declined".to_owned(),
        detail: "the card was declined; use another".to_owned(),
        failed_at: Timestamp::now(),
    }
}

/// A billing that has these orders, newest first, and pages of two.
fn billing(orders: &[OrderId]) -> Service {
    let orders: Arc<Vec<String>> = Arc::new(orders.iter().map(ToString::to_string).collect());
    Service::answering(move |request: Request| {
        let orders = Arc::clone(&orders);
        async move {
            let of = |id: &String| json!({"id": id, "status": "charging", "steps": []});
            match request.uri().path() {
                "/v1/orders" if request.uri().query().is_some_and(|query| query.contains("cursor=next")) => {
                    json_answer(
                        &json!({"items": orders.iter().skip(2).map(of).collect::<Vec<_>>(), "next_cursor": null}),
                    )
                }
                "/v1/orders" => {
                    let next = (orders.len() > 2).then_some("next");
                    let items: Vec<Value> = orders.iter().take(2).map(of).collect();
                    json_answer(&json!({"items": items, "next_cursor": next}))
                }
                path => match orders.iter().find(|id| path.ends_with(id.as_str())) {
                    Some(id) => json_answer(&of(id)),
                    None => StatusCode::NOT_FOUND.into(),
                },
            }
        }
    })
}

fn ids(answer: &Answer) -> Vec<String> {
    let items = answer.json()["items"].as_array().unwrap().clone();
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn ordering_is_documented_and_guarded_like_everything_else() {
    testkit::openapi::check(&Gateway::document());
}

#[tokio::test]
async fn an_order_is_accepted_and_can_be_looked_at_while_nothing_behind_works() {
    let edge = Edge::in_front_of(&[]).await;
    let ada = edge.user();
    let answer = order(&edge, &ada, &team(), None).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let body = answer.json();
    let id = body["id"].as_str().unwrap();
    assert!(id.starts_with("ord_"), "{id}");
    assert_eq!(answer.header("location"), format!("/v1/orders/{id}"));
    assert_eq!(
        json!([
            body["status"],
            body["plan"],
            body["seats"],
            body["interval"],
            body["currency"],
            body["note"]
        ]),
        json!(["accepted", "team", 3, "month", null, null])
    );
    let events = requested(&edge).await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        (
            events[0].order_id.to_string().as_str(),
            events[0].user_id,
            events[0].seats
        ),
        (id, ada.id, 3)
    );

    let told = edge.get(&ada, &format!("/v1/orders/{id}")).await;
    assert_eq!(
        (told.status, &told.json()["status"]),
        (200, &json!("accepted")),
        "{}",
        told.text
    );
    assert_eq!(told.json()["steps"][0]["step"], "accepted");
    assert!(
        told.json()["note"]
            .as_str()
            .unwrap()
            .contains("billing cannot be reached")
    );
    let list = edge.get(&ada, "/v1/orders").await;
    assert_eq!((list.status, ids(&list)), (200, vec![id.to_owned()]), "{}", list.text);
    assert!(
        list.json()["note"]
            .as_str()
            .unwrap()
            .contains("billing cannot be reached")
    );
}

#[tokio::test]
async fn the_same_order_sent_again_with_its_key_is_ordered_once() {
    let edge = Edge::in_front_of(&[]).await;
    let (ada, bob) = (edge.user(), edge.user());
    let body = team();
    let sent = (0..8).map(|_| order(&edge, &ada, &body, Some("click")));
    let answers = futures_util::future::join_all(sent).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.status == 202 && answer.text == answers[0].text)
    );
    assert_eq!(requested(&edge).await.len(), 1);
    let other = json!({"plan": "team", "seats": 4, "interval": "month"});
    let reused = order(&edge, &ada, &other, Some("click")).await;
    assert_eq!(
        (reused.status, reused.problem().as_str()),
        (422, "idempotency-key-reused")
    );
    assert_eq!(
        order(&edge, &bob, &body, Some("click")).await.status,
        202,
        "a key is its owner's"
    );
    assert_eq!(requested(&edge).await.len(), 2);
    assert_eq!(order(&edge, &ada, &body, Some("")).await.status, 400);
}

#[tokio::test]
async fn everything_wrong_with_an_order_is_told_at_once_and_nothing_is_ordered() {
    let edge = Edge::in_front_of(&[]).await;
    let ada = edge.user();
    let body = json!({"plan": "Team!", "seats": -1, "interval": "week", "currency": "euro"});
    let answer = order(&edge, &ada, &body, Some("click")).await;
    assert_eq!((answer.status, answer.problem().as_str()), (422, "validation-failed"));
    let pointers: Vec<Value> = answer.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].clone())
        .collect();
    assert_eq!(
        json!(pointers),
        json!(["#/plan", "#/seats", "#/interval", "#/currency"])
    );
    for body in [
        json!({"plan": "team", "seats": 10_001, "interval": "month"}),
        json!({"plan": "team", "seats": 1.5, "interval": "month"}),
        json!({"plan": "team", "seats": "three", "interval": "month"}),
        json!({"plan": "team", "interval": "month"}),
        json!({"plan": "team", "seats": 1, "interval": "month", "discount": 100}),
        json!({"plan": "x".repeat(5000), "seats": 1, "interval": "month"}),
    ] {
        assert_eq!(order(&edge, &ada, &body, None).await.status, 422, "{body}");
    }
    assert!(requested(&edge).await.is_empty());
    assert_eq!(
        order(&edge, &ada, &team(), Some("click")).await.status,
        202,
        "the key is still free"
    );
}

#[tokio::test]
async fn what_is_not_on_sale_is_refused_with_what_is() {
    let edge = Edge::in_front_of(&[]).await;
    let ada = edge.user();
    edge.hear(&plan("team", true, &[("month", "EUR"), ("year", "EUR")], 2))
        .await;
    edge.hear(&plan("classic", false, &[("month", "EUR")], 2)).await;
    edge.hear(&plan("free", true, &[], 2)).await;
    // An older catalogue that arrives late brings nothing back.
    edge.hear(&plan("classic", true, &[("month", "EUR")], 1)).await;
    let refused = async |plan: &str, interval: &str, currency: Value| {
        let body = json!({"plan": plan, "seats": 1, "interval": interval, "currency": currency});
        let answer = order(&edge, &ada, &body, None).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (422, "validation-failed"),
            "{}",
            answer.text
        );
        answer.json()["errors"][0].clone()
    };
    for name in ["gold", "classic"] {
        let wrong = refused(name, "month", json!(null)).await;
        assert_eq!(wrong["pointer"], "#/plan");
        assert!(wrong["detail"].as_str().unwrap().contains("free, team"), "{wrong}");
    }
    let wrong = refused("team", "month", json!("USD")).await;
    assert_eq!(wrong["pointer"], "#/currency");
    assert!(
        wrong["detail"].as_str().unwrap().contains("month in EUR, year in EUR"),
        "{wrong}"
    );
    assert!(requested(&edge).await.is_empty());
    let free = json!({"plan": "free", "seats": 1, "interval": "month"});
    assert_eq!(order(&edge, &ada, &free, None).await.status, 202, "it has no price");

    // What was accepted stays accepted, also when it is asked for again after the plan was withdrawn.
    let first = order(&edge, &ada, &team(), Some("click")).await;
    assert_eq!(first.status, 202);
    edge.hear(&plan("team", false, &[("month", "EUR")], 3)).await;
    assert_eq!(order(&edge, &ada, &team(), None).await.status, 422);
    assert_eq!(order(&edge, &ada, &team(), Some("click")).await.text, first.text);
}

#[tokio::test]
async fn billing_tells_of_the_orders_that_it_has_and_the_gateway_of_those_it_has_not() {
    let theirs = OrderId::new();
    let behind = billing(&[theirs]);
    let edge = Edge::in_front_of(&[("billing", behind.address)]).await;
    let (ada, bob) = (edge.user(), edge.user());
    let told = edge.get(&ada, &format!("/v1/orders/{theirs}")).await;
    assert_eq!((told.status, &told.json()["status"]), (200, &json!("charging")));
    let id = accepted(&edge, &ada).await;
    let told = edge.get(&ada, &format!("/v1/orders/{id}")).await;
    assert_eq!((told.status, &told.json()["status"]), (200, &json!("accepted")));
    assert!(
        told.json()["note"]
            .as_str()
            .unwrap()
            .contains("has not taken it up yet")
    );
    let list = edge.get(&ada, "/v1/orders").await;
    assert_eq!(ids(&list), [id.to_string(), theirs.to_string()]);
    for path in [
        format!("/v1/orders/{id}"),
        format!("/v1/orders/{}", OrderId::new()),
        "/v1/orders/nonsense".to_owned(),
    ] {
        let answer = edge.get(&bob, &path).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "order-not-found"),
            "{path}"
        );
    }
    assert_eq!(edge.get(&bob, "/v1/orders/%FF%00").await.status, 404);
}

#[tokio::test]
async fn an_order_stands_in_the_list_once_also_when_billing_has_taken_it_up() {
    let edge = Edge::in_front_of(&[]).await;
    let ada = edge.user();
    let orders = [
        accepted(&edge, &ada).await,
        accepted(&edge, &ada).await,
        accepted(&edge, &ada).await,
        accepted(&edge, &ada).await,
    ];
    let [first, second, third, fourth] = orders.map(|id| id.to_string());
    // Billing has the first three, of which the oldest is on its second page.
    let behind = billing(&[orders[2], orders[1], orders[0]]);
    let edge = edge.again_in_front_of(&[("billing", behind.address)]).await;
    for _ in 0..2 {
        let list = edge.get(&ada, "/v1/orders?limit=2").await;
        assert_eq!(ids(&list), [fourth.clone(), third.clone(), second.clone()]);
        assert_eq!(list.json()["items"][0]["status"], "accepted");
        assert_eq!(list.json()["items"][1]["status"], "charging");
        let rest = edge.get(&ada, "/v1/orders?limit=2&cursor=next").await;
        assert_eq!(ids(&rest), [first.as_str()]);
    }
}

#[tokio::test]
async fn how_an_order_ended_is_told_while_billing_is_down_and_the_first_end_stays() {
    let edge = Edge::in_front_of(&[]).await;
    let ada = edge.user();
    let (good, bad) = (accepted(&edge, &ada).await, accepted(&edge, &ada).await);
    edge.hear(&completed(good, ada.id)).await;
    edge.hear(&failed(good, ada.id)).await;
    edge.hear(&failed(bad, ada.id)).await;
    edge.hear(&completed(OrderId::new(), ada.id)).await;
    let told = edge.get(&ada, &format!("/v1/orders/{good}")).await.json();
    assert_eq!(json!([told["status"], told["detail"]]), json!(["completed", null]));
    assert!(told["note"].as_str().unwrap().contains("how the order ended"));
    let told = edge.get(&ada, &format!("/v1/orders/{bad}")).await.json();
    assert_eq!(
        json!([told["status"], told["reason"], told["detail"], told["steps"][1]["step"]]),
        json!([
            "failed",
            "payment_declined",
            "the card was declined; use another",
            "failed"
        ])
    );
}

#[tokio::test]
async fn a_service_that_hangs_or_fails_is_not_waited_for_and_its_refusals_are_passed_on() {
    let hangs = Service::answering(|_| std::future::pending());
    let edge = Edge::with(&[("billing", hangs.address)], "[gateway.orders]\ntimeout_ms = 100").await;
    let ada = edge.user();
    let id = accepted(&edge, &ada).await;
    assert_eq!(
        edge.get(&ada, &format!("/v1/orders/{id}")).await.json()["status"],
        "accepted"
    );

    let fails = Service::with_statuses(&[500]);
    let edge = Edge::in_front_of(&[("billing", fails.address)]).await;
    let ada = edge.user();
    let id = accepted(&edge, &ada).await;
    assert_eq!(
        edge.get(&ada, &format!("/v1/orders/{id}")).await.json()["status"],
        "accepted"
    );
    assert_eq!(ids(&edge.get(&ada, "/v1/orders").await), [id.to_string()]);
    assert_eq!(
        edge.get(&ada, "/v1/orders?cursor=next").await.status,
        500,
        "nobody here knows the rest"
    );
    assert_eq!(
        edge.get(&ada, &format!("/v1/orders/{}", OrderId::new())).await.status,
        500
    );

    let refuses = Service::answering(|_| async {
        Response::builder()
            .status(StatusCode::BAD_REQUEST)
            .content_type("application/problem+json")
            .body("{\"type\":\"urn:cloudtaskhub:problem:malformed-request\"}")
    });
    let edge = Edge::in_front_of(&[("billing", refuses.address)]).await;
    let answer = edge.get(&edge.user(), "/v1/orders?cursor=made-up").await;
    assert_eq!((answer.status, answer.problem().as_str()), (400, "malformed-request"));
    assert_eq!(edge.get(&edge.user(), "/v1/orders?limit=0").await.status, 422);
    assert_eq!(
        edge.get(&edge.user(), "/v1/orders?cursor=a%26limit=1").await.status,
        400
    );
}

#[tokio::test]
async fn a_token_of_a_program_orders_only_with_the_scope_for_it() {
    let edge = Edge::in_front_of(&[]).await;
    let ada = edge.user();
    let program = |scopes: Vec<Scope>| {
        let token = edge.sign(ada.id, None, Some(scopes.clone()));
        let exp = Timestamp::now().as_seconds() + 600;
        let pat = contracts::id::TokenId::new();
        edge.auth.know(
            &token,
            json!({"active": true, "sub": ada.id, "pat": pat, "role": "user", "scopes": scopes, "exp": exp}),
        );
        User { token, ..ada.clone() }
    };
    let reads = program(vec![Scope::BillingRead, Scope::TasksWrite]);
    assert_eq!(order(&edge, &reads, &team(), None).await.status, 403);
    assert_eq!(edge.get(&reads, "/v1/orders").await.status, 200);
    let writes = program(vec![Scope::BillingWrite]);
    assert_eq!(order(&edge, &writes, &team(), None).await.status, 202);
    assert_eq!(edge.get(&writes, "/v1/orders").await.status, 403);
    for path in ["/v1/orders", "/v1/orders/ord_01h455vb4pex5vsknk084sn02q"] {
        let answer = edge.request(reqwest::Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 401);
    }
    let anonymous = edge
        .request(reqwest::Method::POST, "/v1/orders")
        .body(team().to_string());
    assert_eq!(anonymous.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn an_order_that_was_settled_long_ago_is_forgotten_and_one_that_waits_is_not() {
    let edge = Edge::in_front_of(&[]).await;
    let ada = edge.user();
    let (old, waits) = (accepted(&edge, &ada).await, accepted(&edge, &ada).await);
    edge.hear(&completed(old, ada.id)).await;
    let clock = Clock::stopped();
    let mut pruner = OrderPruner {
        db: edge.db.clone(),
        clock: clock.clone(),
        retention: Duration::from_secs(30 * 86_400),
    };
    let known = async || {
        let orders = order::of_user(edge.db.read(), ada.id, false).await.unwrap();
        orders.into_iter().map(|order| order.id).collect::<Vec<_>>()
    };
    pruner.step().await.unwrap();
    assert_eq!(known().await, [waits, old]);
    clock.advance(Duration::from_secs(31 * 86_400));
    pruner.step().await.unwrap();
    assert_eq!(known().await, [waits]);
}
