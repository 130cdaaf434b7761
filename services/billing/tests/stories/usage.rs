//! What an account uses, counted once whatever comes twice, late or in another order.

use contracts::{
    Event,
    billing::UsageThresholdReached,
    id::{ProjectId, TaskId, UserId},
    project::{
        MemberAdded, MemberRemoved, ProjectCreated, ProjectDeleted, ProjectSnapshot, TaskCreated, TaskDeleted,
        TaskSnapshot,
    },
};
use rstest::rstest;
use serde_json::json;
use testkit::Actor;

use crate::world::{App, DAY, customer, hub, hub_with, pass_until, place, subscription, time};

pub(crate) fn created(project: ProjectId, maker: UserId) -> ProjectCreated {
    ProjectCreated {
        project_id: project,
        project: ProjectSnapshot {
            project_id: project,
            name: "Apollo".to_owned(),
            description: String::new(),
            archived_at: None,
            version: 1,
        },
        actor_id: maker,
    }
}

fn deleted(project: ProjectId, actor: UserId) -> ProjectDeleted {
    ProjectDeleted {
        project_id: project,
        actor_id: actor,
        version: 9,
    }
}

fn joined(project: ProjectId, user: UserId, version: i64) -> MemberAdded {
    MemberAdded {
        project_id: project,
        project_name: "Apollo".to_owned(),
        user_id: user,
        role: "member".to_owned(),
        actor_id: user,
        version,
    }
}

fn left(project: ProjectId, user: UserId, version: i64) -> MemberRemoved {
    MemberRemoved {
        project_id: project,
        project_name: "Apollo".to_owned(),
        user_id: user,
        actor_id: user,
        version,
    }
}

fn task(project: ProjectId, task: TaskId, actor: UserId) -> TaskCreated {
    TaskCreated {
        task_id: task,
        task: TaskSnapshot {
            task_id: task,
            project_id: project,
            title: "Fix the valve".to_owned(),
            status: "todo".to_owned(),
            priority: "none".to_owned(),
            due_at: None,
            assignee_ids: vec![],
            labels: vec![],
            created_by: actor,
            created_at: "2027-03-01T00:00:00Z".parse().unwrap(),
            completed_at: None,
            version: 1,
        },
        actor_id: actor,
    }
}

fn task_gone(project: ProjectId, task: TaskId, actor: UserId) -> TaskDeleted {
    TaskDeleted {
        task_id: task,
        project_id: project,
        title: "Fix the valve".to_owned(),
        actor_id: actor,
        version: 2,
    }
}

/// Projects, members and tasks that are used.
async fn used(user: &Actor) -> [u64; 3] {
    let usage = user.get("/v1/usage").await.expect(200).json;
    let meter = |place: usize| usage["meters"][place]["used"].as_u64().unwrap();
    [meter(0), meter(1), meter(2)]
}

async fn thresholds(app: &App) -> Vec<(String, u32)> {
    let events = app.published_of::<UsageThresholdReached>().await;
    events.into_iter().map(|event| (event.meter, event.percent)).collect()
}

#[tokio::test]
async fn what_is_made_in_a_project_counts_for_the_maker_of_the_project() {
    let app = hub().await;
    let (ada, bo) = (customer(&app).await, customer(&app).await);
    let (first, second) = (ProjectId::new(), ProjectId::new());
    for project in [first, second] {
        app.deliver(&created(project, ada.id)).await;
        app.deliver(&joined(project, ada.id, 1)).await;
        app.deliver(&joined(project, bo.id, 1)).await;
        app.deliver(&task(project, TaskId::new(), bo.id)).await;
    }
    assert_eq!(used(&ada).await, [2, 2, 2], "people in two projects are counted once");
    assert_eq!(used(&bo).await, [0, 0, 0]);
    app.deliver(&left(first, bo.id, 2)).await;
    assert_eq!(used(&ada).await, [2, 2, 2], "still in the other");
    app.deliver(&left(second, bo.id, 2)).await;
    assert_eq!(used(&ada).await, [2, 1, 2]);
    app.deliver(&deleted(first, ada.id)).await;
    assert_eq!(used(&ada).await, [1, 1, 1], "what was in the project goes with it");
}

#[tokio::test]
async fn an_event_that_comes_again_after_the_inbox_forgot_it_counts_nothing() {
    let app = hub().await;
    let ada = customer(&app).await;
    let (project, one, other) = (ProjectId::new(), TaskId::new(), TaskId::new());
    for _ in 0..2 {
        app.deliver(&created(project, ada.id)).await;
        app.deliver(&joined(project, ada.id, 1)).await;
        app.deliver(&task(project, one, ada.id)).await;
        app.deliver(&task(project, other, ada.id)).await;
    }
    for _ in 0..2 {
        app.deliver(&task_gone(project, other, ada.id)).await;
    }
    assert_eq!(used(&ada).await, [1, 1, 1]);
}

#[tokio::test]
async fn what_is_heard_of_before_its_project_is_counted_when_the_project_is_known() {
    let app = hub().await;
    let ada = customer(&app).await;
    let (project, one) = (ProjectId::new(), TaskId::new());
    app.deliver(&task(project, one, ada.id)).await;
    app.deliver(&joined(project, ada.id, 1)).await;
    assert_eq!(used(&ada).await, [0, 0, 0]);
    app.deliver(&created(project, ada.id)).await;
    assert_eq!(used(&ada).await, [1, 1, 1]);
}

#[rstest]
#[case::task(true)]
#[case::project(false)]
#[tokio::test]
async fn what_is_deleted_before_it_is_heard_of_is_never_counted(#[case] by_task: bool) {
    let app = hub().await;
    let ada = customer(&app).await;
    let (project, one) = (ProjectId::new(), TaskId::new());
    if by_task {
        app.deliver(&task_gone(project, one, ada.id)).await;
        app.deliver(&created(project, ada.id)).await;
        app.deliver(&task(project, one, ada.id)).await;
        assert_eq!(used(&ada).await, [1, 0, 0]);
    } else {
        app.deliver(&deleted(project, ada.id)).await;
        app.deliver(&created(project, ada.id)).await;
        app.deliver(&task(project, one, ada.id)).await;
        app.deliver(&joined(project, ada.id, 1)).await;
        assert_eq!(used(&ada).await, [0, 0, 0]);
    }
}

#[tokio::test]
async fn a_removal_that_overtakes_its_joining_leaves_nobody() {
    let app = hub().await;
    let ada = customer(&app).await;
    let (project, bo) = (ProjectId::new(), UserId::new());
    app.deliver(&created(project, ada.id)).await;
    app.deliver(&left(project, bo, 2)).await;
    app.deliver(&joined(project, bo, 1)).await;
    assert_eq!(used(&ada).await, [1, 0, 0]);
    app.deliver(&joined(project, bo, 3)).await;
    assert_eq!(used(&ada).await, [1, 1, 0]);
}

#[tokio::test]
async fn a_threshold_is_told_once_until_it_is_left_and_reached_again() {
    let app = hub().await;
    let ada = customer(&app).await;
    let projects: Vec<ProjectId> = (0..10).map(|_| ProjectId::new()).collect();
    for project in &projects[..7] {
        app.deliver(&created(*project, ada.id)).await;
    }
    assert!(thresholds(&app).await.is_empty());
    for project in &projects[7..] {
        app.deliver(&created(*project, ada.id)).await;
    }
    let both = [("projects".to_owned(), 80), ("projects".to_owned(), 100)];
    assert_eq!(thresholds(&app).await, both);
    let shown = ada.get("/v1/usage").await.expect(200).json;
    assert_eq!(shown["meters"][0]["threshold"], 100);
    app.deliver(&deleted(projects[0], ada.id)).await;
    assert_eq!(thresholds(&app).await.len(), 2, "falling is not told");
    app.deliver(&created(ProjectId::new(), ada.id)).await;
    assert_eq!(thresholds(&app).await.len(), 3);
    let event = app.published_of::<UsageThresholdReached>().await.pop().unwrap();
    assert_eq!(
        (event.used, event.limit, event.plan.as_str(), event.key()),
        (10, 10, "free", ada.id.to_string())
    );
}

#[tokio::test]
async fn another_plan_moves_the_thresholds_at_once() {
    let app = hub().await;
    let ada = customer(&app).await;
    for _ in 0..12 {
        app.deliver(&created(ProjectId::new(), ada.id)).await;
    }
    assert_eq!(thresholds(&app).await.len(), 2);
    place(&app, &ada, "team", 1, "month").await;
    let usage = ada.get("/v1/usage").await.expect(200).json;
    assert_eq!(
        (usage["plan"].as_str(), usage["meters"][0]["limit"].as_u64()),
        (Some("team"), Some(100))
    );
    assert!(usage["meters"][0]["threshold"].is_null());
    ada.post("/v1/subscription/cancel", serde_json::json!({}))
        .await
        .expect(200);
    pass_until(&app, time(&subscription(&ada).await["period_end"]));
    app.step_workers().await;
    let last = thresholds(&app).await.pop().unwrap();
    assert_eq!(
        last,
        ("projects".to_owned(), 100),
        "back on the free plan they are too many"
    );
}

#[tokio::test]
async fn what_is_long_gone_is_tidied_away_and_the_numbers_stay() {
    let app = hub_with("").await;
    let ada = customer(&app).await;
    let (gone, stays) = (ProjectId::new(), ProjectId::new());
    for project in [gone, stays] {
        app.deliver(&created(project, ada.id)).await;
        app.deliver(&joined(project, ada.id, 1)).await;
        for _ in 0..3 {
            app.deliver(&task(project, TaskId::new(), ada.id)).await;
        }
    }
    app.deliver(&deleted(gone, ada.id)).await;
    app.clock.advance(91 * DAY);
    app.step_workers().await;
    assert_eq!(used(&ada).await, [1, 1, 3]);
    assert_eq!(rows(&app, "metered_tasks").await, 3);
    assert_eq!(rows(&app, "metered_projects").await, 1);
    assert_eq!(rows(&app, "metered_members").await, 1);
}

async fn rows(app: &App, table: &str) -> i64 {
    use sea_orm::ConnectionTrait;
    let sql = format!("SELECT COUNT(*) AS many FROM {table}");
    let query = sea_orm::Statement::from_string(app.db.backend(), sql);
    let row = app.db.read().query_one_raw(query).await.unwrap().unwrap();
    row.try_get("", "many").unwrap()
}

#[tokio::test]
async fn people_without_a_seat_are_told_to_who_pays_and_shut_out_of_nothing() {
    let app = hub().await;
    let ada = customer(&app).await;
    let seats = async || ada.get("/v1/usage").await.expect(200).json["seats"].clone();
    assert_eq!(
        seats().await,
        serde_json::Value::Null,
        "the free plan has no seats to pay"
    );
    place(&app, &ada, "team", 2, "month").await;
    let apollo = ProjectId::new();
    app.deliver(&created(apollo, ada.id)).await;
    app.deliver(&joined(apollo, ada.id, 1)).await;
    app.deliver(&joined(apollo, UserId::new(), 1)).await;
    assert_eq!(seats().await, json!({ "paid": 2, "needed": 2, "missing": 0 }));
    app.deliver(&joined(apollo, UserId::new(), 1)).await;
    assert_eq!(seats().await, json!({ "paid": 2, "needed": 3, "missing": 1 }));
    place(&app, &ada, "team", 3, "month").await;
    assert_eq!(seats().await, json!({ "paid": 3, "needed": 3, "missing": 0 }));
}
