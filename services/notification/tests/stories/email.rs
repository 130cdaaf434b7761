//! Notifications by mail.

use std::time::Duration;

use contracts::{Timestamp, auth::UserUpdated, id::UserId};
use notification::{
    domain::delivery::Channel,
    outbound::EMAIL_TARGET,
    store::delivery::{self, Model},
};
use serde_json::{Value, json};
use testkit::Actor;

use crate::{
    mailbox::MailServer,
    world::{App, World, disabled, password_changed, profile, registered, types},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Somebody with a verified address.
async fn reader(app: &App, name: &str) -> Actor {
    let user = app.user();
    app.deliver(&registered(user.id, name)).await;
    user
}

async fn deliveries(user: &Actor) -> Vec<Value> {
    let list = user.get("/v1/deliveries?channel=email").await.expect(200);
    list.json["items"].as_array().cloned().unwrap()
}

/// The link to unsubscribe in a mail, without the host.
fn link(mail: &str) -> String {
    let unfolded = mail.replace("\r\n ", "");
    let header = unfolded
        .lines()
        .find(|line| line.starts_with("List-Unsubscribe:"))
        .unwrap();
    let url = header.split(['<', '>']).nth(1).unwrap();
    url.strip_prefix("http://gateway.localhost:8080").unwrap().to_owned()
}

#[tokio::test]
async fn a_notification_is_mailed_in_text_and_html_with_a_way_out() {
    let app = App::start().await;
    let (ada, bo, world) = (
        reader(&app, "Ada <b>Lovelace</b>").await,
        reader(&app, "Bo").await,
        World::new(),
    );
    app.deliver(&world.assigned(bo.id, ada.id, 3)).await;
    app.step_workers().await;
    let [mail] = &app.mails()[..] else {
        panic!("one mail: {:#?}", app.mails())
    };
    for part in [
        &format!("To: Bo <{}@example.com>", bo.id),
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "Content-Type: multipart/alternative",
        "Content-Type: text/plain",
        "Content-Type: text/html",
    ] {
        assert!(mail.contains(part), "{part}: {mail}");
    }
    assert!(
        !mail.contains("<p style=3D\"font-size: 1.2em\">Ada <b>"),
        "escaped: {mail}"
    );
    let [sent] = &deliveries(&bo).await[..] else {
        panic!("one delivery")
    };
    assert_eq!(
        (&sent["state"], &sent["event_type"]),
        (&json!("delivered"), &json!("task_assigned"))
    );
    assert!(deliveries(&ada).await.is_empty());
}

#[tokio::test]
async fn nobody_is_mailed_at_an_address_that_is_not_theirs_or_after_their_account_was_shut() {
    let app = App::start().await;
    let (ada, bo, cleo, world) = (UserId::new(), app.user(), app.user(), World::new());
    let mut unverified = registered(bo.id, "Bo");
    unverified.user.email_verified = false;
    app.deliver(&unverified).await;
    app.deliver(&registered(cleo.id, "Cleo")).await;
    app.deliver(&world.assigned(bo.id, ada, 1)).await;
    app.deliver(&world.assigned(cleo.id, ada, 2)).await;
    app.deliver(&disabled(cleo.id, 2)).await;
    app.step_workers().await;
    assert!(app.mails().is_empty());
    assert!(deliveries(&bo).await.is_empty());
    let [dropped] = &deliveries(&cleo).await[..] else {
        panic!("one delivery")
    };
    assert_eq!(
        (&dropped["state"], &dropped["error"]),
        (&json!("failed"), &json!("the account is shut"))
    );
}

#[tokio::test]
async fn one_click_ends_mails_of_a_type_and_opening_the_link_does_not() {
    let app = App::start().await;
    let (ada, bo, world) = (UserId::new(), reader(&app, "Bo").await, World::new());
    app.deliver(&world.assigned(bo.id, ada, 1)).await;
    app.step_workers().await;
    let link = link(&app.mails()[0]);
    let anybody = app.anonymous();
    let page = anybody.get(&link).await.expect(200);
    assert!(page.text().contains("<button"), "{}", page.text());
    app.deliver(&world.assigned(bo.id, ada, 2)).await;
    app.step_workers().await;
    assert_eq!(app.mails().len(), 2);

    let click = || {
        anybody
            .request("POST", &link)
            .form(&[("List-Unsubscribe", "One-Click")])
            .send()
    };
    click().await.expect(200);
    click().await.expect(200);
    app.deliver(&world.assigned(bo.id, ada, 3)).await;
    app.deliver(&password_changed(bo.id, false, 2)).await;
    app.step_workers().await;
    assert_eq!(app.mails().len(), 3, "other types still come");
    assert_eq!(types(&bo).await.len(), 4, "the inbox is as before");
    for wrong in ["/v1/unsubscribe/x", &link[..link.len() - 2]] {
        assert_eq!(
            anybody.get(wrong).await.expect(404).problem(),
            "link-not-valid",
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn a_mail_server_that_says_later_is_asked_again_and_one_that_says_never_is_not() {
    let server = MailServer::start().await;
    let app = App::with(&server.setting()).await;
    let (ada, bo, world) = (UserId::new(), reader(&app, "Bo").await, World::new());
    server.answers(["450 mailbox busy", "250 OK", "554 spam"]);
    app.deliver(&world.assigned(bo.id, ada, 1)).await;
    app.step_workers().await;
    let waiting = &deliveries(&bo).await[0];
    assert_eq!(waiting["state"], "retry_scheduled");
    assert!(waiting["error"].as_str().unwrap().contains("450"), "{waiting}");
    app.clock.advance(HOUR);
    app.step_workers().await;
    let sent = &deliveries(&bo).await[0];
    assert_eq!((&sent["state"], &sent["attempts"]), (&json!("delivered"), &json!(2)));
    assert_eq!(server.taken().len(), 1);

    app.deliver(&world.assigned(bo.id, ada, 2)).await;
    app.step_workers().await;
    app.clock.advance(24 * HOUR);
    app.step_workers().await;
    let refused = &deliveries(&bo).await[0];
    assert_eq!((&refused["state"], &refused["attempts"]), (&json!("failed"), &json!(1)));
    assert!(refused["error"].as_str().unwrap().contains("554"), "{refused}");
}

#[tokio::test]
async fn an_address_that_sends_mails_back_gets_no_more_and_its_owner_is_told_until_it_changes() {
    let server = MailServer::start().await;
    let app = App::with(&server.setting()).await;
    let (ada, bo, world) = (UserId::new(), reader(&app, "Bo").await, World::new());
    server.answers(["550 no such mailbox"; 3]);
    for version in 1..=4 {
        app.deliver(&world.assigned(bo.id, ada, version)).await;
        app.step_workers().await;
    }
    assert_eq!(deliveries(&bo).await.len(), 3, "nothing is planned for it any more");
    assert!(server.taken().is_empty());
    let told = types(&bo).await;
    assert_eq!(
        told.iter().filter(|kind| *kind == "email_suppressed").count(),
        1,
        "{told:?}"
    );

    let mut moved = profile(bo.id, "Bo", 7);
    moved.email = "bo@example.org".to_owned();
    app.deliver(&UserUpdated {
        user_id: bo.id,
        user: moved,
    })
    .await;
    app.deliver(&world.assigned(bo.id, ada, 5)).await;
    app.step_workers().await;
    assert_eq!(server.taken().len(), 1);
}

#[tokio::test]
async fn a_mail_whose_data_has_a_hole_is_seen_as_failed_and_not_sent_with_a_hole() {
    let app = App::start().await;
    let bo = reader(&app, "Bo").await;
    for (message, payload) in [("a", "{\"body\":\"b\"}"), ("b", "not json")] {
        let (now, target) = (Timestamp::now(), EMAIL_TARGET.to_owned());
        let row = Model::new(
            Channel::Email,
            bo.id,
            target,
            message.to_owned(),
            "mentioned",
            payload.to_owned(),
            now,
        );
        app.db
            .write(async |tx| delivery::insert(tx, vec![row]).await)
            .await
            .unwrap();
    }
    app.step_workers().await;
    assert!(app.mails().is_empty());
    for failed in deliveries(&bo).await {
        assert_eq!(failed["state"], "failed");
        assert!(
            failed["error"]
                .as_str()
                .unwrap()
                .starts_with("the mail cannot be written"),
            "{failed}"
        );
    }
}

#[tokio::test]
async fn a_comment_that_is_gone_is_not_mailed_after_quiet_hours() {
    let app = App::start().await;
    let (ada, bo, world) = (UserId::new(), reader(&app, "Bo").await, World::new());
    // Quiet but for one minute a day, which is not now.
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let later = now.saturating_add(jiff::Span::new().hours(12)).time();
    let minute = |time: jiff::civil::Time| format!("{:02}:{:02}", time.hour(), time.minute());
    let end = minute(later.wrapping_add(jiff::Span::new().minutes(1)));
    app.prefer(
        &bo,
        json!({ "preferences": [], "quiet_hours": { "from": end, "to": minute(later) } }),
    )
    .await;
    let comment = world.comment(ada, &[bo.id], &[]);
    app.deliver(&comment).await;
    app.deliver(&world.comment_deleted(&comment)).await;
    app.clock.advance(25 * HOUR);
    app.step_workers().await;
    assert!(app.mails().is_empty());
    let dropped = &deliveries(&bo).await[0];
    assert_eq!(dropped["error"], "not sent: what it is about is gone");
}
