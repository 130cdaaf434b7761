//! The activity of a project: what its members did, the newest first.

use serde_json::json;

use crate::team::{App, add, person, project_of, text, walk};

#[tokio::test]
async fn the_activity_tells_what_was_done_by_whom_the_newest_first() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    let id = project_of(&ada, "Apollo").await;
    let base = format!("/v1/projects/{id}");
    add(&ada, &id, "Bruno", "viewer").await;
    let invitation = text(&add(&ada, &id, "Chiyo", "member").await["invitation_id"]);
    ada.patch(format!("{base}/members/{}", bruno.id), json!({ "role": "admin" }))
        .await
        .expect(200);
    bruno
        .request("PATCH", &base)
        .header("If-Match", "*")
        .json(&json!({ "name": "Artemis" }))
        .send()
        .await
        .expect(200);
    bruno
        .delete(format!("{base}/invitations/{invitation}"))
        .await
        .expect(204);
    bruno.delete(format!("{base}/members/{}", bruno.id)).await.expect(204);

    let entries = walk(&ada, &format!("{base}/activity"), 2).await;
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                text(&entry["kind"]),
                text(&entry["actor_name"]),
                text(&entry["subject_id"]),
            )
        })
        .collect();
    let expected = [
        ("member.removed", "Bruno", bruno.id.to_string()),
        ("invitation.withdrawn", "Bruno", invitation.clone()),
        ("project.updated", "Bruno", id.clone()),
        ("member.role_changed", "Ada", bruno.id.to_string()),
        ("member.invited", "Ada", invitation),
        ("member.added", "Ada", bruno.id.to_string()),
        ("project.created", "Ada", id),
    ];
    let expected = expected.map(|(kind, actor, subject)| (kind.to_owned(), actor.to_owned(), subject));
    assert_eq!(told, expected);
    assert_eq!(
        entries[3]["data"],
        json!({ "role": "admin", "previous_role": "viewer" })
    );
    assert_eq!(entries[2]["data"], json!({ "changed": ["name"] }));
}

#[tokio::test]
async fn the_activity_does_not_show_an_invited_address_to_viewers() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    let id = project_of(&ada, "Apollo").await;
    add(&ada, &id, "Bruno", "viewer").await;
    add(&ada, &id, "Chiyo", "member").await;
    let answer = bruno.get(format!("/v1/projects/{id}/activity")).await.expect(200);
    assert!(!answer.text().contains("chiyo@example.com"));
    bruno.get(format!("/v1/projects/{id}/invitations")).await.expect(403);
}
