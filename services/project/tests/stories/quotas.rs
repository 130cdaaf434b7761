//! What a plan allows: nothing is taken away, only more is refused, and nobody slips through.

use contracts::{
    Timestamp,
    billing::{PlanLimits, SubscriptionSnapshot, SubscriptionUpdated},
    id::{SubscriptionId, UserId},
};
use database::{Db, Options};
use project::Project;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use testkit::{Actor, Answer, Outcome};

use crate::{
    team::{App, add, person, project_of, text, walk},
    work::Team,
};

/// What billing tells of an account.
fn subscription(account: UserId, plan: &str, limits: PlanLimits, version: i64) -> SubscriptionUpdated {
    SubscriptionUpdated {
        user_id: account,
        subscription: SubscriptionSnapshot {
            subscription_id: SubscriptionId::new(),
            user_id: account,
            plan: plan.to_owned(),
            status: "active".to_owned(),
            seats: 1,
            interval: "month".to_owned(),
            limits,
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

pub(crate) fn projects(projects: u64) -> PlanLimits {
    PlanLimits {
        projects: Some(projects),
        ..PlanLimits::default()
    }
}

fn members(members: u64) -> PlanLimits {
    PlanLimits {
        members: Some(members),
        ..PlanLimits::default()
    }
}

pub(crate) fn tasks(tasks: u64) -> PlanLimits {
    PlanLimits {
        tasks: Some(tasks),
        ..PlanLimits::default()
    }
}

pub(crate) async fn allow(app: &App, account: UserId, limits: PlanLimits, version: i64) {
    app.deliver(&subscription(account, "free", limits, version)).await;
}

async fn create_task(by: &Actor, project: &str) -> Answer {
    by.post(
        format!("/v1/projects/{project}/tasks"),
        json!({ "title": "Fix the valve" }),
    )
    .await
}

fn exceeded(answer: &Answer) -> Value {
    assert_eq!(
        (answer.status, answer.problem()),
        (402, "quota-exceeded"),
        "{}",
        answer.text()
    );
    let body = &answer.json;
    json!([
        body["meter"],
        body["used"],
        body["limit"],
        body["plan"],
        body["upgrade"]
    ])
}

/// Projects, people and tasks as they are counted.
pub(crate) async fn counted(db: &Db, account: UserId) -> (i64, i64, i64) {
    let sql = "SELECT projects, people, tasks FROM account_usage WHERE user_id = $1";
    let query = Statement::from_sql_and_values(db.backend(), sql, [account.into()]);
    let row = db
        .read()
        .query_one_raw(query)
        .await
        .unwrap()
        .expect("an account that is counted");
    let count = |name| row.try_get("", name).unwrap();
    (count("projects"), count("people"), count("tasks"))
}

#[tokio::test]
async fn an_account_makes_as_many_projects_as_its_plan_allows() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    allow(&app, ada.id, projects(2), 1).await;
    let first = project_of(&ada, "Apollo").await;
    let second = project_of(&ada, "Artemis").await;
    ada.patch(format!("/v1/projects/{second}"), json!({ "archived": true }))
        .header("if-match", "*")
        .await
        .expect(200);
    let refused = ada.post("/v1/projects", json!({ "name": "Gemini" })).await;
    assert_eq!(exceeded(&refused), json!(["projects", 2, 2, "free", "/v1/plans"]));
    assert!(
        refused.text().contains("larger plan"),
        "it says what to do: {}",
        refused.text()
    );
    project_of(&bruno, "Gemini").await;
    // A project of somebody else's is not on Ada's account.
    let theirs = project_of(&bruno, "Mercury").await;
    add(&bruno, &theirs, "Ada", "owner").await;

    ada.delete(format!("/v1/projects/{first}"))
        .header("if-match", "*")
        .await
        .expect(204);
    project_of(&ada, "Gemini").await;
    exceeded(&ada.post("/v1/projects", json!({ "name": "Skylab" })).await);
}

#[tokio::test]
async fn tasks_count_for_the_account_of_the_projects_maker_whoever_writes_them() {
    let team = Team::start().await;
    let other = project_of(&team.ada, "Artemis").await;
    let brunos = project_of(&team.bruno, "Gemini").await;
    allow(&team.app, team.ada.id, tasks(2), 1).await;
    create_task(&team.bruno, &team.project).await.expect(201);
    let last = text(&create_task(&team.ada, &other).await.expect(201).json["id"]);
    for (by, project) in [(&team.ada, &other), (&team.bruno, &team.project)] {
        assert_eq!(
            exceeded(&create_task(by, project).await),
            json!(["tasks", 2, 2, "free", "/v1/plans"])
        );
    }
    create_task(&team.bruno, &brunos).await.expect(201);
    team.ada
        .delete(format!("/v1/tasks/{last}"))
        .header("if-match", "*")
        .await
        .expect(204);
    create_task(&team.ada, &team.project).await.expect(201);
}

#[tokio::test]
async fn who_may_not_write_is_told_so_and_not_what_is_used() {
    let team = Team::start().await;
    allow(&team.app, team.ada.id, tasks(0), 1).await;
    assert_eq!(
        create_task(&team.vera, &team.project).await.expect(403).problem(),
        "project-role-too-low"
    );
    assert_eq!(
        create_task(&team.otto, &team.project).await.expect(404).problem(),
        "project-not-found"
    );
    team.archive().await;
    assert_eq!(
        create_task(&team.ada, &team.project).await.expect(409).problem(),
        "project-archived"
    );
}

#[tokio::test]
async fn many_creations_at_once_never_pass_the_limit() {
    let team = Team::start().await;
    let other = project_of(&team.ada, "Artemis").await;
    allow(&team.app, team.ada.id, tasks(5), 1).await;
    let creations = (0..24).map(|number| {
        let (by, project) = match number % 3 {
            0 => (&team.bruno, &team.project),
            1 => (&team.ada, &team.project),
            _ => (&team.ada, &other),
        };
        create_task(by, project)
    });
    let answers = futures_util::future::join_all(creations).await;
    let with = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(201), with(402)), (5, 19));

    allow(&team.app, team.ada.id, projects(4), 2).await;
    let ada = &team.ada;
    let creations = (0..8).map(|number| async move {
        ada.post("/v1/projects", json!({ "name": format!("Project {number}") }))
            .await
    });
    let answers = futures_util::future::join_all(creations).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 2, "beside the two that were there");
    assert_eq!(counted(&team.app.db, team.ada.id).await, (4, 3, 5));
}

#[tokio::test]
async fn a_person_counts_once_in_however_many_projects_and_makes_room_when_they_leave_the_last() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let bruno = person(&app, "Bruno").await;
    person(&app, "Chiyo").await;
    let (apollo, artemis) = (project_of(&ada, "Apollo").await, project_of(&ada, "Artemis").await);
    allow(&app, ada.id, members(2), 1).await;
    add(&ada, &apollo, "Bruno", "member").await;
    add(&ada, &artemis, "Bruno", "viewer").await;
    let body = json!({ "email": "chiyo@example.com", "role": "member" });
    let invite = || ada.post(format!("/v1/projects/{apollo}/members"), body.clone());
    assert_eq!(exceeded(&invite().await), json!(["members", 2, 2, "free", "/v1/plans"]));
    let again = json!({ "email": "bruno@example.com", "role": "member" });
    let again = ada.post(format!("/v1/projects/{apollo}/members"), again).await;
    assert_eq!(again.expect(409).problem(), "already-member");

    let leave = |project: &str| bruno.delete(format!("/v1/projects/{project}/members/{}", bruno.id));
    leave(&apollo).await.expect(204);
    exceeded(&invite().await);
    leave(&artemis).await.expect(204);
    invite().await.expect(201);
    assert_eq!(counted(&app.db, ada.id).await, (2, 2, 0));
    let back = json!({ "email": "bruno@example.com", "role": "member" });
    exceeded(&ada.post(format!("/v1/projects/{artemis}/members"), back).await);
}

#[tokio::test]
async fn a_smaller_plan_takes_nothing_away_and_a_larger_one_lets_go_on() {
    let team = Team::start().await;
    for title in ["One", "Two", "Three"] {
        team.task(title).await;
    }
    let app = &team.app;
    app.deliver(&subscription(team.ada.id, "free", tasks(1), 2)).await;
    assert_eq!(walk(&team.ada, &team.tasks(), 10).await.len(), 3);
    assert_eq!(
        exceeded(&create_task(&team.ada, &team.project).await),
        json!(["tasks", 3, 1, "free", "/v1/plans"])
    );
    let task = text(&walk(&team.ada, &team.tasks(), 10).await[0]["id"]);
    team.ada
        .patch(format!("/v1/tasks/{task}"), json!({ "status": "done" }))
        .header("if-match", "*")
        .await
        .expect(200);
    app.deliver(&subscription(team.ada.id, "business", PlanLimits::default(), 3))
        .await;
    create_task(&team.ada, &team.project).await.expect(201);
}

#[tokio::test]
async fn what_arrives_late_or_twice_does_not_bring_old_limits_back() {
    let team = Team::start().await;
    let newest = subscription(team.ada.id, "team", tasks(1), 5);
    let envelope = team.app.envelope(&newest);
    let value = serde_json::to_vec(&newest).unwrap();
    assert_eq!(team.app.deliver_as(&envelope, value.clone()).await, Outcome::Applied);
    assert_eq!(team.app.deliver_as(&envelope, value).await, Outcome::Duplicate);
    for version in [1, 4, 5] {
        allow(&team.app, team.ada.id, PlanLimits::default(), version).await;
    }
    create_task(&team.ada, &team.project).await.expect(201);
    assert_eq!(
        exceeded(&create_task(&team.ada, &team.project).await),
        json!(["tasks", 1, 1, "team", "/v1/plans"])
    );
}

#[tokio::test]
async fn a_refused_creation_can_be_sent_again_with_its_key_when_there_is_room() {
    let team = Team::start().await;
    allow(&team.app, team.ada.id, tasks(0), 1).await;
    let create = || {
        team.ada
            .post(team.tasks(), json!({ "title": "Fix the valve" }))
            .header("idempotency-key", "the same key")
    };
    create().await.expect(402);
    allow(&team.app, team.ada.id, tasks(1), 2).await;
    let made = create().await.expect(201);
    assert_eq!(
        create().await.expect(201).json,
        made.json,
        "done once, and not counted twice"
    );
    assert_eq!(counted(&team.app.db, team.ada.id).await.2, 1);
}

#[tokio::test]
async fn somebody_invited_who_finds_no_room_is_held_back_until_the_plan_has_some() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let apollo = project_of(&ada, "Apollo").await;
    allow(&app, ada.id, members(2), 1).await;
    add(&ada, &apollo, "Bruno", "member").await;
    add(&ada, &apollo, "Chiyo", "viewer").await;
    let bruno = person(&app, "Bruno").await;
    let chiyo = person(&app, "Chiyo").await;
    bruno.get(format!("/v1/projects/{apollo}")).await.expect(200);
    chiyo.get(format!("/v1/projects/{apollo}")).await.expect(404);
    let invitations = format!("/v1/projects/{apollo}/invitations");
    let waiting = walk(&ada, &invitations, 10).await;
    assert_eq!((waiting.len(), &waiting[0]["email"]), (1, &json!("chiyo@example.com")));
    let reason = text(&waiting[0]["held_back"]);
    assert!(
        reason.contains("the plan free") && reason.contains("2 members"),
        "{reason}"
    );

    allow(&app, ada.id, members(2), 2).await;
    chiyo.get(format!("/v1/projects/{apollo}")).await.expect(404);
    allow(&app, ada.id, members(3), 3).await;
    assert_eq!(
        chiyo.get(format!("/v1/projects/{apollo}")).await.expect(200).json["role"],
        "viewer"
    );
    assert!(walk(&ada, &invitations, 10).await.is_empty());
}

#[tokio::test]
async fn who_was_held_back_can_be_added_by_hand_when_somebody_has_left() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let apollo = project_of(&ada, "Apollo").await;
    allow(&app, ada.id, members(2), 1).await;
    add(&ada, &apollo, "Bruno", "member").await;
    add(&ada, &apollo, "Chiyo", "viewer").await;
    let bruno = person(&app, "Bruno").await;
    let chiyo = person(&app, "Chiyo").await;
    bruno
        .delete(format!("/v1/projects/{apollo}/members/{}", bruno.id))
        .await
        .expect(204);
    add(&ada, &apollo, "Chiyo", "member").await;
    chiyo.get(format!("/v1/projects/{apollo}")).await.expect(200);
    assert!(
        walk(&ada, &format!("/v1/projects/{apollo}/invitations"), 10)
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn whatever_way_things_go_the_count_is_what_is_there() {
    let team = Team::start().await;
    let other = project_of(&team.ada, "Artemis").await;
    let ids: Vec<String> = vec![team.task("One").await, team.task("Two").await, team.task("Three").await];
    create_task(&team.ada, &other).await.expect(201);
    assert_eq!(counted(&team.app.db, team.ada.id).await, (2, 3, 4));
    let bulk = json!({ "task_ids": ids[..2], "delete": true });
    team.ada.post(format!("{}/bulk", team.tasks()), bulk).await.expect(200);
    assert_eq!(counted(&team.app.db, team.ada.id).await, (2, 3, 2));
    let path = format!("/v1/projects/{}", team.project);
    team.ada.delete(path).header("if-match", "*").await.expect(204);
    assert_eq!(counted(&team.app.db, team.ada.id).await, (1, 1, 1));
    // A project that is made somebody else's takes everything along.
    let sql = "UPDATE projects SET created_by = $1 WHERE id = $2";
    let hand_over = Statement::from_sql_and_values(team.app.db.backend(), sql, [team.otto.id.into(), other.into()]);
    team.app
        .db
        .write(async |tx| tx.execute_raw(hand_over).await)
        .await
        .unwrap();
    assert_eq!(counted(&team.app.db, team.otto.id).await, (1, 1, 1));
    let sql = "SELECT COUNT(*) AS left FROM account_people WHERE account_id = $1";
    let query = Statement::from_sql_and_values(team.app.db.backend(), sql, [team.ada.id.into()]);
    let row = team.app.db.read().query_one_raw(query).await.unwrap().unwrap();
    assert_eq!(row.try_get::<i64>("", "left").unwrap(), 0);
}

#[tokio::test]
async fn what_was_there_before_plans_were_heard_of_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/project.db?mode=rwc", folder.path().display());
    let db = Db::open(&Options::new(url)).await.unwrap();
    let all = chassis::migrations::<Project>();
    let before = all
        .iter()
        .position(|migration| migration.name() == "m4001_quotas")
        .unwrap();
    database::migrate(&db, &all[..before]).await.unwrap();
    let (ada, bruno) = (UserId::new(), UserId::new());
    let rows = format!(
        "INSERT INTO projects VALUES ('p1', 'Apollo', '', NULL, '{ada}', 0, 0, 1), ('p2', 'Artemis', '', 5, '{ada}', 0, 0, 1),
            ('p3', 'Gemini', '', NULL, '{bruno}', 0, 0, 1);
         INSERT INTO members VALUES ('p1', '{ada}', 'owner', 0, NULL, 1), ('p2', '{ada}', 'owner', 0, NULL, 1),
            ('p1', '{bruno}', 'member', 0, NULL, 1), ('p2', 'usr_gone', 'member', 0, 7, 2), ('p3', '{bruno}', 'owner', 0, NULL, 1);
         INSERT INTO tasks (id, project_id, title, description, status, priority, position, assignee_ids, labels, created_by,
                            created_at, updated_at, version, json)
            SELECT 't' || value, CASE WHEN value < 3 THEN 'p1' ELSE 'p2' END, 'Title', '', 'todo', 0, value, '[]', '[]',
                   '{bruno}', 0, 0, 1, '{{}}' FROM json_each('[1,2,3,4,5]');"
    );
    db.write(async |tx| tx.execute_unprepared(&rows).await).await.unwrap();
    database::migrate(&db, &all).await.unwrap();
    assert_eq!(counted(&db, ada).await, (2, 2, 5));
    assert_eq!(counted(&db, bruno).await, (1, 1, 0));
    db.close().await.unwrap();
}
