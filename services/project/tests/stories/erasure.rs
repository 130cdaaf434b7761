//! What becomes of projects, and of what a person made, when the account is closed for good.

use contracts::{
    Timestamp,
    auth::{UserDeleted, UserUpdated},
    project::{MemberRemoved, MemberRoleChanged, ProjectDeleted, ProjectErased},
};
use serde_json::{Value, json};
use testkit::Actor;

use crate::{
    imports::send,
    team::{App, add, person, profile, project_of, text},
    work::Team,
};

async fn close(app: &App, who: &Actor) {
    let event = UserDeleted {
        user_id: who.id,
        deleted_at: Timestamp::now(),
        version: 9,
    };
    app.deliver(&event).await;
}

async fn members(actor: &Actor, project: &str) -> Vec<(String, String)> {
    let path = format!("/v1/projects/{project}/members");
    let page = actor.get(path).await.expect(200).json;
    let members = page["items"].as_array().unwrap().iter();
    let member = |item: &Value| {
        (
            item["handle"].as_str().unwrap_or_default().to_owned(),
            text(&item["role"]),
        )
    };
    members.map(member).collect()
}

#[tokio::test]
async fn a_project_without_another_owner_goes_to_the_highest_role_that_has_been_there_the_longest() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    let (cleo, dora) = (person(&app, "Cleo").await, person(&app, "Dora").await);
    let project = project_of(&ada, "Apollo").await;
    for (name, role) in [("Bruno", "member"), ("Cleo", "admin"), ("Dora", "admin")] {
        add(&ada, &project, name, role).await;
    }
    let alone = project_of(&ada, "Diary").await;
    close(&app, &ada).await;
    let left = members(&bruno, &project).await;
    let expected = [("bruno", "member"), ("cleo", "owner"), ("dora", "admin")];
    assert_eq!(left, expected.map(|(name, role)| (name.to_owned(), role.to_owned())));
    let changed = app.published_of::<MemberRoleChanged>().await;
    assert_eq!((changed[0].user_id, changed[0].role.as_str()), (cleo.id, "owner"));
    assert_eq!(app.published_of::<MemberRemoved>().await[0].user_id, ada.id);
    let deleted = app.published_of::<ProjectDeleted>().await;
    assert_eq!(
        deleted
            .iter()
            .map(|event| event.project_id.to_string())
            .collect::<Vec<_>>(),
        [alone]
    );
    let erased = app.published_of::<ProjectErased>().await;
    assert_eq!(erased.iter().map(|event| event.user_id).collect::<Vec<_>>(), [ada.id]);
    dora.get(format!("/v1/projects/{project}")).await.expect(200);
}

#[tokio::test]
async fn what_somebody_wrote_stays_as_that_of_a_deleted_user() {
    let team = Team::start().await;
    let task = team.task("Fix the valve").await;
    let comments = format!("/v1/tasks/{task}/comments");
    team.bruno
        .post(&comments, json!({ "body": "It leaks." }))
        .await
        .expect(201);
    close(&team.app, &team.bruno).await;
    // An old word about the person that was late.
    let late = UserUpdated {
        user_id: team.bruno.id,
        user: profile(team.bruno.id, "Bruno", 8),
    };
    team.app.deliver(&late).await;
    let kept = team.ada.get(&comments).await.expect(200).json;
    assert_eq!(kept["items"][0]["body"], "It leaks.");
    let activity = team
        .ada
        .get(format!("/v1/projects/{}/activity", team.project))
        .await
        .expect(200);
    let names: Vec<&Value> = activity.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["actor_id"] == json!(team.bruno.id))
        .map(|item| &item["actor_name"])
        .collect();
    assert!(
        !names.is_empty() && names.iter().all(|name| **name == "Deleted user"),
        "{names:?}"
    );
    assert!(!activity.text().contains("Bruno"), "{}", activity.text());
    assert_eq!(members(&team.ada, &team.project).await.len(), 2);
    let own = team.bruno.get("/v1/personal-data/project").await.expect(200).json;
    assert_eq!(
        own["profile"],
        json!({ "email": "", "handle": "", "display_name": "Deleted user" })
    );
}

#[tokio::test]
async fn invitations_to_the_address_and_imports_go_too() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    send(&bruno, "/v1/projects/import?name=Apollo", "text/csv", "title\nx\n")
        .await
        .expect(202);
    close(&app, &bruno).await;
    app.step_workers().await;
    assert_eq!(bruno.get("/v1/imports").await.expect(200).json["items"], json!([]));
    let project = project_of(&ada, "Apollo").await;
    let invited = add(&ada, &project, "Bruno", "member").await;
    assert_eq!(
        invited["status"], "pending",
        "the address is nobody's any more: {invited}"
    );
}

#[tokio::test]
async fn being_told_twice_changes_nothing_more() {
    let team = Team::start().await;
    close(&team.app, &team.ada).await;
    let owner = members(&team.bruno, &team.project).await;
    close(&team.app, &team.ada).await;
    assert_eq!(members(&team.bruno, &team.project).await, owner);
    assert_eq!(team.app.published_of::<MemberRemoved>().await.len(), 1);
}

#[tokio::test]
async fn everybody_can_read_all_that_project_holds_about_them() {
    let team = Team::start().await;
    for n in 0..503 {
        team.task(&format!("Task {n}")).await;
    }
    let task = text(
        &team
            .task_with(json!({ "title": "Mine", "assignee_ids": [team.bruno.id] }))
            .await["id"],
    );
    team.bruno
        .post(format!("/v1/tasks/{task}/comments"), json!({ "body": "Well." }))
        .await
        .expect(201);
    let ada = team.ada.get("/v1/personal-data/project").await.expect(200).json;
    assert_eq!(ada["profile"]["email"], "ada@example.com");
    assert_eq!(ada["tasks_created"].as_array().map(Vec::len), Some(504));
    assert_eq!((&ada["comments"], &ada["tasks_assigned"]), (&json!([]), &json!([])));
    let bruno = team.bruno.get("/v1/personal-data/project").await.expect(200).json;
    assert_eq!(bruno["comments"][0]["body"], "Well.");
    assert_eq!(bruno["tasks_assigned"][0]["id"], json!(task));
    assert_eq!(bruno["memberships"][0]["name"], "Apollo");
    assert!(bruno["activity"].as_array().is_some_and(|list| !list.is_empty()));
}
