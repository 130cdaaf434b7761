//! The log of events.

use contracts::EventId;
use serde_json::Value;

use crate::world::{App, Team, admin, at, comment, deliver, published, start, tell};

fn ids(events: &Value) -> Vec<String> {
    let items = events.as_array().unwrap().iter();
    items.map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_admin_finds_events_by_type_subject_and_time_page_by_page() {
    let app = start().await;
    let (team, admin) = (Team::new(&app).await, admin(&app));
    let mut told = Vec::new();
    for minute in 0..5 {
        let time = format!("2026-03-02T09:0{minute}:00Z");
        told.push(
            tell(&app, &comment(&team, team.owner.id, "hm"), &time)
                .await
                .to_string(),
        );
    }
    told.reverse();
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin
            .get(format!("/v1/events?type=comment.created.v1&limit=2{cursor}"))
            .await
            .expect(200)
            .json;
        found.extend(ids(&page["items"]));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, told);
    let within = "/v1/events?from=2026-03-02T09:01:00Z&to=2026-03-02T09:03:00Z";
    assert_eq!(ids(&admin.get(within).await.expect(200).json["items"]), told[2..4]);
    let about = format!("/v1/events?subject={}", team.project);
    let events = admin.get(about).await.expect(200).json;
    let types: Vec<&str> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(types.len(), 2);
    assert!(
        types.contains(&"project.created.v1") && types.contains(&"member.added.v1"),
        "{types:?}"
    );
    assert_eq!(events["items"][0]["data"]["project_id"], team.project.to_string());
}

#[tokio::test]
async fn a_search_that_cannot_be_is_explained() {
    let app = start().await;
    let admin = admin(&app);
    let answer = admin
        .get("/v1/events?type=task.exploded.v1&from=soon&to=never")
        .await
        .expect(422);
    assert_eq!(answer.wrong(), ["?type", "?from", "?to"]);
    assert_eq!(admin.get("/v1/events?limit=0").await.expect(422).wrong(), ["?limit"]);
    admin.get("/v1/events?cursor=x").await.expect(400);
}

#[tokio::test]
async fn a_chain_goes_from_a_request_to_all_its_reactions() {
    let app = start().await;
    let (team, admin) = (Team::new(&app).await, admin(&app));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736"; // pragma: allowlist secret
    let time = at("2026-03-02T09:00:00Z");
    let mut request = published(&comment(&team, team.owner.id, "one"), time);
    request.envelope.traceparent = Some(format!("00-{trace}-00f067aa0ba902b7-01"));
    let mut beside = published(&comment(&team, team.owner.id, "two"), time);
    beside.envelope.traceparent = Some(format!("00-{trace}-00f067aa0ba902b8-01"));
    // Its reaction was not sampled: it is found by its cause.
    let mut effect = published(&comment(&team, team.owner.id, "three"), time);
    effect.envelope.causation_id = Some(request.envelope.id);
    let mut last = published(&comment(&team, team.owner.id, "four"), time);
    last.envelope.causation_id = Some(effect.envelope.id);
    let other = published(&comment(&team, team.owner.id, "five"), time);
    // The effects come before their causes.
    for event in [&last, &effect, &request, &beside, &other] {
        deliver(&app, event).await;
    }
    let mut expected: Vec<String> = [&request, &beside, &effect, &last]
        .iter()
        .map(|event| event.envelope.id.to_string())
        .collect();
    expected.sort();
    for begin in [&request, &beside, &effect, &last] {
        let chain = admin
            .get(format!("/v1/events/{}/trace", begin.envelope.id))
            .await
            .expect(200)
            .json;
        let links = chain["events"].as_array().unwrap();
        let mut found: Vec<String> = links
            .iter()
            .map(|link| link["event"]["id"].as_str().unwrap().to_owned())
            .collect();
        let depths: Vec<u64> = links.iter().map(|link| link["depth"].as_u64().unwrap()).collect();
        assert_eq!(depths, [0, 0, 1, 2]);
        found.sort();
        assert_eq!(found, expected);
        assert_eq!(chain["truncated"], false);
    }
    let unknown = admin
        .get(format!("/v1/events/{}/trace", EventId::new()))
        .await
        .expect(404);
    assert_eq!(unknown.problem(), "event-not-found");
}

#[tokio::test]
async fn the_log_forgets_what_is_older_than_is_kept_and_the_figures_do_not() {
    let app = App::with("[analytics]\nkeep_events_days = 30").await;
    let (team, admin) = (Team::new(&app).await, admin(&app));
    let old = app.clock.now() - std::time::Duration::from_secs(40 * 24 * 3600);
    let old = old.to_string();
    team.work(&app, &[(&old, "todo")]).await;
    let recent = tell(
        &app,
        &comment(&team, team.owner.id, "new"),
        &app.clock.now().to_string(),
    )
    .await;
    app.step("analytics-retention").await.unwrap();
    let left = admin.get("/v1/events").await.expect(200).json;
    assert_eq!(ids(&left["items"]), [recent.to_string()]);
    let figures = team.figures("throughput", &format!("from={old}")).await;
    assert_eq!(figures["whole"]["created"], 1);
}
