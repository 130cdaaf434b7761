use contracts::auth::{SessionRevoked, TokenRevoked, UserDisabled, UserEnabled, UserUpdated};
use serde_json::{Value, json};
use testkit::{Actor, Answer};

use crate::hub::{Hub, PASSWORD, Person, text};

async fn patch(actor: &Actor, id: impl std::fmt::Display, change: Value) -> Answer {
    actor
        .patch(format!("/v1/users/{id}"), change)
        .header("if-match", "*")
        .await
}

/// The same user with a token that says their present role.
async fn again(hub: &Hub, person: &Person) -> Person {
    hub.signed_in(person.id, &person.email).await
}

#[tokio::test]
async fn an_admin_shuts_an_account_and_all_its_doors_close() {
    let hub = Hub::start().await;
    let (admin, ada) = (hub.admin("root@example.com").await, hub.person("ada@example.com").await);
    let body = json!({ "name": "ci", "scopes": ["tasks:read"] });
    let token = text(&ada.actor.post("/v1/tokens", body).await.expect(201).json, "token");
    hub.signed_in(ada.id, "ada@example.com").await;

    let shut = patch(&admin.actor, ada.id, json!({ "disabled": true }))
        .await
        .expect(200);
    assert_eq!(shut.json["disabled"], true);
    ada.actor.get("/v1/me").await.expect(401);
    hub.refresh(&ada.refresh_token).await.expect(401);
    assert_eq!(hub.introspect(&ada.access_token).await, json!({ "active": false }));
    assert_eq!(hub.introspect(&token).await, json!({ "active": false }));
    assert_eq!(
        hub.login("ada@example.com", PASSWORD).await.expect(403).problem(),
        "account-disabled"
    );
    let revoked = hub.app.published_of::<SessionRevoked>().await;
    assert_eq!(
        revoked.iter().map(|event| event.reason.as_str()).collect::<Vec<_>>(),
        ["user_disabled"; 2]
    );
    assert_eq!(hub.app.published_of::<TokenRevoked>().await.len(), 1);
    assert_eq!(hub.app.published_of::<UserDisabled>().await.len(), 1);
    // Once more changes nothing and tells nothing.
    patch(&admin.actor, ada.id, json!({ "disabled": true }))
        .await
        .expect(200);
    assert_eq!(hub.app.published_of::<UserDisabled>().await.len(), 1);

    patch(&admin.actor, ada.id, json!({ "disabled": false }))
        .await
        .expect(200);
    assert_eq!(hub.app.published_of::<UserEnabled>().await.len(), 1);
    assert_eq!(
        hub.introspect(&token).await,
        json!({ "active": false }),
        "void stays void"
    );
    hub.login("ada@example.com", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_role_is_given_and_taken_and_holds_at_once() {
    let hub = Hub::start().await;
    let (admin, ada) = (hub.admin("root@example.com").await, hub.person("ada@example.com").await);
    ada.actor.get("/v1/users").await.expect(403);
    patch(&admin.actor, ada.id, json!({ "role": "support" }))
        .await
        .expect(200);
    // The access token in hand says the old role; introspection gives one that says the new.
    let answer = hub.introspect(&ada.access_token).await;
    assert_eq!(answer["role"], "support");
    let fresh = hub.app.user_with_token(ada.id, text(&answer, "access_token"));
    fresh.get("/v1/users").await.expect(200);
    fresh.get(format!("/v1/users/{}", admin.id)).await.expect(200);
    patch(&fresh, admin.id, json!({ "disabled": true })).await.expect(403);
    let updated = hub.app.published_of::<UserUpdated>().await;
    assert_eq!(updated.last().map(|event| event.user.role.as_str()), Some("support"));
}

#[tokio::test]
async fn an_admin_who_is_none_any_more_changes_nothing_although_the_token_still_says_so() {
    let hub = Hub::start().await;
    let (root, eve) = (hub.admin("root@example.com").await, hub.admin("eve@example.com").await);
    patch(&root.actor, eve.id, json!({ "role": "user" })).await.expect(200);
    patch(&eve.actor, eve.id, json!({ "role": "admin" })).await.expect(401);
    assert_eq!(
        again(&hub, &eve).await.actor.get("/v1/me").await.expect(200).json["role"],
        "user"
    );
}

#[tokio::test]
async fn the_last_admin_cannot_be_locked_out() {
    let hub = Hub::start().await;
    let root = hub.admin("root@example.com").await;
    for change in [
        json!({ "role": "user" }),
        json!({ "disabled": true }),
        json!({ "role": "support", "disabled": true }),
    ] {
        assert_eq!(
            patch(&root.actor, root.id, change).await.expect(409).problem(),
            "last-admin"
        );
    }
    let second = hub.admin("second@example.com").await;
    patch(&root.actor, second.id, json!({ "disabled": true }))
        .await
        .expect(200);
    // A shut admin does not count.
    assert_eq!(
        patch(&root.actor, root.id, json!({ "role": "user" }))
            .await
            .expect(409)
            .problem(),
        "last-admin"
    );
    patch(&root.actor, second.id, json!({ "disabled": false }))
        .await
        .expect(200);
    patch(&root.actor, root.id, json!({ "role": "user" })).await.expect(200);
}

#[tokio::test]
async fn of_two_admins_who_demote_each_other_at_once_one_stays() {
    let hub = Hub::start().await;
    let (one, two) = (hub.admin("one@example.com").await, hub.admin("two@example.com").await);
    let demote = json!({ "role": "user" });
    let (first, second) = tokio::join!(
        patch(&one.actor, two.id, demote.clone()),
        patch(&two.actor, one.id, demote.clone())
    );
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert!(statuses == [200, 401] || statuses == [200, 409], "{statuses:?}");
}

#[tokio::test]
async fn accounts_are_found_by_part_of_address_handle_or_name() {
    let hub = Hub::start().await;
    let admin = hub.admin("root@example.com").await;
    for address in [
        "ada.lovelace@example.com",
        "a_b@example.com",
        "axb@example.com",
        "zoë@example.com",
    ] {
        hub.register(address).await.expect(201);
    }
    let find = async |query: &str| {
        let list = admin
            .actor
            .get(format!("/v1/users?query={query}"))
            .await
            .expect(200)
            .json;
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| text(user, "email"))
            .collect::<Vec<_>>()
    };
    assert_eq!(find("ADA.LOVE").await, ["ada.lovelace@example.com"]);
    assert_eq!(find("ada-lovelace").await, ["ada.lovelace@example.com"], "by handle");
    assert_eq!(find("Lovelace").await.len(), 5, "by name");
    assert_eq!(find("a_b").await, ["a_b@example.com"], "_ is no wildcard");
    assert_eq!(find("%25").await, Vec::<String>::new(), "% is no wildcard");
    assert_eq!(find("%5C").await, Vec::<String>::new(), "nor is \\ an escape");
    assert_eq!(find("ZO%C3%8B").await, ["zoë@example.com"], "capitals beyond ASCII");
    assert_eq!(find("").await.len(), 5);
    let page = admin.actor.get("/v1/users?limit=2").await.expect(200).json;
    let rest = format!("/v1/users?limit=200&cursor={}", text(&page, "next_cursor"));
    assert_eq!(
        admin.actor.get(&rest).await.expect(200).json["items"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    admin.actor.get(format!("{rest}&query=ada")).await.expect(400);
    admin
        .actor
        .get(format!("/v1/users?query={}", "x".repeat(300)))
        .await
        .expect(422);
    admin.actor.get("/v1/users?query=%00").await.expect(422);
}

#[tokio::test]
async fn a_change_that_makes_no_sense_is_refused_whole() {
    let hub = Hub::start().await;
    let (admin, ada) = (hub.admin("root@example.com").await, hub.person("ada@example.com").await);
    for (change, wrong) in [
        (json!({ "role": "root", "disabled": true }), "#/role"),
        (json!({ "role": null }), "#/role"),
        (json!({ "disabled": "yes" }), "#/disabled"),
        (json!({ "email": "eve@example.com" }), "#/email"),
    ] {
        assert_eq!(
            patch(&admin.actor, ada.id, change.clone()).await.expect(422).wrong(),
            [wrong],
            "{change}"
        );
    }
    let path = format!("/v1/users/{}", ada.id);
    admin.actor.patch(&path, json!({ "disabled": true })).await.expect(428);
    admin
        .actor
        .patch(&path, json!({ "disabled": true }))
        .header("if-match", "\"v7\"")
        .await
        .expect(412);
    assert_eq!(admin.actor.get(&path).await.expect(200).json["version"], 1);
    for unknown in [
        "usr_01h455vb4pex5vsknk084sn02q",
        "prj_01h455vb4pex5vsknk084sn02q",
        "nonsense",
    ] {
        assert_eq!(
            patch(&admin.actor, unknown, json!({})).await.expect(404).problem(),
            "user-not-found"
        );
        admin.actor.get(format!("/v1/users/{unknown}")).await.expect(404);
    }
}
