//! Projects: made, found, changed, put away, deleted.

use contracts::project::{MemberAdded, ProjectCreated, ProjectDeleted, ProjectUpdated};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::team::{App, add, person, project_of, text, walk};

#[tokio::test]
async fn a_project_belongs_to_its_maker_and_is_published_with_its_first_owner() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let answer = ada
        .post(
            "/v1/projects",
            json!({ "name": " Apollo ", "description": "To the moon." }),
        )
        .await
        .expect(201);
    let project = &answer.json;
    let id = text(&project["id"]);
    assert_eq!(answer.header("location"), Some(format!("/v1/projects/{id}").as_str()));
    assert_eq!(answer.header("etag"), Some("\"v1\""));
    assert_eq!(project["name"], "Apollo");
    assert_eq!(project["role"], "owner");
    assert_eq!(project["archived"], false);
    assert_eq!(project["created_by"], ada.id.to_string());

    let read = ada.get(format!("/v1/projects/{id}")).await.expect(200);
    assert_eq!(&read.json, project);
    assert_eq!(read.header("etag"), Some("\"v1\""));

    let created = app.published_of::<ProjectCreated>().await;
    assert_eq!(created.len(), 1);
    assert_eq!(
        (
            created[0].project.name.as_str(),
            created[0].project.version,
            created[0].actor_id
        ),
        ("Apollo", 1, ada.id)
    );
    let added = app.published_of::<MemberAdded>().await;
    assert_eq!(added.len(), 1);
    assert_eq!(
        (
            added[0].user_id,
            added[0].role.as_str(),
            added[0].actor_id,
            added[0].version
        ),
        (ada.id, "owner", ada.id, 1)
    );
    assert_eq!(added[0].project_id.to_string(), id);
}

#[tokio::test]
async fn somebody_whom_the_directory_does_not_know_yet_can_make_a_project_at_once() {
    let app = App::start().await;
    let fresh = app.user();
    let id = project_of(&fresh, "Apollo").await;
    let members = fresh.get(format!("/v1/projects/{id}/members")).await.expect(200).json;
    assert_eq!(members["items"][0]["user_id"], fresh.id.to_string());
    assert_eq!(members["items"][0]["display_name"], Value::Null);
}

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

#[tokio::test]
async fn bad_input_is_told_by_field_and_nothing_is_made() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let long = "x".repeat(101);
    let novel = "x".repeat(5001);
    for (body, pointers) in [
        (json!({}), vec!["#"]),
        (json!({ "name": "" }), vec!["#/name"]),
        (json!({ "name": "   " }), vec!["#/name"]),
        (json!({ "name": long }), vec!["#/name"]),
        (json!({ "name": "a\u{0}b" }), vec!["#/name"]),
        (json!({ "name": "a\nb" }), vec!["#/name"]),
        (json!({ "name": 7 }), vec!["#/name"]),
        (json!({ "name": null }), vec!["#/name"]),
        (json!({ "name": ["Apollo"] }), vec!["#/name"]),
        (json!({ "name": "Apollo", "description": 1 }), vec!["#/description"]),
        (json!({ "name": "Apollo", "descripton": "typo" }), vec!["#/descripton"]),
        (
            json!({ "name": "", "description": novel }),
            vec!["#/name", "#/description"],
        ),
        (json!("Apollo"), vec!["#"]),
        (json!([]), vec!["#"]),
    ] {
        let answer = ada.post("/v1/projects", body.clone()).await.expect(422);
        assert_eq!(answer.problem(), "validation-failed", "{body}");
        assert_eq!(answer.wrong(), pointers, "{body}");
    }
    for bytes in [
        &b""[..],
        b"{",
        b"{\"name\": \"Apollo\"",
        b"{\"name\": \"\xff\xfe\"}",
        b"{\"name\": \"A\"} {}",
        b"name=Apollo",
    ] {
        let request = ada
            .request("POST", "/v1/projects")
            .header("Content-Type", "application/json");
        let answer = request.body(bytes.to_vec()).send().await.expect(400);
        assert_eq!(answer.problem(), "malformed-request", "{bytes:?}");
    }
    let plain = ada
        .request("POST", "/v1/projects")
        .header("Content-Type", "text/plain")
        .body(b"{}".to_vec())
        .send()
        .await;
    plain.expect(415);
    assert_eq!(walk(&ada, "/v1/projects", 10).await.len(), 0);
    assert!(app.published().await.is_empty());
}

#[tokio::test]
async fn the_longest_name_and_description_are_kept_letter_by_letter() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let (name, description) = ("🚀".repeat(100), "ß\n".repeat(2500));
    let made = ada
        .post("/v1/projects", json!({ "name": name, "description": description }))
        .await
        .expect(201)
        .json;
    let read = ada
        .get(format!("/v1/projects/{}", text(&made["id"])))
        .await
        .expect(200)
        .json;
    assert_eq!((text(&read["name"]), text(&read["description"])), (name, description));
}

#[tokio::test]
async fn a_project_created_twice_with_one_key_is_made_once() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    let create = |who: &testkit::Actor, key: &str, name: &str| {
        who.request("POST", "/v1/projects")
            .header("Idempotency-Key", key)
            .json(&json!({ "name": name }))
            .send()
    };
    let first = create(&ada, "k-1", "Apollo").await.expect(201);
    let again = create(&ada, "k-1", "Apollo").await.expect(201);
    assert_eq!(first.json, again.json);
    assert_eq!(
        (first.header("location"), first.header("etag")),
        (again.header("location"), again.header("etag"))
    );
    assert_eq!(
        create(&ada, "k-1", "Artemis").await.expect(422).problem(),
        "idempotency-key-reused"
    );
    let other = create(&bruno, "k-1", "Apollo").await.expect(201);
    assert_ne!(other.json["id"], first.json["id"]);
    for key in ["", "\"\"", &"k".repeat(201)] {
        create(&ada, key, "Apollo").await.expect(400);
    }
    assert_eq!(app.published_of::<ProjectCreated>().await.len(), 2);
}

#[tokio::test]
async fn a_request_that_failed_leaves_its_key_for_the_next_try() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let create = |name: &'static str| {
        ada.request("POST", "/v1/projects")
            .header("Idempotency-Key", "k-1")
            .json(&json!({ "name": name }))
            .send()
    };
    create("").await.expect(422);
    create("Apollo").await.expect(201);
}

#[tokio::test]
async fn one_key_used_by_many_requests_at_once_makes_one_project() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let create = || {
        ada.request("POST", "/v1/projects")
            .header("Idempotency-Key", "k-1")
            .json(&json!({ "name": "Apollo" }))
            .send()
    };
    let (a, b, c, d) = tokio::join!(create(), create(), create(), create());
    let ids = [a, b, c, d].map(|answer| text(&answer.expect(201).json["id"]));
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(app.published_of::<ProjectCreated>().await.len(), 1);
    assert_eq!(walk(&ada, "/v1/projects", 10).await.len(), 1);
}
