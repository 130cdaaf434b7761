//! The API as it is documented, and who may use it.

use chassis::Service;
use notification::domain::notification::Kind;

use crate::world::App;

#[tokio::test]
async fn every_operation_refuses_whom_the_access_table_does_not_allow() {
    App::start().await.check_authorisation().await;
}

#[tokio::test]
async fn every_event_that_is_published_is_handled() {
    App::start().await.check_events().await;
}

#[test]
fn the_committed_openapi_document_is_the_one_of_the_code() {
    let document = notification::Notification::document();
    testkit::openapi::check(&document);
    testkit::openapi::check_committed(notification::Notification::NAME, &document);
}

#[test]
fn the_event_of_a_new_notification_names_every_kind_in_its_schema() {
    let schema = include_str!("../../../../docs/schemas/notification.created.v1.json");
    for kind in Kind::ALL {
        let name = format!("`{}`", kind.name());
        assert!(
            schema.contains(&name),
            "{name}: name it in NotificationCreated of contracts"
        );
    }
}
