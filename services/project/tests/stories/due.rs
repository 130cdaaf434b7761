//! Tasks that come due soon are announced once for each due time.

use std::time::Duration;

use chassis::worker::Step;
use contracts::project::TaskDueSoon;
use serde_json::{Value, json};

use crate::{
    team::{App, text},
    work::Team,
};

const HOUR: Duration = Duration::from_secs(3600);

/// A task of Ada's for Bruno that is due so many hours from now.
async fn due_in(team: &Team, hours: u32) -> Value {
    let due = (team.app.clock.now() + HOUR * hours).to_string();
    team.task_with(
        json!({ "title": format!("in {hours}"), "due_at": due, "assignee_ids": [team.bruno.id.to_string()] }),
    )
    .await
}

async fn announced(team: &Team) -> Vec<TaskDueSoon> {
    team.app.step_workers().await;
    team.app.published_of::<TaskDueSoon>().await
}

#[tokio::test]
async fn a_task_is_announced_once_when_its_due_time_comes_near() {
    let team = Team::start().await;
    let task = due_in(&team, 30).await;
    assert!(announced(&team).await.is_empty(), "not before a day");
    team.app.clock.advance(HOUR * 7);
    let events = announced(&team).await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].task_id.to_string(), events[0].title.as_str()),
        (text(&task["id"]), "in 30")
    );
    assert_eq!(
        (events[0].due_at.to_string(), &events[0].user_ids),
        (text(&task["due_at"]), &vec![team.bruno.id])
    );
    team.app.clock.advance(HOUR);
    assert_eq!(announced(&team).await.len(), 1, "and never again");
    let read = team
        .ada
        .get(format!("/v1/tasks/{}", text(&task["id"])))
        .await
        .expect(200)
        .json;
    assert_eq!(read, task, "it is no change of the task");
}

#[tokio::test]
async fn another_due_time_is_announced_again() {
    let team = Team::start().await;
    let task = due_in(&team, 1).await;
    assert_eq!(announced(&team).await.len(), 1);
    let later = (team.app.clock.now() + HOUR * 2).to_string();
    let path = format!("/v1/tasks/{}", text(&task["id"]));
    team.ada
        .patch(path, json!({ "due_at": later }))
        .header("if-match", "*")
        .await
        .expect(200);
    let events = announced(&team).await;
    assert_eq!((events.len(), events[1].due_at.to_string()), (2, later));
}

#[tokio::test]
async fn what_is_done_late_or_put_away_is_not_announced() {
    let team = Team::start().await;
    let past = "2020-01-01T00:00:00Z";
    team.task_with(json!({ "title": "late", "due_at": past })).await;
    let done = due_in(&team, 1).await;
    let path = format!("/v1/tasks/{}", text(&done["id"]));
    team.ada
        .patch(&path, json!({ "status": "cancelled" }))
        .header("if-match", "*")
        .await
        .expect(200);
    assert!(announced(&team).await.is_empty());
    team.ada
        .patch(&path, json!({ "status": "todo" }))
        .header("if-match", "*")
        .await
        .expect(200);
    team.archive().await;
    assert!(announced(&team).await.is_empty());
    let project = format!("/v1/projects/{}", team.project);
    team.ada
        .patch(project, json!({ "archived": false }))
        .header("if-match", "*")
        .await
        .expect(200);
    assert_eq!(announced(&team).await.len(), 1, "reopened, in an active project");
}

#[tokio::test]
async fn without_assignees_its_maker_hears_of_it_and_who_left_hears_nothing() {
    let team = Team::start().await;
    let due = (team.app.clock.now() + HOUR).to_string();
    team.bruno
        .post(team.tasks(), json!({ "title": "A", "due_at": due }))
        .await
        .expect(201);
    assert_eq!(announced(&team).await[0].user_ids, [team.bruno.id]);
    team.bruno
        .post(team.tasks(), json!({ "title": "B", "due_at": due }))
        .await
        .expect(201);
    team.ada
        .delete(format!("/v1/projects/{}/members/{}", team.project, team.bruno.id))
        .await
        .expect(204);
    assert_eq!(announced(&team).await.len(), 1);
}

#[tokio::test]
async fn many_due_tasks_are_announced_in_batches_and_two_schedulers_do_not_double_them() {
    let team = Team::start().await;
    for _ in 0..410 {
        due_in(&team, 2).await;
    }
    tokio::join!(
        async { while team.app.step("due-scheduler").await.unwrap() == Step::Full {} },
        async {
            let db = team.app.db.clone();
            let now = team.app.clock.now();
            let claim = || db.write(async |tx| project::store::due::announce(tx, now, now + HOUR * 24, 50).await);
            while claim().await.unwrap() > 0 {}
        }
    );
    let mut tasks: Vec<String> = announced(&team)
        .await
        .iter()
        .map(|event| event.task_id.to_string())
        .collect();
    assert_eq!(tasks.len(), 410);
    tasks.sort();
    tasks.dedup();
    assert_eq!(tasks.len(), 410);
}

#[tokio::test]
async fn how_long_before_is_a_setting() {
    let team = Team::of(App::with("[project]\ndue_soon_s = 7200\ndue_scan_s = 10").await).await;
    due_in(&team, 3).await;
    assert!(announced(&team).await.is_empty());
    team.app.clock.advance(HOUR + Duration::from_secs(1));
    assert_eq!(announced(&team).await.len(), 1);
}
