use contracts::auth::UserUpdated;
use serde_json::json;

use crate::hub::Hub;

#[tokio::test]
async fn somebody_changes_their_name_and_handle_and_it_is_told_once() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let tag = ada
        .actor
        .get("/v1/me")
        .await
        .expect(200)
        .header("etag")
        .unwrap()
        .to_owned();
    let change = json!({ "display_name": " Ada King ", "handle": "@Countess" });
    let changed = ada
        .actor
        .patch("/v1/me", change.clone())
        .header("if-match", &tag)
        .await
        .expect(200);
    assert_eq!(
        json!([changed.json["display_name"], changed.json["handle"]]),
        json!(["Ada King", "countess"])
    );
    assert_eq!(changed.header("etag"), Some("\"v2\""));
    let same = ada
        .actor
        .patch("/v1/me", change)
        .header("if-match", "\"v2\"")
        .await
        .expect(200);
    assert_eq!(same.header("etag"), Some("\"v2\""), "no change, no new version");
    let updated = hub.app.published_of::<UserUpdated>().await;
    assert_eq!(updated.iter().map(|event| event.user.version).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn a_change_names_the_version_that_it_was_made_from() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let change = |handle: &str| ada.actor.patch("/v1/me", json!({ "handle": handle }));
    assert_eq!(change("countess").await.expect(428).problem(), "precondition-required");
    assert_eq!(
        change("countess").header("if-match", "v1").await.expect(400).problem(),
        "malformed-request"
    );
    change("countess").header("if-match", "\"v1\"").await.expect(200);
    assert_eq!(
        change("king").header("if-match", "\"v1\"").await.expect(412).problem(),
        "precondition-failed"
    );
    change("king").header("if-match", "*").await.expect(200);
}

#[tokio::test]
async fn a_handle_that_somebody_has_cannot_be_taken() {
    let hub = Hub::start().await;
    let (ada, _bob) = (hub.person("ada@example.com").await, hub.person("bob@example.com").await);
    let answer = ada
        .actor
        .patch("/v1/me", json!({ "handle": "BOB" }))
        .header("if-match", "*")
        .await
        .expect(409);
    assert_eq!((answer.problem(), answer.wrong()), ("handle-taken", vec!["#/handle"]));
}

#[tokio::test]
async fn a_change_that_makes_no_sense_is_refused_whole() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    for (change, wrong) in [
        (
            json!({ "display_name": "", "handle": "a b" }),
            vec!["#/display_name", "#/handle"],
        ),
        (
            json!({ "display_name": null, "handle": "fine" }),
            vec!["#/display_name"],
        ),
        (json!({ "display_name": "Fine", "handle": "all" }), vec!["#/handle"]),
        (json!({ "role": "admin" }), vec!["#/role"]),
        (json!({ "email": "eve@example.com" }), vec!["#/email"]),
    ] {
        let answer = ada
            .actor
            .patch("/v1/me", change.clone())
            .header("if-match", "*")
            .await
            .expect(422);
        assert_eq!(answer.wrong(), wrong, "{change}");
    }
    assert_eq!(ada.actor.get("/v1/me").await.expect(200).json["version"], 1);
    assert_eq!(hub.app.published_of::<UserUpdated>().await, []);
}
