//! The OpenAPI document, and who may call what is in it.

use crate::team::{App, add, person, project_of};

#[tokio::test]
async fn every_operation_is_guarded_as_the_access_table_says() {
    let app = App::start().await;
    app.check_authorisation().await;
}

#[tokio::test]
async fn nothing_of_somebody_elses_project_can_be_reached() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let id = project_of(&ada, "Apollo").await;
    add(&ada, &id, "Bruno", "member").await;
    app.check_foreign(&[("/v1/projects/{id}", &format!("/v1/projects/{id}"))]).await;
}
