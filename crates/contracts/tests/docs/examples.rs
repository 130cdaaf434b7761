//! One example of every event, of one story: Ada invites Grace, they work on a task.

use std::str::FromStr;

use contracts::{Event, Timestamp, analytics::*, auth::*, billing::*, gateway::*, id::*, notification::*, project::*};
use serde_json::Value;

/// An event as it travels.
pub(crate) struct Example {
    pub(crate) type_name: &'static str,
    pub(crate) key: String,
    pub(crate) value: Value,
}

fn of<E: Event>(event: &E) -> Example {
    Example {
        type_name: E::TYPE,
        key: event.key(),
        value: serde_json::to_value(event).unwrap(),
    }
}

fn id<T: FromStr<Err = InvalidId>>(text: &str) -> T {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// When the examples happen.
pub(crate) fn moment() -> Timestamp {
    at("2026-03-01T12:00:00.25Z")
}

/// One of each.
pub(crate) fn all() -> Vec<Example> {
    let ada: UserId = id("usr_01k9z3t5x1f6w8y0a2b4c6d8eg");
    let grace: UserId = id("usr_01k9z3t8m2g7x9z1b3c5d7e9fh");
    let project_id: ProjectId = id("prj_01k9z3tr7pe9nsb6f3x5m1q2za");
    let task_id: TaskId = id("tsk_01k9z3tzjhf5k8w0c4v2d6r9ye");
    let comment_id: CommentId = id("cmt_01k9z3v0n4e7h2m5s8x1b3g6ja");
    let session_id: SessionId = id("ses_01k9z3ta6ne8k3q6t9w2y5b8cd");
    let token_id: TokenId = id("pat_01k9z3tc4hf1m4r7v0x3z6d9ge");
    let notification_id: NotificationId = id("ntf_01k9z3v0q8e2m9xkq4t1c7h5wd");
    let (project_name, title) = ("Apollo".to_owned(), "Fix the valve".to_owned());
    let user = |version| UserProfile {
        user_id: grace,
        email: "grace@example.com".to_owned(),
        handle: "grace".to_owned(),
        display_name: "Grace Hopper".to_owned(),
        email_verified: version > 1,
        role: "user".to_owned(),
        disabled: false,
        version,
    };
    let project = |version| ProjectSnapshot {
        project_id,
        name: project_name.clone(),
        description: "To the moon and back.".to_owned(),
        archived_at: None,
        version,
    };
    let task = |status: &str, version| TaskSnapshot {
        task_id,
        project_id,
        title: title.clone(),
        status: status.to_owned(),
        priority: "high".to_owned(),
        due_at: Some(at("2026-03-03T17:00:00Z")),
        assignee_ids: vec![grace],
        labels: vec!["hydraulics".to_owned()],
        created_by: ada,
        created_at: at("2026-03-01T09:30:00Z"),
        completed_at: None,
        version,
    };
    let excerpt = "@grace can you look at the pressure log?".to_owned();
    vec![
        of(&UserRegistered {
            user_id: grace,
            user: user(1),
        }),
        of(&UserUpdated {
            user_id: grace,
            user: user(2),
        }),
        of(&UserDisabled {
            user_id: grace,
            version: 3,
        }),
        of(&UserEnabled {
            user_id: grace,
            version: 4,
        }),
        of(&UserPasswordChanged {
            user_id: grace,
            by_reset: false,
            version: 5,
        }),
        of(&SessionStarted {
            session_id,
            user_id: grace,
            client: "Firefox on Linux".to_owned(),
            unseen_client: true,
            started_at: moment(),
        }),
        of(&SessionRevoked {
            session_id,
            user_id: grace,
            reason: "logout".to_owned(),
        }),
        of(&TokenCreated {
            token_id,
            user_id: grace,
            name: "build server".to_owned(),
            scopes: vec!["tasks:read".to_owned()],
            expires_at: Some(at("2026-06-01T00:00:00Z")),
        }),
        of(&TokenRevoked {
            token_id,
            user_id: grace,
        }),
        of(&ProjectCreated {
            project_id,
            project: project(1),
            actor_id: ada,
        }),
        of(&ProjectUpdated {
            project_id,
            project: project(2),
            changed: vec!["description".to_owned()],
            actor_id: ada,
        }),
        of(&ProjectDeleted {
            project_id,
            actor_id: ada,
            version: 3,
        }),
        of(&MemberInvited {
            invitation_id: id("inv_01k9z3tw9re4n7s0v3y6b9e2gf"),
            project_id,
            project_name: project_name.clone(),
            email: "grace@example.com".to_owned(),
            role: "member".to_owned(),
            actor_id: ada,
        }),
        of(&MemberAdded {
            project_id,
            project_name: project_name.clone(),
            user_id: grace,
            role: "member".to_owned(),
            actor_id: ada,
            version: 1,
        }),
        of(&MemberRoleChanged {
            project_id,
            project_name: project_name.clone(),
            user_id: grace,
            role: "admin".to_owned(),
            actor_id: ada,
            version: 2,
        }),
        of(&MemberRemoved {
            project_id,
            project_name,
            user_id: grace,
            actor_id: ada,
            version: 3,
        }),
        of(&TaskCreated {
            task_id,
            task: task("todo", 1),
            actor_id: ada,
        }),
        of(&TaskUpdated {
            task_id,
            task: task("in_progress", 2),
            changed: vec!["status".to_owned()],
            previous_status: Some("todo".to_owned()),
            actor_id: grace,
        }),
        of(&TaskAssigned {
            task_id,
            project_id,
            title: title.clone(),
            assignee_id: grace,
            actor_id: ada,
            version: 1,
        }),
        of(&TaskMoved {
            task_id,
            project_id,
            position: "8180".to_owned(),
            actor_id: ada,
            version: 3,
        }),
        of(&TaskDeleted {
            task_id,
            project_id,
            title: title.clone(),
            actor_id: ada,
            version: 4,
        }),
        of(&TaskDueSoon {
            task_id,
            project_id,
            title: title.clone(),
            due_at: at("2026-03-03T17:00:00Z"),
            user_ids: vec![grace],
        }),
        of(&CommentCreated {
            comment_id,
            task_id,
            project_id,
            task_title: title.clone(),
            author_id: ada,
            excerpt: excerpt.clone(),
            mentioned_ids: vec![grace],
            participant_ids: vec![grace],
            version: 1,
        }),
        of(&CommentUpdated {
            comment_id,
            task_id,
            project_id,
            task_title: title.clone(),
            author_id: ada,
            excerpt: excerpt.clone(),
            mentioned_ids: vec![],
            version: 2,
        }),
        of(&CommentDeleted {
            comment_id,
            task_id,
            project_id,
            actor_id: ada,
            version: 3,
        }),
        of(&NotificationCreated {
            notification_id,
            user_id: grace,
            kind: "mentioned".to_owned(),
            title: format!("Ada Lovelace mentioned you on “{title}”"),
            body: excerpt,
            actor_id: Some(ada),
            project_id: Some(project_id),
            task_id: Some(task_id),
            comment_id: Some(comment_id),
            created_at: moment(),
            unread_count: 4,
        }),
        of(&NotificationRead {
            user_id: grace,
            notification_ids: vec![notification_id],
            up_to: None,
            unread_count: 3,
        }),
        of(&ClientThrottled {
            client: format!("user:{grace}"),
            user_id: Some(grace),
            policy: "client".to_owned(),
            throttled_at: moment(),
        }),
        of(&UserDeleted {
            user_id: grace,
            deleted_at: moment(),
            version: 6,
        }),
        of(&UserErased {
            user_id: grace,
            erased_at: moment(),
        }),
        of(&ImportProgressed {
            import_id: id("imp_01k9z3v4b2c6d8f0g1h3j5k7mn"),
            user_id: ada,
            project_id: Some(project_id),
            status: "running".to_owned(),
            rows_read: 500,
            created: 490,
            skipped: 8,
            rejected: 2,
            at: moment(),
        }),
        of(&WebhookDisabled {
            webhook_id: id("whk_01k9z3v5c3d7e9g1h2j4k6m8np"),
            user_id: ada,
            url: "https://example.com/hooks".to_owned(),
            reason: "No delivery succeeded for five days.".to_owned(),
            disabled_at: moment(),
        }),
        of(&MilestoneReached {
            project_id,
            project_name: "Apollo".to_owned(),
            measure: "tasks_completed".to_owned(),
            value: 100,
            member_ids: vec![ada, grace],
            reached_at: moment(),
        }),
        of(&ReportGenerated {
            report_id: id("rep_01k9z3v6d4e8f0h2j3k5m7n9pq"),
            user_id: ada,
            from: at("2026-02-23T00:00:00Z"),
            to: at("2026-03-02T00:00:00Z"),
            tasks_completed: 12,
            tasks_created: 9,
            comments: 31,
            overdue: 1,
        }),
    ]
    .into_iter()
    .chain(billing(ada))
    .chain(erasures(grace))
    .collect()
}

/// Ada orders three seats of the team plan and pays.
fn billing(ada: UserId) -> Vec<Example> {
    let order_id: OrderId = id("ord_01k9z3v1a2b4c6d8e0f2g4h6jk");
    let subscription_id: SubscriptionId = id("sub_01k9z3v1b3c5d7e9f1g3h5j7km");
    let invoice_id: InvoiceId = id("ivc_01k9z3v1c4d6e8f0g2h4j6k8mn");
    let payment_id: PaymentId = id("pay_01k9z3v1d5e7f9g1h3j5k7m9np");
    let limits = PlanLimits {
        projects: Some(100),
        members: Some(50),
        tasks: None,
        requests_per_minute: Some(6000),
    };
    let (plan, currency, number) = ("team".to_owned(), "EUR".to_owned(), "CTH-2026-000042".to_owned());
    vec![
        of(&PlanPublished {
            plan: plan.clone(),
            title: "Team".to_owned(),
            limits,
            prices: vec![SeatPrice {
                interval: "month".to_owned(),
                currency: currency.clone(),
                amount_minor: 900,
            }],
            orderable: true,
            catalogue_version: 1,
        }),
        of(&OrderRequested {
            order_id,
            user_id: ada,
            plan: plan.clone(),
            seats: 3,
            interval: "month".to_owned(),
            currency: None,
            requested_at: moment(),
        }),
        of(&OrderCompleted {
            order_id,
            user_id: ada,
            subscription_id,
            plan: plan.clone(),
            seats: 3,
            invoice_id: Some(invoice_id),
            completed_at: moment(),
        }),
        of(&OrderFailed {
            order_id,
            user_id: ada,
            plan: plan.clone(),
            reason: "payment_declined".to_owned(),
            detail: "The card was declined: use another one and order again.".to_owned(),
            failed_at: moment(),
        }),
        of(&SubscriptionUpdated {
            user_id: ada,
            subscription: SubscriptionSnapshot {
                subscription_id,
                user_id: ada,
                plan: plan.clone(),
                status: "active".to_owned(),
                seats: 3,
                interval: "month".to_owned(),
                limits,
                mrr_minor: 2700,
                currency: currency.clone(),
                period_end: Some(at("2026-04-01T12:00:00.25Z")),
                cancel_at_period_end: false,
                version: 2,
            },
            change: "activated".to_owned(),
            changed_at: moment(),
        }),
        of(&InvoiceIssued {
            invoice_id,
            user_id: ada,
            number: number.clone(),
            currency: currency.clone(),
            total_minor: 3213,
            tax_minor: 513,
            issued_at: moment(),
            due_at: at("2026-03-15T12:00:00.25Z"),
        }),
        of(&InvoicePaid {
            invoice_id,
            user_id: ada,
            number,
            currency: currency.clone(),
            total_minor: 3213,
            paid_at: moment(),
        }),
        of(&InvoiceCredited {
            credit_note_id: id("crn_01k9z3v1e6f8g0h2j4k6m8n0pq"),
            invoice_id,
            user_id: ada,
            number: "CTH-C-2026-000003".to_owned(),
            currency: currency.clone(),
            total_minor: 1071,
            issued_at: moment(),
        }),
        of(&PaymentSucceeded {
            payment_id,
            invoice_id,
            user_id: ada,
            provider: "stripe".to_owned(),
            currency,
            amount_minor: 3213,
            paid_at: moment(),
        }),
        of(&PaymentFailed {
            payment_id,
            invoice_id,
            user_id: ada,
            reason: "The card was declined.".to_owned(),
            attempt: 1,
            next_attempt_at: Some(at("2026-03-02T12:00:00.25Z")),
            failed_at: moment(),
        }),
        of(&UsageThresholdReached {
            user_id: ada,
            meter: "projects".to_owned(),
            percent: 80,
            used: 80,
            limit: 100,
            plan,
            reached_at: moment(),
        }),
    ]
}

/// Each service tells that it has forgotten Grace.
fn erasures(grace: UserId) -> Vec<Example> {
    let (user_id, erased_at) = (grace, moment());
    vec![
        of(&GatewayErased { user_id, erased_at }),
        of(&ProjectErased { user_id, erased_at }),
        of(&BillingErased { user_id, erased_at }),
        of(&NotificationErased { user_id, erased_at }),
        of(&AnalyticsErased { user_id, erased_at }),
    ]
}
