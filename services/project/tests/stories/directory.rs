//! The copy of auth's directory: what arrives late or twice does no harm.

use contracts::auth::{UserDisabled, UserEnabled, UserRegistered, UserUpdated};
use project::store::user;
use testkit::Outcome;

use crate::team::{App, person, profile};

async fn known(app: &App, id: contracts::id::UserId) -> user::Model {
    user::find(app.db.read(), id).await.unwrap().expect("a known user")
}

#[tokio::test]
async fn a_newer_profile_replaces_an_older_one_and_never_the_other_way_round() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    for (version, name) in [(3, "Ada Lovelace"), (2, "Ada King"), (3, "Ada Byron"), (1, "Ada")] {
        let mut user = profile(ada.id, "Ada", version);
        user.display_name = name.to_owned();
        app.deliver(&UserUpdated { user_id: ada.id, user }).await;
        assert_eq!(
            known(&app, ada.id).await.display_name,
            "Ada Lovelace",
            "after version {version}"
        );
    }
}

#[tokio::test]
async fn a_status_that_overtakes_a_profile_is_not_undone_and_hides_no_name() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    app.deliver(&UserDisabled {
        user_id: ada.id,
        version: 3,
    })
    .await;
    let mut user = profile(ada.id, "Ada", 2);
    user.display_name = "Ada Lovelace".to_owned();
    app.deliver(&UserUpdated { user_id: ada.id, user }).await;
    let ada_known = known(&app, ada.id).await;
    assert_eq!(
        (ada_known.disabled, ada_known.display_name.as_str()),
        (true, "Ada Lovelace")
    );
    app.deliver(&UserEnabled {
        user_id: ada.id,
        version: 2,
    })
    .await;
    assert!(known(&app, ada.id).await.disabled);
    app.deliver(&UserEnabled {
        user_id: ada.id,
        version: 4,
    })
    .await;
    assert!(!known(&app, ada.id).await.disabled);
}

#[tokio::test]
async fn a_status_that_arrives_before_the_registration_is_kept() {
    let app = App::start().await;
    let ada = app.user();
    app.deliver(&UserDisabled {
        user_id: ada.id,
        version: 2,
    })
    .await;
    app.deliver(&UserRegistered {
        user_id: ada.id,
        user: profile(ada.id, "Ada", 1),
    })
    .await;
    let known = known(&app, ada.id).await;
    assert_eq!(
        (known.disabled, known.email.as_str(), known.handle.as_str()),
        (true, "ada@example.com", "ada")
    );
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_a_dead_letter_and_changes_nothing() {
    let app = App::start().await;
    let ada = app.user();
    let event = UserRegistered {
        user_id: ada.id,
        user: profile(ada.id, "Ada", 1),
    };
    let envelope = app.envelope(&event);
    assert_eq!(
        app.deliver_as(&envelope, &b"{\"user_id\": 7}"[..]).await,
        Outcome::DeadLettered
    );
    assert_eq!(app.dead_letters().await.len(), 1);
    assert!(user::find(app.db.read(), ada.id).await.unwrap().is_none());
}
