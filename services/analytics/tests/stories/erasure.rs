//! People who close their accounts.

use contracts::{
    Event,
    analytics::AnalyticsErased,
    id::{InvitationId, UserId},
    project::MemberInvited,
};

use crate::world::{App, Team, admin, comment, deleted, registered, start, tell};

async fn log(app: &App) -> String {
    admin(app).get("/v1/events?limit=200").await.expect(200).text()
}

fn invited(team: &Team, email: &str) -> MemberInvited {
    MemberInvited {
        invitation_id: InvitationId::new(),
        project_id: team.project,
        project_name: "Apollo".to_owned(),
        email: email.to_owned(),
        role: "member".to_owned(),
        actor_id: team.owner.id,
    }
}

#[tokio::test]
async fn what_describes_somebody_goes_when_they_do_and_the_hub_hears_of_it_once() {
    let app = start().await;
    let team = Team::new(&app).await;
    let ada = app.user();
    let address = format!("{}@EXAMPLE.com", ada.id);
    tell(&app, &registered(ada.id), "2026-03-01T08:00:00Z").await;
    tell(&app, &invited(&team, &address), "2026-03-01T09:00:00Z").await;
    tell(&app, &comment(&team, ada.id, "my secret"), "2026-03-01T10:00:00Z").await;
    tell(
        &app,
        &comment(&team, team.owner.id, "a public word"),
        "2026-03-01T11:00:00Z",
    )
    .await;
    assert!(log(&app).await.contains("Ada Lovelace"));

    let because = tell(&app, &deleted(ada.id, "2026-03-02T08:00:00Z"), "2026-03-02T08:00:00Z").await;
    app.step_workers().await;
    let left = log(&app).await;
    for gone in ["Ada Lovelace", "@example.com", "@EXAMPLE.com", "my secret"] {
        assert!(!left.contains(gone), "{gone} is still there: {left}");
    }
    assert!(left.contains("a public word"));
    let held = ada.get("/v1/personal-data/analytics").await.expect(200).json;
    assert_eq!(held["activity"].as_array().unwrap().len(), 0);

    // A straggler is blanked, too, and nothing is said a second time.
    tell(&app, &comment(&team, ada.id, "another secret"), "2026-03-01T12:00:00Z").await;
    app.step_workers().await;
    assert!(!log(&app).await.contains("another secret"));
    let held = ada.get("/v1/personal-data/analytics").await.expect(200).json;
    assert_eq!(held["activity"].as_array().unwrap().len(), 0);
    let erased = app.published_of::<AnalyticsErased>().await;
    assert_eq!(erased.len(), 1);
    assert_eq!(erased[0].user_id, ada.id);
    let published = app.published().await;
    let told = published.iter().find(|event| event.event_type == AnalyticsErased::TYPE);
    assert_eq!(told.unwrap().causation_id, Some(because));
}

#[tokio::test]
async fn somebody_of_whom_nothing_is_held_is_erased_as_well() {
    let app = start().await;
    let nobody = UserId::new();
    tell(&app, &deleted(nobody, "2026-03-02T08:00:00Z"), "2026-03-02T08:00:00Z").await;
    app.step_workers().await;
    assert_eq!(app.published_of::<AnalyticsErased>().await.len(), 1);
}

#[tokio::test]
async fn everybody_can_read_what_is_held_about_them() {
    let app = start().await;
    let team = Team::new(&app).await;
    tell(&app, &registered(team.owner.id), "2026-01-01T07:50:00Z").await;
    let held = team.owner.get("/v1/personal-data/analytics").await.expect(200).json;
    assert_eq!(held["user_id"], team.owner.id.to_string());
    assert_eq!(held["project_ids"][0], team.project.to_string());
    assert_eq!(held["activity"][0]["from"], "2026-01-01T07:45:00Z");
    assert_eq!(held["events"][0]["type"], "user.registered.v1");
    let other = app.user().get("/v1/personal-data/analytics").await.expect(200).json;
    assert_eq!(other["events"].as_array().unwrap().len(), 0);
}
