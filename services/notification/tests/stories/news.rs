//! What analytics and billing have to say becomes notifications.

use contracts::{
    Timestamp,
    analytics::{MilestoneReached, ReportGenerated},
    billing::{
        InvoiceIssued, OrderCompleted, OrderFailed, PaymentFailed, PlanLimits, SubscriptionSnapshot,
        SubscriptionUpdated, UsageThresholdReached,
    },
    id::{InvoiceId, OrderId, PaymentId, ReportId, SubscriptionId, UserId},
};

use crate::world::{App, World, inbox, titles};

fn moment() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn subscription(user: UserId, change: &str, plan: &str, version: i64) -> SubscriptionUpdated {
    SubscriptionUpdated {
        user_id: user,
        subscription: SubscriptionSnapshot {
            subscription_id: SubscriptionId::new(),
            user_id: user,
            plan: plan.to_owned(),
            status: "past_due".to_owned(),
            seats: 3,
            interval: "month".to_owned(),
            limits: PlanLimits::default(),
            mrr_minor: 0,
            currency: "EUR".to_owned(),
            period_end: None,
            cancel_at_period_end: false,
            version,
        },
        change: change.to_owned(),
        changed_at: moment(),
    }
}

#[tokio::test]
async fn money_and_limits_are_told_to_who_pays() {
    let app = App::start().await;
    let ada = app.user();
    let order_id = OrderId::new();
    app.deliver(&OrderCompleted {
        order_id,
        user_id: ada.id,
        subscription_id: SubscriptionId::new(),
        plan: "team".to_owned(),
        seats: 3,
        invoice_id: None,
        completed_at: moment(),
    })
    .await;
    app.deliver(&OrderFailed {
        order_id: OrderId::new(),
        user_id: ada.id,
        plan: "gold".to_owned(),
        reason: "plan_unknown".to_owned(),
        detail: "Choose one of GET /v1/plans.".to_owned(),
        failed_at: moment(),
    })
    .await;
    app.deliver(&InvoiceIssued {
        invoice_id: InvoiceId::new(),
        user_id: ada.id,
        number: "2026-000017".to_owned(),
        currency: "EUR".to_owned(),
        total_minor: 3570,
        tax_minor: 570,
        issued_at: moment(),
        due_at: moment(),
    })
    .await;
    app.deliver(&PaymentFailed {
        payment_id: PaymentId::new(),
        invoice_id: InvoiceId::new(),
        user_id: ada.id,
        reason: "The card has expired.".to_owned(),
        attempt: 1,
        next_attempt_at: Some(moment()),
        failed_at: moment(),
    })
    .await;
    app.deliver(&UsageThresholdReached {
        user_id: ada.id,
        meter: "projects".to_owned(),
        percent: 80,
        used: 4,
        limit: 5,
        plan: "free".to_owned(),
        reached_at: moment(),
    })
    .await;
    app.deliver(&subscription(ada.id, "past_due", "team", 4)).await;
    app.deliver(&subscription(ada.id, "downgraded", "free", 5)).await;
    app.deliver(&subscription(ada.id, "renewed", "team", 6)).await;
    let told: Vec<(String, String)> = inbox(&ada)
        .await
        .iter()
        .rev()
        .map(|one| {
            (
                one["title"].as_str().unwrap().to_owned(),
                one["body"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let expected = [
        ("Your order of the plan “team” is complete", "It has 3 seats."),
        (
            "Your order of the plan “gold” was not carried out",
            "Choose one of GET /v1/plans.",
        ),
        (
            "Invoice 2026-000017",
            "It is over 35.70 EUR, to be paid until 2026-03-01T12:00:00Z.",
        ),
        (
            "A payment failed",
            "The card has expired. It is tried again at 2026-03-01T12:00:00Z.",
        ),
        (
            "You use 80 % of the projects of your plan",
            "4 of 5 in the plan “free”.",
        ),
        (
            "Your subscription to “team” is past due",
            "Pay the open invoice to keep the plan.",
        ),
        (
            "Your plan is “free” now",
            "The subscription was not paid. Nothing was deleted.",
        ),
    ];
    let expected = expected.map(|(title, body)| (title.to_owned(), body.to_owned()));
    assert_eq!(told, expected);
}

#[tokio::test]
async fn milestones_and_reports_are_told_to_those_whose_they_are() {
    let (app, world) = (App::start().await, World::new());
    let (ada, bo) = (app.user(), app.user());
    let milestone = MilestoneReached {
        project_id: world.project,
        project_name: "Apollo".to_owned(),
        measure: "tasks_completed".to_owned(),
        value: 100,
        member_ids: vec![ada.id, bo.id],
        reached_at: moment(),
    };
    app.deliver(&milestone).await;
    // Analytics was rebuilt and found it again.
    app.deliver(&milestone).await;
    app.deliver(&ReportGenerated {
        report_id: ReportId::new(),
        user_id: ada.id,
        from: moment(),
        to: moment(),
        tasks_completed: 5,
        tasks_created: 3,
        comments: 2,
        overdue: 1,
    })
    .await;
    assert_eq!(
        titles(&ada).await,
        ["Your week: 5 tasks finished", "“Apollo” reached 100 finished tasks"]
    );
    assert_eq!(titles(&bo).await, ["“Apollo” reached 100 finished tasks"]);
    let report = &inbox(&ada).await[0];
    assert_eq!(
        report["body"],
        "You made 3 tasks and wrote 2 comments. 1 tasks of yours are overdue."
    );
}
