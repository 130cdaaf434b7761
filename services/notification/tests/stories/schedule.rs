//! When something is mailed or posted, and when not.

use std::time::Duration;

use chassis::Clock;
use contracts::{Timestamp, id::UserId};
use serde_json::json;
use testkit::Actor;

use crate::world::{App, World, badge, password_changed, registered};

const HOUR: Duration = Duration::from_secs(3600);
const NIGHT: &str = "2040-03-25T00:30:00Z";

/// A hub at this moment, which is yet to come, with somebody who is reached by mail.
async fn at(moment: &str) -> (App, Actor, World) {
    let clock = Clock::stopped();
    let moment: Timestamp = moment.parse().unwrap();
    clock.advance(moment.since(clock.now()));
    let app = App::at("", clock).await;
    let bo = app.user();
    app.deliver(&registered(bo.id, "Bo")).await;
    (app, bo, World::new())
}

#[tokio::test]
async fn in_quiet_hours_mails_wait_for_the_morning_of_the_clock_on_the_wall_and_the_inbox_does_not() {
    // The night in which Berlin's clocks go forward.
    let (app, bo, world) = at(NIGHT).await;
    let quiet = json!({ "from": "22:00", "to": "07:00" });
    app.prefer(
        &bo,
        json!({ "preferences": [], "time_zone": "Europe/Berlin", "quiet_hours": quiet }),
    )
    .await;
    app.deliver(&world.assigned(bo.id, UserId::new(), 1)).await;
    app.step_workers().await;
    assert_eq!((badge(&bo).await, app.mails().len()), (1, 0));
    app.clock.advance(4 * HOUR);
    app.step_workers().await;
    assert_eq!(app.mails().len(), 0, "it is 6:30 there");
    app.clock.advance(HOUR);
    app.step_workers().await;
    assert_eq!(app.mails().len(), 1);
}

#[tokio::test]
async fn what_concerns_the_safety_of_an_account_waits_for_nothing() {
    let (app, bo, _) = at(NIGHT).await;
    let quiet = json!({ "from": "00:00", "to": "23:59" });
    app.prefer(
        &bo,
        json!({ "preferences": [], "quiet_hours": quiet, "digest": "daily" }),
    )
    .await;
    app.deliver(&password_changed(bo.id, false, 2)).await;
    app.step_workers().await;
    assert_eq!(app.mails().len(), 1);
}

#[tokio::test]
async fn a_digest_says_in_one_mail_what_happened_and_each_thing_once() {
    let (app, bo, world) = at("2040-03-10T12:20:00Z").await;
    app.prefer(&bo, json!({ "preferences": [], "digest": "hourly" })).await;
    let ada = UserId::new();
    for version in 1..=3 {
        app.deliver(&world.assigned(bo.id, ada, version)).await;
    }
    let comment = world.comment(ada, &[bo.id], &[]);
    app.deliver(&comment).await;
    app.deliver(&comment).await;
    let gone = world.comment(ada, &[bo.id], &[]);
    app.deliver(&gone).await;
    app.deliver(&world.comment_deleted(&gone)).await;
    app.step_workers().await;
    assert_eq!(app.mails().len(), 0);
    app.clock.advance(HOUR);
    app.step_workers().await;
    let [mail] = &app.mails()[..] else {
        panic!("one mail: {:#?}", app.mails())
    };
    assert!(mail.contains("Subject: 4 notifications from CloudTaskHub"), "{mail}");
    app.clock.advance(HOUR);
    app.step_workers().await;
    assert_eq!(app.mails().len(), 1, "nothing happened since");
}

#[tokio::test]
async fn a_project_can_be_an_exception() {
    let (app, bo, world) = at("2040-03-10T12:20:00Z").await;
    let (ada, other) = (UserId::new(), World::new());
    let exception =
        json!({ "project_id": world.project, "preferences": [{ "type": "task_assigned", "email": false }] });
    app.prefer(&bo, json!({ "preferences": [], "projects": [exception] }))
        .await;
    app.deliver(&world.assigned(bo.id, ada, 1)).await;
    app.step_workers().await;
    assert_eq!((badge(&bo).await, app.mails().len()), (1, 0));
    app.deliver(&other.assigned(bo.id, ada, 1)).await;
    app.step_workers().await;
    assert_eq!((badge(&bo).await, app.mails().len()), (2, 1));
    let read = bo.get("/v1/notification-preferences").await.expect(200).json;
    assert_eq!(read["projects"], json!([exception]));
}

#[tokio::test]
async fn a_type_can_be_mailed_and_kept_out_of_the_inbox() {
    let (app, bo, world) = at("2040-03-10T12:20:00Z").await;
    let only_mail = json!([{ "type": "task_assigned", "in_app": false }]);
    app.prefer(&bo, json!({ "preferences": only_mail })).await;
    app.deliver(&world.assigned(bo.id, UserId::new(), 1)).await;
    app.step_workers().await;
    assert_eq!((badge(&bo).await, app.mails().len()), (0, 1));
}

#[tokio::test]
async fn a_schedule_that_cannot_be_is_explained() {
    let (app, bo, _) = at("2040-03-10T12:20:00Z").await;
    let put = async |body| {
        let call = bo
            .request("PUT", "/v1/notification-preferences")
            .header("if-match", "*");
        call.json(&body).await.expect(422)
    };
    let wrong = put(json!({
        "preferences": [], "time_zone": "Mars/Olympus", "digest": "weekly", "quiet_hours": { "from": "25:00", "to": "7" },
        "projects": [{ "project_id": "nonsense", "preferences": [] }],
    }))
    .await;
    let expected = [
        "#/projects/0/project_id",
        "#/time_zone",
        "#/quiet_hours/from",
        "#/quiet_hours/to",
        "#/digest",
    ];
    assert_eq!(wrong.wrong(), expected);
    drop(app);
}
