//! Projects are changed, put away and deleted, by those who may.

use contracts::project::{MemberAdded, ProjectDeleted, ProjectUpdated};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::team::{App, add, person, project_of, text, walk};

#[tokio::test]
async fn a_project_that_is_not_mine_looks_as_if_it_did_not_exist() {
    let app = App::start().await;
    let (ada, eve) = (person(&app, "Ada").await, person(&app, "Eve").await);
    let adas = project_of(&ada, "Apollo").await;
    let unknown = contracts::id::ProjectId::new().to_string();
    let task = contracts::id::TaskId::new().to_string();
    let malformed = ["x", "prj_", &task, "%00", "prj_01h455vb4pex5vsknk084sn02q%27--"];

    for id in [adas.as_str(), &unknown].into_iter().chain(malformed) {
        let base = format!("/v1/projects/{id}");
        let invite = json!({ "email": "mallory@example.com", "role": "viewer" });
        let member = format!("{base}/members/{}", ada.id);
        let invitation = format!("{base}/invitations/{}", contracts::id::InvitationId::new());
        for answer in [
            eve.get(&base).await,
            eve.request("PATCH", &base)
                .header("If-Match", "*")
                .json(&json!({ "name": "Mine" }))
                .send()
                .await,
            eve.request("DELETE", &base).header("If-Match", "*").send().await,
            eve.get(format!("{base}/members")).await,
            eve.post(format!("{base}/members"), invite).await,
            eve.patch(&member, json!({ "role": "viewer" })).await,
            eve.delete(&member).await,
            eve.delete(format!("{base}/members/{}", eve.id)).await,
            eve.get(format!("{base}/invitations")).await,
            eve.delete(&invitation).await,
            eve.get(format!("{base}/activity")).await,
        ] {
            let answer = answer.expect(404);
            assert_eq!(answer.problem(), "project-not-found", "{id}");
            assert_eq!(
                answer.json["detail"],
                "there is no such project, or you are not a member of it"
            );
        }
    }
    assert_eq!(
        ada.get(format!("/v1/projects/{adas}")).await.expect(200).json["name"],
        "Apollo"
    );
}

#[tokio::test]
async fn a_change_names_the_version_that_it_was_made_from() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let path = format!("/v1/projects/{}", project_of(&ada, "Apollo").await);
    let change = |tag: &'static str, name: &'static str| {
        ada.request("PATCH", &path)
            .header("If-Match", tag)
            .json(&json!({ "name": name }))
            .send()
    };

    assert_eq!(
        ada.patch(&path, json!({ "name": "Artemis" }))
            .await
            .expect(428)
            .problem(),
        "precondition-required"
    );
    assert_eq!(ada.delete(&path).await.expect(428).problem(), "precondition-required");
    let changed = change("\"v1\"", "Artemis").await.expect(200);
    assert_eq!(changed.header("etag"), Some("\"v2\""));
    assert_eq!(changed.json["version"], 2);
    for stale in ["\"v1\"", "\"v3\"", "\"other\"", "W/\"v2\""] {
        assert_eq!(
            change(stale, "Lost").await.expect(412).problem(),
            "precondition-failed",
            "{stale}"
        );
    }
    change("v2", "Lost").await.expect(400);
    change("\"v1\", \"v2\"", "Artemis II").await.expect(200);
    change("*", "Artemis III").await.expect(200);
    let stale = ada.request("DELETE", &path).header("If-Match", "\"v1\"").send().await;
    assert_eq!(stale.expect(412).problem(), "precondition-failed");

    let published = app.published_of::<ProjectUpdated>().await;
    let told: Vec<_> = published
        .iter()
        .map(|event| (event.project.version, event.project.name.as_str()))
        .collect();
    assert_eq!(told, [(2, "Artemis"), (3, "Artemis II"), (4, "Artemis III")]);
}

#[tokio::test]
async fn two_changes_of_one_version_at_once_are_one_change_and_one_refusal() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let path = format!("/v1/projects/{}", project_of(&ada, "Apollo").await);
    let change = |name: &'static str| {
        ada.request("PATCH", &path)
            .header("If-Match", "\"v1\"")
            .json(&json!({ "name": name }))
            .send()
    };
    let (one, two) = tokio::join!(change("Artemis"), change("Gemini"));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    assert_eq!(app.published_of::<ProjectUpdated>().await.len(), 1);
}

#[tokio::test]
async fn a_change_that_changes_nothing_is_no_news() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let path = format!("/v1/projects/{}", project_of(&ada, "Apollo").await);
    for nothing in [
        json!({}),
        json!({ "name": " Apollo" }),
        json!({ "archived": false }),
        json!({ "description": null }),
    ] {
        let answer = ada
            .request("PATCH", &path)
            .header("If-Match", "*")
            .json(&nothing)
            .send()
            .await
            .expect(200);
        assert_eq!(answer.header("etag"), Some("\"v1\""));
    }
    assert!(app.published_of::<ProjectUpdated>().await.is_empty());
}

#[tokio::test]
async fn null_clears_the_description_and_nothing_else() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let made = ada
        .post(
            "/v1/projects",
            json!({ "name": "Apollo", "description": "To the moon." }),
        )
        .await
        .expect(201);
    let path = format!("/v1/projects/{}", text(&made.json["id"]));
    let answer = ada
        .request("PATCH", &path)
        .header("If-Match", "*")
        .json(&json!({ "description": null }))
        .send()
        .await;
    assert_eq!(answer.expect(200).json["description"], "");
    let body = json!({ "name": null, "archived": null });
    let answer = ada
        .request("PATCH", &path)
        .header("If-Match", "*")
        .json(&body)
        .send()
        .await
        .expect(422);
    assert_eq!(answer.wrong(), ["#/name", "#/archived"]);
}

#[tokio::test]
async fn an_archived_project_can_be_read_but_not_changed_until_it_is_restored() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    let id = project_of(&ada, "Apollo").await;
    let path = format!("/v1/projects/{id}");
    add(&ada, &id, "Bruno", "viewer").await;
    let waiting = text(&add(&ada, &id, "Chiyo", "member").await["invitation_id"]);
    let patch = |body: Value| ada.request("PATCH", &path).header("If-Match", "*").json(&body).send();
    let archived = patch(json!({ "archived": true })).await.expect(200).json;
    assert_eq!(archived["archived"], true);
    assert!(archived["archived_at"].is_string());

    bruno.get(&path).await.expect(200);
    bruno.get(format!("{path}/members")).await.expect(200);
    bruno.get(format!("{path}/activity")).await.expect(200);
    ada.get(format!("{path}/invitations")).await.expect(200);
    assert_eq!(walk(&ada, "/v1/projects", 10).await.len(), 0);
    assert_eq!(walk(&ada, "/v1/projects?archived=true", 10).await.len(), 1);

    let member = format!("{path}/members/{}", bruno.id);
    for answer in [
        patch(json!({ "name": "Artemis" })).await,
        ada.post(
            format!("{path}/members"),
            json!({ "email": "dmitri@example.com", "role": "viewer" }),
        )
        .await,
        ada.patch(&member, json!({ "role": "member" })).await,
        ada.delete(&member).await,
        ada.delete(format!("{path}/invitations/{waiting}")).await,
    ] {
        assert_eq!(answer.expect(409).problem(), "project-archived");
    }
    bruno.delete(&member).await.expect(204);

    let restored = patch(json!({ "archived": false, "name": "Artemis" }))
        .await
        .expect(200)
        .json;
    assert_eq!(
        (&restored["archived"], &restored["archived_at"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(restored["name"], "Artemis");
    let told: Vec<_> = app
        .published_of::<ProjectUpdated>()
        .await
        .iter()
        .map(|event| event.changed.clone())
        .collect();
    assert_eq!(told, [vec!["archived"], vec!["name", "archived"]]);
}

#[tokio::test]
async fn what_a_member_may_do_to_the_project_depends_on_their_role() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    for (role, rename, archive, delete) in [
        ("viewer", 403, 403, 403),
        ("member", 403, 403, 403),
        ("admin", 200, 403, 403),
        ("owner", 200, 200, 204),
    ] {
        let id = project_of(&ada, "Apollo").await;
        let path = format!("/v1/projects/{id}");
        let other = person(&app, &format!("{role}-person")).await;
        add(&ada, &id, &format!("{role}-person"), role).await;
        assert_eq!(other.get(&path).await.expect(200).json["role"], role);
        let patch = |body: Value| other.request("PATCH", &path).header("If-Match", "*").json(&body).send();
        let refused = |answer: &testkit::Answer| answer.status != 403 || answer.problem() == "project-role-too-low";
        for (answer, status) in [
            (patch(json!({ "name": "Artemis" })).await, rename),
            (patch(json!({ "archived": true })).await, archive),
            (patch(json!({ "archived": false, "name": "Gemini" })).await, archive),
            (
                other.request("DELETE", &path).header("If-Match", "*").send().await,
                delete,
            ),
        ] {
            assert_eq!(answer.status, status, "{role}: {:?}", answer.json);
            assert!(refused(&answer));
        }
    }
}

#[tokio::test]
async fn a_deleted_project_takes_everything_in_it_along() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    let id = project_of(&ada, "Apollo").await;
    let path = format!("/v1/projects/{id}");
    add(&ada, &id, "Bruno", "member").await;
    add(&ada, &id, "Chiyo", "member").await;
    ada.post(format!("{path}/labels"), json!({ "name": "valve" }))
        .await
        .expect(201);
    let task = json!({ "title": "Fix the valve", "labels": ["valve"], "assignee_ids": [bruno.id] });
    let task = text(&ada.post(format!("{path}/tasks"), task).await.expect(201).json["id"]);
    bruno
        .post(format!("/v1/tasks/{task}/comments"), json!({ "body": "Which valve?" }))
        .await
        .expect(201);
    assert_eq!(walk(&bruno, "/v1/search?q=valve", 10).await.len(), 2);
    ada.request("DELETE", &path)
        .header("If-Match", "\"v1\"")
        .send()
        .await
        .expect(204);

    for who in [&ada, &bruno] {
        who.get(&path).await.expect(404);
        assert_eq!(walk(who, "/v1/projects", 10).await.len(), 0);
        assert_eq!(walk(who, "/v1/search?q=valve", 10).await.len(), 0);
        who.get(format!("/v1/tasks/{task}")).await.expect(404);
    }
    ada.request("DELETE", &path)
        .header("If-Match", "*")
        .send()
        .await
        .expect(404);
    let tables = ["projects", "members", "invitations", "activity"];
    for table in tables
        .into_iter()
        .chain(["tasks", "task_assignees", "task_labels", "labels", "comments"])
    {
        let count = Statement::from_string(app.db.backend(), format!("SELECT COUNT(*) AS n FROM {table}"));
        let row = app.db.read().query_one_raw(count).await.unwrap().unwrap();
        assert_eq!(row.try_get::<i64>("", "n").unwrap(), 0, "{table}");
    }
    let deleted = app.published_of::<ProjectDeleted>().await;
    assert_eq!(deleted.len(), 1);
    assert_eq!(
        (
            deleted[0].project_id.to_string(),
            deleted[0].version,
            deleted[0].actor_id
        ),
        (id, 2, ada.id)
    );
    person(&app, "Chiyo").await;
    assert!(
        app.published_of::<MemberAdded>()
            .await
            .iter()
            .all(|event| event.role != "member" || event.user_id == bruno.id)
    );
}
