//! The whole hub's figures.

use contracts::{
    auth::SessionStarted,
    billing::{PlanLimits, SubscriptionSnapshot, SubscriptionUpdated},
    id::{SessionId, SubscriptionId, UserId},
};
use serde_json::json;

use crate::world::{Team, admin, at, column, comment, registered, start, tell};

fn subscribed(id: SubscriptionId, version: i64, mrr_minor: i64, time: &str) -> SubscriptionUpdated {
    let user_id = UserId::new();
    SubscriptionUpdated {
        user_id,
        subscription: SubscriptionSnapshot {
            subscription_id: id,
            user_id,
            plan: "team".to_owned(),
            status: "active".to_owned(),
            seats: 3,
            interval: "month".to_owned(),
            limits: PlanLimits::default(),
            mrr_minor,
            currency: "EUR".to_owned(),
            period_end: None,
            cancel_at_period_end: false,
            version,
        },
        change: "started".to_owned(),
        changed_at: at(time),
    }
}

fn signed_in(user: UserId, time: &str) -> SessionStarted {
    SessionStarted {
        session_id: SessionId::new(),
        user_id: user,
        client: "curl".to_owned(),
        unseen_client: false,
        started_at: at(time),
    }
}

#[tokio::test]
async fn an_admin_sees_sign_ups_active_people_revenue_and_churn() {
    let app = start().await;
    let (ada, bob) = (UserId::new(), UserId::new());
    tell(&app, &registered(ada), "2026-03-01T10:00:00Z").await;
    tell(&app, &registered(bob), "2026-03-02T10:00:00Z").await;
    tell(&app, &signed_in(ada, "2026-03-09T10:00:00Z"), "2026-03-09T10:00:00Z").await;
    let (paying, leaving) = (SubscriptionId::new(), SubscriptionId::new());
    for (id, version, mrr, time) in [
        (paying, 1, 3000, "2026-03-02T12:00:00Z"),
        (leaving, 1, 1000, "2026-03-02T12:00:00Z"),
        (leaving, 2, 0, "2026-03-09T12:00:00Z"),
    ] {
        tell(&app, &subscribed(id, version, mrr, time), time).await;
    }
    let admin = admin(&app);
    let path = "/v1/analytics/business?from=2026-03-01&to=2026-03-10";
    let figures = admin.get(path).await.expect(200).json;
    assert_eq!(column(&figures, "sign_ups"), [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(column(&figures, "active_day"), [1, 1, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(column(&figures, "active_week"), [1, 2, 2, 2, 2, 2, 2, 1, 1, 1]);
    assert_eq!(column(&figures, "active_month"), [1, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
    assert_eq!(
        column(&figures, "churned_subscriptions"),
        [0, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    );
    assert_eq!(
        figures["points"][2]["mrr"],
        json!([{ "currency": "EUR", "amount_minor": 4000 }])
    );
    assert_eq!(
        figures["points"][9]["mrr"],
        json!([{ "currency": "EUR", "amount_minor": 3000 }])
    );
    assert_eq!(figures["whole"]["events"], 6);
    let table = admin.get(path).header("accept", "text/csv").await.expect(200).text();
    let mut lines = table.lines();
    assert!(lines.next().unwrap().contains(",mrr_minor_EUR,"), "{table}");
    assert!(lines.nth(2).unwrap().contains(",4000,"), "{table}");
}

#[tokio::test]
async fn the_delay_from_event_to_figure_is_measured() {
    let app = start().await;
    let team = Team::new(&app).await;
    // Between the bounds that delays are counted by, so that how fast this runs does not matter.
    for millis in [1_500, 1_500, 1_500, 40_000] {
        let time = app.clock.now() - std::time::Duration::from_millis(millis);
        tell(&app, &comment(&team, team.owner.id, "now"), &time.to_string()).await;
    }
    let from = (app.clock.now() - std::time::Duration::from_secs(3600)).to_string();
    let figures = admin(&app)
        .get(format!("/v1/analytics/business?from={from}"))
        .await
        .expect(200)
        .json;
    let p50 = figures["whole"]["delay_p50_ms"].as_u64().unwrap();
    assert!((2000..60_000).contains(&p50), "{p50}");
    assert!(figures["whole"]["delay_p99_ms"].as_u64().unwrap() >= 60_000);
}
