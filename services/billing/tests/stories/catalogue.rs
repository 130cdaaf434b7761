//! The catalogue, and what happens when it changes.

use contracts::billing::{PlanPublished, SubscriptionUpdated};

use crate::world::{App, changes, customer, hub};

#[tokio::test]
async fn everybody_may_read_the_plans() {
    let app = hub().await;
    let plans = app.anonymous().get("/v1/plans").await.expect(200).json;
    assert_eq!(
        (plans["version"].as_i64(), plans["currency"].as_str()),
        (Some(1), Some("EUR"))
    );
    let names: Vec<&str> = plans["plans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|plan| plan["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["free", "team", "business"]);
    assert_eq!(plans["plans"][1]["prices"][0]["amount_minor"], 900);
    assert!(plans["plans"][2]["limits"]["projects"].is_null(), "no limit");
}

#[tokio::test]
async fn the_catalogue_is_published_when_it_is_new_and_changed_limits_reach_every_account() {
    let app = hub().await;
    let (_ada, bo) = (customer(&app).await, customer(&app).await);
    app.step_workers().await;
    app.step_workers().await;
    let published = app.published_of::<PlanPublished>().await;
    assert_eq!(published.len(), 3, "once a version");
    assert_eq!((published[1].plan.as_str(), published[1].prices.len()), ("team", 4));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalogue.toml");
    let changed = billing::domain::catalogue::EMBEDDED
        .replace("version = 1", "version = 2")
        .replace("projects = 10,", "projects = 5,");
    std::fs::write(&file, changed).unwrap();
    let later: App = app
        .twin(&format!("[billing]\ncatalogue = {:?}", file.display().to_string()))
        .await;
    later.step_workers().await;
    later.step_workers().await;
    assert_eq!(later.published_of::<PlanPublished>().await.len(), 6);
    assert_eq!(later.published_of::<PlanPublished>().await[3].catalogue_version, 2);
    let expected = ["started", "started", "limits_changed", "limits_changed"];
    assert_eq!(changes(&later).await, expected);
    let last = later.published_of::<SubscriptionUpdated>().await.pop().unwrap();
    assert_eq!(last.subscription.limits.projects, Some(5));
    let bo = later.user_with(|claims| claims.sub = bo.id);
    assert_eq!(bo.get("/v1/usage").await.expect(200).json["meters"][0]["limit"], 5);
}

#[tokio::test]
#[should_panic(expected = "raise its version")]
async fn a_catalogue_that_changed_under_its_version_does_not_start() {
    let app = hub().await;
    app.step_workers().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalogue.toml");
    let changed = billing::domain::catalogue::EMBEDDED.replace("amount_minor = 900 ", "amount_minor = 901 ");
    std::fs::write(&file, changed).unwrap();
    app.twin(&format!("[billing]\ncatalogue = {:?}", file.display().to_string()))
        .await;
}

#[tokio::test]
async fn a_release_with_an_older_catalogue_undoes_nothing() {
    let app = hub().await;
    customer(&app).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalogue.toml");
    let changed = billing::domain::catalogue::EMBEDDED
        .replace("version = 1", "version = 2")
        .replace("projects = 10,", "projects = 5,");
    std::fs::write(&file, changed).unwrap();
    let newer: App = app
        .twin(&format!("[billing]\ncatalogue = {:?}", file.display().to_string()))
        .await;
    for _ in 0..2 {
        newer.step_workers().await;
        app.step_workers().await;
    }
    assert_eq!(changes(&app).await, ["started", "limits_changed"]);
    assert_eq!(app.published_of::<PlanPublished>().await.len(), 3);
}
