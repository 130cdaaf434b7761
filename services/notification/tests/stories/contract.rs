//! The API as it is documented, and who may use it.

use chassis::Service;

use crate::world::App;

#[tokio::test]
async fn every_operation_refuses_whom_the_access_table_does_not_allow() {
    App::start().await.check_authorisation().await;
}

#[test]
fn the_committed_openapi_document_is_the_one_of_the_code() {
    let document = notification::Notification::document();
    testkit::openapi::check(&document);
    testkit::openapi::check_committed(notification::Notification::NAME, &document);
}
