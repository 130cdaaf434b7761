//! The testkit's own promises, with a service that does nothing but answer one event with another.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use chassis::{Api, Assembly, Boot, Service};
use contracts::auth::{UserDisabled, UserEnabled};
use contracts::id::UserId;
use database::{MigrationTrait, Tx};
use messaging::{Reaction, ReactionError, Reactions, Received};
use testkit::{Outcome, TestService};

struct Echo;

#[async_trait::async_trait]
impl Service for Echo {
    const NAME: &'static str = "echo";
    type Settings = ();

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Vec::new()
    }

    fn document() -> serde_json::Value {
        Api::document::<()>("Echo")
    }

    async fn assemble(_: &mut Boot<()>) -> anyhow::Result<Assembly> {
        let reactions = Reactions::new().on(Answer);
        Ok(Assembly {
            api: Api::new("Echo", ()),
            reactions,
            workers: Vec::new(),
        })
    }
}

struct Answer;

#[async_trait::async_trait]
impl Reaction for Answer {
    type Event = UserDisabled;

    async fn react(&self, tx: &Tx, received: &Received<UserDisabled>) -> Result<(), ReactionError> {
        let UserDisabled { user_id, version } = received.event;
        if version < 0 {
            return Err(ReactionError::Rejected("a version cannot be negative".to_owned()));
        }
        messaging::append(
            tx,
            &UserEnabled {
                user_id,
                version: version + 1,
            },
        )?;
        Ok(())
    }
}

fn disabled(version: i64) -> UserDisabled {
    UserDisabled {
        user_id: UserId::new(),
        version,
    }
}

#[tokio::test]
async fn a_delivered_event_has_its_effect_and_a_duplicate_has_none() {
    let app = TestService::<Echo>::start().await;
    let event = disabled(1);
    let envelope = app.envelope(&event);
    let value = serde_json::to_vec(&event).unwrap();
    assert_eq!(app.deliver_as(&envelope, value.clone()).await, Outcome::Applied);
    assert_eq!(app.deliver_as(&envelope, value).await, Outcome::Duplicate);
    app.deliver(&disabled(5)).await;
    let published = app.published().await;
    assert_eq!(published[0].key, event.user_id.to_string());
    let versions: Vec<i64> = app
        .published_of::<UserEnabled>()
        .await
        .iter()
        .map(|event| event.version)
        .collect();
    assert_eq!((published.len(), versions), (2, vec![2, 6]));
}

#[tokio::test]
async fn a_dead_letter_that_the_test_looks_at_is_no_failure() {
    let app = TestService::<Echo>::start().await;
    let event = disabled(-1);
    let outcome = app
        .deliver_as(&app.envelope(&event), serde_json::to_vec(&event).unwrap())
        .await;
    assert_eq!(outcome, Outcome::DeadLettered);
    let letters = app.dead_letters().await;
    assert!(
        letters[0].error.contains("a version cannot be negative"),
        "{}",
        letters[0].error
    );
    assert!(app.published().await.is_empty());
}

#[tokio::test]
#[should_panic(expected = "1 dead letters that the test did not look at")]
async fn a_dead_letter_that_nobody_looks_at_fails_the_test() {
    let app = TestService::<Echo>::start().await;
    app.deliver_as(&app.envelope(&disabled(1)), "no JSON").await;
}

#[tokio::test]
#[should_panic(expected = "a version cannot be negative")]
async fn an_event_that_has_to_be_handled_and_is_not_fails_the_test() {
    TestService::<Echo>::start().await.deliver(&disabled(-1)).await;
}

#[tokio::test]
#[should_panic(expected = "there is no setting echo.nothing")]
async fn a_misspelt_setting_fails_the_test() {
    TestService::<Echo>::with("[echo]\nnothing = 1").await;
}
