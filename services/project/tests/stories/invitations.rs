//! Invitations: addresses that wait for an account.

use contracts::{
    auth::{UserRegistered, UserUpdated},
    project::{MemberAdded, MemberInvited},
};
use serde_json::{Value, json};
use testkit::Outcome;

use crate::team::{App, add, person, profile, project_of, text, walk};

#[tokio::test]
async fn an_invitation_becomes_a_membership_when_its_address_registers() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let (apollo, artemis) = (project_of(&ada, "Apollo").await, project_of(&ada, "Artemis").await);
    let body = json!({ "email": "Bruno@Example.COM", "role": "admin" });
    let answer = ada
        .post(format!("/v1/projects/{apollo}/members"), body)
        .await
        .expect(201);
    let invitation = text(&answer.json["invitation_id"]);
    assert_eq!(
        answer.header("location"),
        Some(format!("/v1/projects/{apollo}/invitations/{invitation}").as_str())
    );
    assert_eq!(
        (&answer.json["status"], &answer.json["user_id"]),
        (&json!("pending"), &Value::Null)
    );
    assert_eq!(
        (&answer.json["email"], &answer.json["role"]),
        (&json!("Bruno@Example.COM"), &json!("admin"))
    );
    add(&ada, &artemis, "Bruno", "viewer").await;

    let invited = app.published_of::<MemberInvited>().await;
    assert_eq!(invited.len(), 2);
    assert_eq!(
        (invited[0].email.as_str(), invited[0].role.as_str(), invited[0].actor_id),
        ("Bruno@Example.COM", "admin", ada.id)
    );
    let listed = walk(&ada, &format!("/v1/projects/{apollo}/invitations"), 10).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0]["id"], &listed[0]["invited_by"]),
        (&json!(invitation), &json!(ada.id))
    );
    assert_eq!(walk(&ada, &format!("/v1/projects/{apollo}/members"), 10).await.len(), 1);

    let bruno = person(&app, "Bruno").await;
    assert_eq!(
        bruno.get(format!("/v1/projects/{apollo}")).await.expect(200).json["role"],
        "admin"
    );
    assert_eq!(
        bruno.get(format!("/v1/projects/{artemis}")).await.expect(200).json["role"],
        "viewer"
    );
    assert!(
        walk(&ada, &format!("/v1/projects/{apollo}/invitations"), 10)
            .await
            .is_empty()
    );
    let added: Vec<_> = app
        .published_of::<MemberAdded>()
        .await
        .into_iter()
        .filter(|event| event.user_id == bruno.id)
        .collect();
    assert_eq!(added.len(), 2);
    assert!(added.iter().all(|event| event.actor_id == ada.id && event.version == 1));
}

#[tokio::test]
async fn a_registration_that_arrives_twice_makes_one_membership() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let id = project_of(&ada, "Apollo").await;
    add(&ada, &id, "Bruno", "member").await;
    let bruno = app.user();
    let event = UserRegistered {
        user_id: bruno.id,
        user: profile(bruno.id, "Bruno", 1),
    };
    let envelope = app.envelope(&event);
    let value = serde_json::to_vec(&event).unwrap();
    assert_eq!(app.deliver_as(&envelope, value.clone()).await, Outcome::Applied);
    assert_eq!(app.deliver_as(&envelope, value).await, Outcome::Duplicate);
    app.deliver(&event).await;
    assert_eq!(app.published_of::<MemberAdded>().await.len(), 2);
    assert_eq!(
        bruno.get(format!("/v1/projects/{id}")).await.expect(200).json["role"],
        "member"
    );
}

#[tokio::test]
async fn a_member_who_was_sent_away_is_not_let_in_again_by_a_late_registration() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let id = project_of(&ada, "Apollo").await;
    add(&ada, &id, "Bruno", "member").await;
    let bruno = person(&app, "Bruno").await;
    ada.delete(format!("/v1/projects/{id}/members/{}", bruno.id))
        .await
        .expect(204);
    app.deliver(&UserRegistered {
        user_id: bruno.id,
        user: profile(bruno.id, "Bruno", 1),
    })
    .await;
    bruno.get(format!("/v1/projects/{id}")).await.expect(404);
}

#[tokio::test]
async fn an_update_that_overtakes_the_registration_makes_the_membership_and_keeps_the_newer_name() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let id = project_of(&ada, "Apollo").await;
    add(&ada, &id, "Bruno", "member").await;
    let bruno = app.user();
    let mut newer = profile(bruno.id, "Bruno", 2);
    newer.display_name = "Bruno Keller".to_owned();
    app.deliver(&UserUpdated {
        user_id: bruno.id,
        user: newer,
    })
    .await;
    bruno.get(format!("/v1/projects/{id}")).await.expect(200);
    app.deliver(&UserRegistered {
        user_id: bruno.id,
        user: profile(bruno.id, "Bruno", 1),
    })
    .await;

    let members = walk(&ada, &format!("/v1/projects/{id}/members"), 10).await;
    assert_eq!(members[1]["display_name"], "Bruno Keller");
    assert_eq!(app.published_of::<MemberAdded>().await.len(), 2);
}

#[tokio::test]
async fn one_address_has_one_invitation_to_a_project_in_any_spelling() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let id = project_of(&ada, "Apollo").await;
    add(&ada, &id, "Bruno", "member").await;
    let body = json!({ "email": "BRUNO@example.com", "role": "admin" });
    let again = ada.post(format!("/v1/projects/{id}/members"), body).await.expect(409);
    assert_eq!(again.problem(), "already-invited");
    assert_eq!(app.published_of::<MemberInvited>().await.len(), 1);
}

#[tokio::test]
async fn a_withdrawn_invitation_makes_nobody_a_member() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let id = project_of(&ada, "Apollo").await;
    let invitation = text(&add(&ada, &id, "Bruno", "member").await["invitation_id"]);
    let path = format!("/v1/projects/{id}/invitations/{invitation}");
    ada.delete(&path).await.expect(204);
    assert_eq!(ada.delete(&path).await.expect(404).problem(), "invitation-not-found");
    let bruno = person(&app, "Bruno").await;
    bruno.get(format!("/v1/projects/{id}")).await.expect(404);
    assert_eq!(app.published_of::<MemberAdded>().await.len(), 1);
}

#[tokio::test]
async fn an_invitation_is_withdrawn_in_its_own_project_only() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let (apollo, artemis) = (project_of(&ada, "Apollo").await, project_of(&ada, "Artemis").await);
    let invitation = text(&add(&ada, &apollo, "Bruno", "member").await["invitation_id"]);
    for name in [invitation.as_str(), "nonsense", apollo.as_str()] {
        let answer = ada
            .delete(format!("/v1/projects/{artemis}/invitations/{name}"))
            .await
            .expect(404);
        assert_eq!(answer.problem(), "invitation-not-found");
    }
    assert_eq!(
        walk(&ada, &format!("/v1/projects/{apollo}/invitations"), 10)
            .await
            .len(),
        1
    );
}

#[tokio::test]
async fn an_admin_cannot_withdraw_an_invitation_to_own_the_project() {
    let app = App::start().await;
    let (ada, chiyo) = (person(&app, "Ada").await, person(&app, "Chiyo").await);
    let id = project_of(&ada, "Apollo").await;
    add(&ada, &id, "Chiyo", "admin").await;
    let owner = text(&add(&ada, &id, "Bruno", "owner").await["invitation_id"]);
    let viewer = text(&add(&ada, &id, "Dmitri", "viewer").await["invitation_id"]);
    let path = format!("/v1/projects/{id}/invitations");
    assert_eq!(
        chiyo.delete(format!("{path}/{owner}")).await.expect(403).problem(),
        "project-role-too-low"
    );
    chiyo.delete(format!("{path}/{viewer}")).await.expect(204);
    ada.delete(format!("{path}/{owner}")).await.expect(204);
}

#[tokio::test]
async fn somebody_who_invited_their_own_unheard_of_address_stays_what_they_are() {
    let app = App::start().await;
    let fresh = app.user();
    let id = project_of(&fresh, "Apollo").await;
    add(&fresh, &id, "Fresh", "viewer").await;
    app.deliver(&UserRegistered {
        user_id: fresh.id,
        user: profile(fresh.id, "Fresh", 1),
    })
    .await;
    assert_eq!(
        fresh.get(format!("/v1/projects/{id}")).await.expect(200).json["role"],
        "owner"
    );
    assert!(
        walk(&fresh, &format!("/v1/projects/{id}/invitations"), 10)
            .await
            .is_empty()
    );
    assert_eq!(app.published_of::<MemberAdded>().await.len(), 1);
}

#[tokio::test]
async fn an_invitation_and_a_registration_at_once_end_in_a_membership() {
    for _ in 0..8 {
        let app = App::start().await;
        let ada = person(&app, "Ada").await;
        let id = project_of(&ada, "Apollo").await;
        let bruno = app.user();
        let event = UserRegistered {
            user_id: bruno.id,
            user: profile(bruno.id, "Bruno", 1),
        };
        tokio::join!(add(&ada, &id, "Bruno", "member"), app.deliver(&event));
        bruno.get(format!("/v1/projects/{id}")).await.expect(200);
        assert!(
            walk(&ada, &format!("/v1/projects/{id}/invitations"), 10)
                .await
                .is_empty()
        );
    }
}

#[tokio::test]
async fn the_list_of_invitations_walks_page_by_page_and_ends_at_the_limit() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let id = project_of(&ada, "Apollo").await;
    let path = format!("/v1/projects/{id}/members");
    for number in 0..200 {
        let body = json!({ "email": format!("person{number}@example.com"), "role": "viewer" });
        ada.post(&path, body).await.expect(201);
    }
    let one_more = ada
        .post(&path, json!({ "email": "late@example.com", "role": "viewer" }))
        .await
        .expect(409);
    assert_eq!(one_more.problem(), "too-many-invitations");
    let listed = walk(&ada, &format!("/v1/projects/{id}/invitations"), 30).await;
    let addresses: Vec<_> = listed.iter().map(|item| text(&item["email"])).collect();
    let expected: Vec<_> = (0..200).map(|number| format!("person{number}@example.com")).collect();
    assert_eq!(addresses, expected);
}
