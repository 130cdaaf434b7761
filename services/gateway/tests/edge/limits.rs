//! How often one may ask.

use contracts::{
    Event, Timestamp,
    billing::{PlanLimits, SubscriptionSnapshot, SubscriptionUpdated},
    gateway::ClientThrottled,
    id::{SubscriptionId, UserId},
};
use messaging::outbox;
use poem::{Response, http::StatusCode};
use sea_orm::EntityTrait;
use serde_json::json;
use testkit::eventually;

use crate::support::{Answer, Edge, SOON, Service, User};

const TRUST: &str = "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\n";

/// A sign-in from `address`, as a trusted proxy passes it on.
async fn sign_in(edge: &Edge, address: &str, password: &str) -> Answer {
    let request = edge
        .request(reqwest::Method::POST, "/v1/auth/login")
        .header("x-forwarded-for", address);
    Answer::of(
        request
            .body(json!({"password": password}).to_string())
            .send()
            .await
            .unwrap(),
    )
    .await
}

fn auth() -> Service {
    Service::answering(|mut request| async move {
        let body = request.take_body().into_string().await.unwrap();
        if body.contains("right") {
            Response::builder().body("{}")
        } else {
            StatusCode::UNAUTHORIZED.into()
        }
    })
}

#[tokio::test]
async fn somebody_who_tries_passwords_is_stopped_and_an_office_that_signs_in_is_not() {
    let auth = auth();
    let edge = Edge::with(&[("auth", auth.address)], TRUST).await;
    for _ in 0..50 {
        assert_eq!(sign_in(&edge, "203.0.113.1", "right").await.status, 200);
    }
    for _ in 0..10 {
        assert_eq!(sign_in(&edge, "203.0.113.9", "wrong").await.status, 401);
    }
    let asked = auth.calls();
    let answer = sign_in(&edge, "203.0.113.9", "right").await;
    assert_eq!((answer.status, answer.problem().as_str()), (429, "too-many-requests"));
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=6).contains(&wait), "one more in six seconds: {wait}");
    assert_eq!(answer.header("ratelimit-policy"), "\"sign-in\";q=10;w=60");
    assert!(
        answer.header("ratelimit").starts_with("\"sign-in\";r=0;t="),
        "{}",
        answer.header("ratelimit")
    );
    assert_eq!(auth.calls(), asked, "auth was not bothered");
    assert_eq!(sign_in(&edge, "203.0.113.1", "right").await.status, 200);
}

#[tokio::test]
async fn a_forged_address_does_not_help() {
    let auth = auth();
    let edge = Edge::with(&[("auth", auth.address)], "").await;
    for number in 0..10 {
        assert_eq!(
            sign_in(&edge, &format!("203.0.113.{number}"), "wrong").await.status,
            401
        );
    }
    assert_eq!(sign_in(&edge, "198.51.100.1", "wrong").await.status, 429);
}

#[tokio::test]
async fn each_user_has_a_limit_of_their_own_and_sees_where_they_stand() {
    let project = Service::echoing();
    let edge = Edge::with(
        &[("project", project.address)],
        "[gateway.limits.client]\nburst = 3\nper_minute = 3",
    )
    .await;
    let (ada, bob) = (edge.user(), edge.user());
    for left in ["\"client\";r=2;t=20", "\"client\";r=1;t=40", "\"client\";r=0;t=60"] {
        let answer = edge.get(&ada, "/v1/projects").await;
        assert_eq!((answer.status, answer.header("ratelimit")), (200, left));
        assert_eq!(answer.header("ratelimit-policy"), "\"client\";q=3;w=60");
    }
    let answer = edge.get(&ada, "/v1/projects").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "20"));
    assert_eq!(edge.get(&bob, "/v1/projects").await.status, 200);
    assert!(
        edge.metrics().contains("gateway_throttled_total{policy=\"client\"} 1"),
        "{}",
        edge.metrics()
    );
}

fn subscription(user: UserId, requests_per_minute: Option<u64>, version: i64) -> SubscriptionUpdated {
    SubscriptionUpdated {
        user_id: user,
        subscription: SubscriptionSnapshot {
            subscription_id: SubscriptionId::new(),
            user_id: user,
            plan: "team".to_owned(),
            status: "active".to_owned(),
            seats: 1,
            interval: "month".to_owned(),
            limits: PlanLimits {
                requests_per_minute,
                ..PlanLimits::default()
            },
            mrr_minor: 0,
            currency: "EUR".to_owned(),
            period_end: None,
            cancel_at_period_end: false,
            version,
        },
        change: "plan_changed".to_owned(),
        changed_at: Timestamp::now(),
    }
}

async fn policy(edge: &Edge, user: &User) -> String {
    edge.get(user, "/v1/projects")
        .await
        .header("ratelimit-policy")
        .to_owned()
}

#[tokio::test]
async fn a_users_plan_says_how_often_they_may_call_from_the_moment_it_is_heard_of() {
    let project = Service::echoing();
    let edge = Edge::in_front_of(&[("project", project.address)]).await;
    let (ada, bob) = (edge.user(), edge.user());
    assert!(policy(&edge, &ada).await.starts_with("\"client\""));
    edge.hear(&subscription(ada.id, Some(40), 2)).await;
    eventually(SOON, async || policy(&edge, &ada).await == "\"plan\";q=40;w=60").await;
    // Late and repeated ones change nothing.
    edge.hear(&subscription(ada.id, Some(7), 1)).await;
    edge.hear(&subscription(ada.id, Some(7), 2)).await;
    let mut refused = None;
    for _ in 0..50 {
        let answer = edge.get(&ada, "/v1/projects").await;
        assert_eq!(answer.header("ratelimit-policy"), "\"plan\";q=40;w=60");
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("forty a minute");
    assert!(
        refused.header("ratelimit").starts_with("\"plan\";r=0;t="),
        "{}",
        refused.header("ratelimit")
    );
    assert_eq!(
        edge.get(&bob, "/v1/projects").await.status,
        200,
        "somebody else is not concerned"
    );

    edge.hear(&subscription(ada.id, Some(6000), 3)).await;
    eventually(SOON, async || edge.get(&ada, "/v1/projects").await.status == 200).await;
    assert_eq!(policy(&edge, &ada).await, "\"plan\";q=6000;w=60");
    edge.hear(&subscription(ada.id, None, 4)).await;
    eventually(SOON, async || policy(&edge, &ada).await.starts_with("\"client\"")).await;
}

#[tokio::test]
async fn the_rate_of_a_plan_is_known_after_a_restart() {
    let project = Service::echoing();
    let edge = Edge::in_front_of(&[("project", project.address)]).await;
    let ada = edge.user();
    edge.hear(&subscription(ada.id, Some(40), 1)).await;
    let edge = edge.again_in_front_of(&[("project", project.address)]).await;
    assert_eq!(policy(&edge, &ada).await, "\"plan\";q=40;w=60");
}

#[tokio::test]
async fn an_operator_can_let_plans_not_count() {
    let project = Service::echoing();
    let edge = Edge::with(&[("project", project.address)], "[gateway.limits]\nplan_rates = false").await;
    let ada = edge.user();
    edge.hear(&subscription(ada.id, Some(1), 1)).await;
    for _ in 0..5 {
        assert!(policy(&edge, &ada).await.starts_with("\"client\""));
    }
}

#[tokio::test]
async fn each_address_has_a_limit_also_for_paths_that_are_not_there() {
    let edge = Edge::with(
        &[],
        &format!("{TRUST}[gateway.limits.address]\nburst = 2\nper_minute = 1"),
    )
    .await;
    let get = |address: &'static str| {
        edge.request(reqwest::Method::GET, "/v1/nothing")
            .header("x-forwarded-for", address)
            .send()
    };
    assert_eq!(get("203.0.113.9").await.unwrap().status(), 404);
    assert_eq!(get("203.0.113.9").await.unwrap().status(), 404);
    assert_eq!(get("203.0.113.9").await.unwrap().status(), 429);
    assert_eq!(get("203.0.113.8").await.unwrap().status(), 404);
}

#[tokio::test]
async fn by_default_a_busy_machine_is_not_throttled() {
    let project = Service::echoing();
    let edge = Edge::in_front_of(&[("project", project.address)]).await;
    let ada = edge.user();
    let answers = futures_util::future::join_all((0..500).map(|_| edge.get(&ada, "/v1/projects"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
}

#[tokio::test]
async fn tokens_cannot_be_guessed_at_leisure() {
    let edge = Edge::with(&[], "[gateway.limits.bad_token]\nburst = 3\nper_minute = 1").await;
    let ada = edge.user();
    for number in 0..3 {
        let guess = edge
            .request(reqwest::Method::GET, "/v1/me")
            .bearer_auth(format!("guess-{number}"));
        assert_eq!(guess.send().await.unwrap().status(), 401);
    }
    assert_eq!(
        edge.get(&ada, "/v1/me").await.status,
        429,
        "whatever comes from there now"
    );
}

#[tokio::test]
async fn the_other_services_hear_of_a_throttled_client_once_a_minute() {
    let edge = Edge::with(&[], "[gateway.limits.client]\nburst = 1\nper_minute = 1").await;
    let ada = edge.user();
    edge.get(&ada, "/v1/me").await;
    for _ in 0..5 {
        assert_eq!(edge.get(&ada, "/v1/me").await.status, 429);
    }
    let published = async || outbox::Entity::find().all(edge.db.read()).await.unwrap();
    eventually(SOON, async || !published().await.is_empty()).await;
    let events = published().await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event_type, ClientThrottled::TYPE);
    let event: ClientThrottled = serde_json::from_str(&events[0].payload).unwrap();
    assert_eq!(
        (event.client, event.policy.as_str()),
        (format!("user:{}", ada.id), "client")
    );
}
