//! The OpenAPI document, and who may call what is in it.

use chassis::Service;
use project::Project;
use serde_json::json;

use crate::{
    imports::send,
    team::{App, text},
    work::Team,
};

#[test]
fn the_committed_openapi_document_is_the_one_that_is_served() {
    testkit::openapi::check_committed(Project::NAME, &Project::document());
}

#[tokio::test]
async fn every_operation_is_guarded_as_the_access_table_says() {
    let app = App::start().await;
    app.check_authorisation().await;
}

#[tokio::test]
async fn every_event_that_is_published_is_handled() {
    App::start().await.check_events().await;
}

#[tokio::test]
async fn nothing_of_somebody_elses_project_can_be_reached() {
    let team = Team::start().await;
    let task = team.task("Fix the valve").await;
    let comments = format!("/v1/tasks/{task}/comments");
    let comment = text(
        &team
            .ada
            .post(&comments, json!({ "body": "Which one?" }))
            .await
            .expect(201)
            .json["id"],
    );
    let (project, task) = (format!("/v1/projects/{}", team.project), format!("/v1/tasks/{task}"));
    let comment = format!("/v1/comments/{comment}");
    let path = format!("{project}/import");
    let import = send(&team.ada, &path, "text/csv", "title\nFix the valve\n")
        .await
        .expect(202);
    let import = import.header("location").expect("a location").to_owned();
    let owned = [
        ("/v1/projects/{id}", &*project),
        ("/v1/tasks/{id}", &*task),
        ("/v1/comments/{id}", &*comment),
        ("/v1/imports/{id}", &*import),
    ];
    team.app.check_foreign(&owned).await;
}
