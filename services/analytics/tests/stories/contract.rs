//! The API as it is documented, and who may use it.

use chassis::Service;

use crate::world::{Team, start};

#[tokio::test]
async fn every_operation_refuses_whom_the_access_table_does_not_allow() {
    start().await.check_authorisation().await;
}

#[tokio::test]
async fn every_event_that_is_published_is_handled() {
    start().await.check_events().await;
}

#[tokio::test]
async fn a_projects_figures_are_its_members_alone() {
    let app = start().await;
    let team = Team::new(&app).await;
    let path = format!("/v1/analytics/projects/{}", team.project);
    app.check_foreign(&[("/v1/analytics/projects/{id}", &path)]).await;
}

#[test]
fn the_committed_openapi_document_is_the_one_of_the_code() {
    let document = analytics::Analytics::document();
    testkit::openapi::check(&document);
    testkit::openapi::check_committed(analytics::Analytics::NAME, &document);
}
