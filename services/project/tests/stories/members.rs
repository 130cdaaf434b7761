//! Members: added, promoted, sent away, leaving.

use contracts::{
    auth::{UserDisabled, UserEnabled},
    project::{MemberAdded, MemberInvited, MemberRemoved, MemberRoleChanged},
};
use serde_json::{Value, json};

use crate::team::{App, add, person, project_of, text, walk};

#[tokio::test]
async fn somebody_with_an_account_is_a_member_at_once() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    let id = project_of(&ada, "Apollo").await;
    let body = json!({ "email": " BRUNO@Example.com", "role": "member" });
    let answer = ada.post(format!("/v1/projects/{id}/members"), body).await.expect(201);
    assert_eq!(
        answer.header("location"),
        Some(format!("/v1/projects/{id}/members/{}", bruno.id).as_str())
    );
    assert_eq!(answer.header("etag"), Some("\"v1\""));
    let member = answer.json;
    assert_eq!(
        (&member["status"], &member["invitation_id"]),
        (&json!("active"), &Value::Null)
    );
    assert_eq!(
        (&member["user_id"], &member["role"]),
        (&json!(bruno.id), &json!("member"))
    );
    assert_eq!(
        (&member["handle"], &member["display_name"]),
        (&json!("bruno"), &json!("Bruno"))
    );
    assert_eq!(member["email"], "bruno@example.com", "the owner's own spelling");

    assert_eq!(
        bruno.get(format!("/v1/projects/{id}")).await.expect(200).json["role"],
        "member"
    );
    assert!(app.published_of::<MemberInvited>().await.is_empty());
    let added = app.published_of::<MemberAdded>().await.pop().unwrap();
    assert_eq!(
        (added.user_id, added.role.as_str(), added.actor_id, added.version),
        (bruno.id, "member", ada.id, 1)
    );
    assert_eq!(added.project_name, "Apollo");
}

#[tokio::test]
async fn a_member_cannot_be_added_again_not_even_oneself() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    person(&app, "Bruno").await;
    let id = project_of(&ada, "Apollo").await;
    add(&ada, &id, "Bruno", "member").await;
    for email in ["bruno@example.com", "Bruno@EXAMPLE.com", "ada@example.com"] {
        let body = json!({ "email": email, "role": "admin" });
        let answer = ada.post(format!("/v1/projects/{id}/members"), body).await.expect(409);
        assert_eq!(answer.problem(), "already-member", "{email}");
    }
    assert_eq!(app.published_of::<MemberAdded>().await.len(), 2);
}

#[tokio::test]
async fn a_member_added_twice_at_once_is_added_once() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    person(&app, "Bruno").await;
    let id = project_of(&ada, "Apollo").await;
    let add = || {
        ada.post(
            format!("/v1/projects/{id}/members"),
            json!({ "email": "bruno@example.com", "role": "viewer" }),
        )
    };
    let (one, two) = tokio::join!(add(), add());
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    assert_eq!(app.published_of::<MemberAdded>().await.len(), 2);
}

#[tokio::test]
async fn a_disabled_account_cannot_be_added_until_it_is_enabled() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    let id = project_of(&ada, "Apollo").await;
    app.deliver(&UserDisabled {
        user_id: bruno.id,
        version: 2,
    })
    .await;
    let body = json!({ "email": "bruno@example.com", "role": "member" });
    let path = format!("/v1/projects/{id}/members");
    assert_eq!(
        ada.post(&path, body.clone()).await.expect(409).problem(),
        "account-disabled"
    );
    app.deliver(&UserEnabled {
        user_id: bruno.id,
        version: 3,
    })
    .await;
    ada.post(&path, body).await.expect(201);
}

#[tokio::test]
async fn what_a_member_may_do_to_others_depends_on_both_roles() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let roles = ["viewer", "member", "admin", "owner"];
    for role in roles {
        let actor = person(&app, &format!("{role}-acting")).await;
        let id = project_of(&ada, "Apollo").await;
        add(&ada, &id, &format!("{role}-acting"), role).await;
        let path = format!("/v1/projects/{id}/members");
        for target in roles {
            let name = format!("{role}-on-{target}");
            let other = person(&app, &name).await;
            let may = role == "owner" || (role == "admin" && target != "owner");
            let invite = json!({ "email": format!("{name}@example.com"), "role": target });
            let stranger = json!({ "email": format!("stranger-{name}@example.com"), "role": target });
            let status = |done| if may { done } else { 403 };

            let added = actor.post(&path, invite.clone()).await.expect(status(201));
            actor.post(&path, stranger).await.expect(status(201));
            if !may {
                assert_eq!(added.problem(), "project-role-too-low");
                ada.post(&path, invite).await.expect(201);
            }
            let member = format!("{path}/{}", other.id);
            actor
                .patch(&member, json!({ "role": target }))
                .await
                .expect(status(200));
            if role == "admin" && target != "owner" {
                actor.patch(&member, json!({ "role": "owner" })).await.expect(403);
            }
            actor.delete(&member).await.expect(status(204));
        }
        let invitations = actor.get(format!("/v1/projects/{id}/invitations")).await;
        assert_eq!(
            invitations.status,
            if matches!(role, "admin" | "owner") { 200 } else { 403 },
            "{role}"
        );
        actor.delete(format!("{path}/{}", actor.id)).await.expect(204);
        actor.get(&path).await.expect(404);
    }
}

#[tokio::test]
async fn a_role_is_changed_with_the_version_that_was_seen_when_one_is_named() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    let id = project_of(&ada, "Apollo").await;
    add(&ada, &id, "Bruno", "viewer").await;
    let path = format!("/v1/projects/{id}/members/{}", bruno.id);
    let change = |tag: &'static str, role: &'static str| {
        ada.request("PATCH", &path)
            .header("If-Match", tag)
            .json(&json!({ "role": role }))
            .send()
    };
    let answer = change("\"v1\"", "member").await.expect(200);
    assert_eq!(
        (answer.header("etag"), &answer.json["role"]),
        (Some("\"v2\""), &json!("member"))
    );
    assert_eq!(
        change("\"v1\"", "admin").await.expect(412).problem(),
        "precondition-failed"
    );
    ada.patch(&path, json!({ "role": "admin" })).await.expect(200);
    ada.patch(&path, json!({ "role": "admin" })).await.expect(200);
    let told: Vec<_> = app
        .published_of::<MemberRoleChanged>()
        .await
        .into_iter()
        .map(|event| (event.role, event.version))
        .collect();
    assert_eq!(
        told,
        [("member".to_owned(), 2), ("admin".to_owned(), 3)],
        "the same role again is no news"
    );
}

#[tokio::test]
async fn the_version_of_a_membership_rises_over_removal_and_return() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    let id = project_of(&ada, "Apollo").await;
    let path = format!("/v1/projects/{id}/members/{}", bruno.id);
    assert_eq!(add(&ada, &id, "Bruno", "admin").await["version"], 1);
    ada.delete(&path).await.expect(204);
    ada.delete(&path).await.expect(404);
    ada.patch(&path, json!({ "role": "viewer" })).await.expect(404);
    let back = add(&ada, &id, "Bruno", "viewer").await;
    assert_eq!((&back["version"], &back["role"]), (&json!(3), &json!("viewer")));
    bruno.delete(&path).await.expect(204);

    let removed: Vec<_> = app
        .published_of::<MemberRemoved>()
        .await
        .into_iter()
        .map(|event| (event.user_id, event.actor_id, event.version))
        .collect();
    assert_eq!(removed, [(bruno.id, ada.id, 2), (bruno.id, bruno.id, 4)]);
    assert_eq!(walk(&ada, &format!("/v1/projects/{id}/members"), 10).await.len(), 1);
}

#[tokio::test]
async fn the_last_owner_can_neither_leave_nor_be_demoted() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    let id = project_of(&ada, "Apollo").await;
    add(&ada, &id, "Bruno", "admin").await;
    let adas = format!("/v1/projects/{id}/members/{}", ada.id);
    let brunos = format!("/v1/projects/{id}/members/{}", bruno.id);
    assert_eq!(ada.delete(&adas).await.expect(409).problem(), "last-owner");
    assert_eq!(
        ada.patch(&adas, json!({ "role": "admin" })).await.expect(409).problem(),
        "last-owner"
    );

    ada.patch(&brunos, json!({ "role": "owner" })).await.expect(200);
    ada.patch(&adas, json!({ "role": "viewer" })).await.expect(200);
    assert_eq!(bruno.delete(&brunos).await.expect(409).problem(), "last-owner");
    ada.delete(&adas).await.expect(204);
    assert_eq!(app.published_of::<MemberRemoved>().await.len(), 1);
}

#[tokio::test]
async fn of_two_owners_who_leave_at_once_one_stays() {
    for _ in 0..8 {
        let app = App::start().await;
        let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
        let id = project_of(&ada, "Apollo").await;
        add(&ada, &id, "Bruno", "owner").await;
        let path = format!("/v1/projects/{id}/members");
        let (one, two) = tokio::join!(
            ada.delete(format!("{path}/{}", ada.id)).send(),
            bruno.delete(format!("{path}/{}", bruno.id)).send()
        );
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 409]);
    }
}

#[tokio::test]
async fn of_two_owners_who_demote_each_other_at_once_one_stays() {
    for _ in 0..8 {
        let app = App::start().await;
        let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
        let id = project_of(&ada, "Apollo").await;
        add(&ada, &id, "Bruno", "owner").await;
        let path = format!("/v1/projects/{id}/members");
        let (one, two) = tokio::join!(
            ada.patch(format!("{path}/{}", bruno.id), json!({ "role": "viewer" }))
                .send(),
            bruno
                .patch(format!("{path}/{}", ada.id), json!({ "role": "viewer" }))
                .send()
        );
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 403], "the slower one is no owner any more");
    }
}

#[tokio::test]
async fn an_owner_whose_account_is_disabled_does_not_count() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    let id = project_of(&ada, "Apollo").await;
    add(&ada, &id, "Bruno", "owner").await;
    app.deliver(&UserDisabled {
        user_id: bruno.id,
        version: 2,
    })
    .await;
    let path = format!("/v1/projects/{id}/members/{}", ada.id);
    assert_eq!(ada.delete(&path).await.expect(409).problem(), "last-owner");
    app.deliver(&UserEnabled {
        user_id: bruno.id,
        version: 3,
    })
    .await;
    ada.delete(&path).await.expect(204);
}

#[tokio::test]
async fn the_list_shows_members_in_the_order_they_came_page_by_page() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let id = project_of(&ada, "Apollo").await;
    let mut names = vec!["Ada".to_owned()];
    for number in 0..6 {
        names.push(format!("Person{number}"));
        person(&app, &names[number + 1]).await;
        add(&ada, &id, &names[number + 1], "member").await;
    }
    for limit in [1, 3, 7, 200] {
        let members = walk(&ada, &format!("/v1/projects/{id}/members"), limit).await;
        let seen: Vec<_> = members.iter().map(|member| text(&member["display_name"])).collect();
        assert_eq!(seen, names, "limit {limit}");
    }
}

#[tokio::test]
async fn a_member_that_is_not_in_the_project_is_not_found() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    let id = project_of(&ada, "Apollo").await;
    for user in [
        bruno.id.to_string(),
        contracts::id::UserId::new().to_string(),
        "nobody".to_owned(),
        id.clone(),
    ] {
        let path = format!("/v1/projects/{id}/members/{user}");
        assert_eq!(
            ada.patch(&path, json!({ "role": "viewer" }))
                .await
                .expect(404)
                .problem(),
            "member-not-found"
        );
        assert_eq!(ada.delete(&path).await.expect(404).problem(), "member-not-found");
    }
}

#[tokio::test]
async fn bad_input_is_told_by_field_and_nobody_is_added() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let id = project_of(&ada, "Apollo").await;
    let path = format!("/v1/projects/{id}/members");
    let long = format!("{}@example.com", "a".repeat(300));
    for (body, wrong) in [
        (json!({}), vec!["#"]),
        (json!({ "email": "", "role": "boss" }), vec!["#/email", "#/role"]),
        (json!({ "email": "ada", "role": "viewer" }), vec!["#/email"]),
        (json!({ "email": long, "role": "viewer" }), vec!["#/email"]),
        (
            json!({ "email": "a\u{0}@example.com", "role": "viewer" }),
            vec!["#/email"],
        ),
        (json!({ "email": "chiyo@example.com", "role": "Owner" }), vec!["#/role"]),
        (json!({ "email": "chiyo@example.com", "role": 3 }), vec!["#/role"]),
        (json!({ "email": "chiyo@example.com", "role": null }), vec!["#/role"]),
        (
            json!({ "email": ["chiyo@example.com"], "role": "viewer" }),
            vec!["#/email"],
        ),
        (
            json!({ "email": "chiyo@example.com", "role": "viewer", "note": "hi" }),
            vec!["#/note"],
        ),
    ] {
        let answer = ada.post(&path, body.clone()).await.expect(422);
        assert_eq!(answer.problem(), "validation-failed", "{body}");
        assert_eq!(answer.wrong(), wrong, "{body}");
    }
    let own = format!("{path}/{}", ada.id);
    for body in [
        json!({ "role": "" }),
        json!({ "role": "boss" }),
        json!({ "role": null }),
    ] {
        assert_eq!(ada.patch(&own, body).await.expect(422).wrong(), ["#/role"]);
    }
    assert_eq!(walk(&ada, &path, 10).await.len(), 1);
    assert_eq!(app.published_of::<MemberAdded>().await.len(), 1);
    assert!(app.published_of::<MemberInvited>().await.is_empty());
}

#[tokio::test]
async fn a_member_added_twice_with_one_key_is_added_once() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    person(&app, "Bruno").await;
    let (one, other) = (project_of(&ada, "Apollo").await, project_of(&ada, "Artemis").await);
    let add = |project: &str, email: &str| {
        let body = json!({ "email": email, "role": "viewer" });
        let path = format!("/v1/projects/{project}/members");
        ada.request("POST", path)
            .header("Idempotency-Key", "k")
            .json(&body)
            .send()
    };
    let first = add(&one, "bruno@example.com").await.expect(201);
    assert_eq!(add(&one, "bruno@example.com").await.expect(201).json, first.json);
    assert_eq!(
        add(&other, "bruno@example.com").await.expect(422).problem(),
        "idempotency-key-reused"
    );
    assert_eq!(app.published_of::<MemberAdded>().await.len(), 3);
}
