//! The plan of an account, as billing tells it, in what others see of it.

use contracts::{
    Timestamp,
    auth::UserUpdated,
    billing::{PlanLimits, SubscriptionSnapshot, SubscriptionUpdated},
    id::{SubscriptionId, UserId},
};
use serde_json::json;
use testkit::Outcome;

use crate::hub::{Hub, text};

fn subscription(user: UserId, plan: &str, version: i64) -> SubscriptionUpdated {
    SubscriptionUpdated {
        user_id: user,
        subscription: SubscriptionSnapshot {
            subscription_id: SubscriptionId::new(),
            user_id: user,
            plan: plan.to_owned(),
            status: "active".to_owned(),
            seats: 1,
            interval: "month".to_owned(),
            limits: PlanLimits::default(),
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

async fn plan(hub: &Hub, token: &str) -> String {
    text(&hub.introspect(token).await, "plan")
}

#[tokio::test]
async fn a_new_plan_is_in_the_next_token_and_an_old_token_is_exchanged_for_one_that_says_it() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    hub.app.deliver(&subscription(ada.id, "team", 1)).await;

    let answer = hub.introspect(&ada.access_token).await;
    assert_eq!(answer["plan"], "team");
    let exchanged = text(&answer, "access_token");
    assert_eq!(
        hub.introspect(&exchanged).await["access_token"],
        json!(null),
        "it says team itself"
    );

    let refreshed = hub.refresh(&ada.refresh_token).await.expect(200).json;
    let again = hub.introspect(&text(&refreshed, "access_token")).await;
    assert_eq!((&again["plan"], &again["access_token"]), (&json!("team"), &json!(null)));
    let me = ada.actor.get("/v1/me").await.expect(200);
    assert_eq!(
        (me.json["plan"].as_str(), me.header("etag")),
        (Some("team"), Some("\"v2\""))
    );
}

#[tokio::test]
async fn a_token_of_a_program_says_the_plan_too() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let body = json!({ "name": "ci", "scopes": ["tasks:read"] });
    let made = ada.actor.post("/v1/tokens", body).await.expect(201).json;
    let token = text(&made, "token");
    hub.app.deliver(&subscription(ada.id, "business", 1)).await;
    assert_eq!(plan(&hub, &token).await, "business");
}

#[tokio::test]
async fn who_remembers_the_user_is_told_when_the_plan_is_another_and_only_then() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    hub.app.deliver(&subscription(ada.id, "free", 1)).await;
    assert!(hub.app.published_of::<UserUpdated>().await.is_empty());
    hub.app.deliver(&subscription(ada.id, "team", 2)).await;
    hub.app.deliver(&subscription(ada.id, "team", 3)).await;
    let told = hub.app.published_of::<UserUpdated>().await;
    assert_eq!(told.iter().map(|event| event.user.version).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn what_arrives_late_or_twice_does_not_bring_an_old_plan_back() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let newest = subscription(ada.id, "team", 5);
    let (envelope, value) = (hub.app.envelope(&newest), serde_json::to_vec(&newest).unwrap());
    assert_eq!(hub.app.deliver_as(&envelope, value.clone()).await, Outcome::Applied);
    assert_eq!(hub.app.deliver_as(&envelope, value).await, Outcome::Duplicate);
    for version in [1, 4, 5] {
        hub.app.deliver(&subscription(ada.id, "business", version)).await;
    }
    assert_eq!(plan(&hub, &ada.access_token).await, "team");
    hub.app.deliver(&subscription(ada.id, "free", 6)).await;
    assert_eq!(plan(&hub, &ada.access_token).await, "free", "after a downgrade");
}

#[tokio::test]
async fn a_subscription_of_somebody_who_is_not_here_changes_nothing() {
    let hub = Hub::start().await;
    hub.app.deliver(&subscription(UserId::new(), "team", 1)).await;
    assert!(hub.app.published_of::<UserUpdated>().await.is_empty());
}
