//! Services that fail: what is tried again, what is left alone.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use poem::{Response, http::StatusCode};
use serde_json::json;
use testkit::eventually;

use crate::support::{Edge, SOON, Service, nowhere};

#[tokio::test]
async fn a_read_that_fails_once_is_made_again_and_nobody_notices() {
    let project = Service::with_statuses(&[503, 200]);
    let edge = Edge::in_front_of(&[("project", project.address)]).await;
    assert_eq!(edge.get(&edge.user(), "/v1/projects").await.status, 200);
    assert_eq!(project.calls(), 2);
    assert!(
        edge.metrics()
            .contains("gateway_upstream_retries_total{upstream=\"project\"} 1"),
        "{}",
        edge.metrics()
    );
}

#[tokio::test]
async fn what_may_not_be_done_twice_is_not_made_again() {
    let project = Service::with_statuses(&[503, 200]);
    let edge = Edge::in_front_of(&[("project", project.address)]).await;
    assert_eq!(edge.post(&edge.user(), "/v1/projects", &json!({})).await.status, 503);
    assert_eq!(project.calls(), 1);
}

#[tokio::test]
async fn an_answer_that_blames_the_caller_or_a_mistake_of_the_service_is_not_asked_for_again() {
    for status in [&[404][..], &[429], &[500]] {
        let project = Service::with_statuses(status);
        let edge = Edge::in_front_of(&[("project", project.address)]).await;
        assert_eq!(edge.get(&edge.user(), "/v1/projects").await.status, status[0]);
        assert_eq!(project.calls(), 1);
    }
}

#[tokio::test]
async fn retries_stop_when_their_budget_is_used_up() {
    let project = Service::with_statuses(&[502]);
    let settings = "[gateway.retry]\nbudget_per_second = 2\nbudget_percent = 0\nfirst_pause_ms = 1\n[gateway.breaker]\nconsecutive = 1000\nminimum = 1000";
    let edge = Edge::with(&[("project", project.address)], settings).await;
    let ada = edge.user();
    for _ in 0..10 {
        assert_eq!(edge.get(&ada, "/v1/projects").await.status, 502);
    }
    // Some seconds of allowance may pass on a slow machine, but never two retries for each call.
    assert!(project.calls() < 30, "{}", project.calls());
}

#[tokio::test]
async fn a_service_that_is_not_there_is_502_and_the_others_go_on() {
    let edge = Edge::in_front_of(&[("project", nowhere())]).await;
    let ada = edge.user();
    let answer = edge.get(&ada, "/v1/projects").await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (502, "upstream-unreachable")
    );
    assert_eq!(edge.get(&ada, "/v1/me").await.status, 200);
}

#[tokio::test]
async fn a_service_that_keeps_failing_is_left_alone_until_it_is_well() {
    let well = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&well);
    let project = Service::answering(move |_| {
        let well = state.load(Ordering::SeqCst);
        async move {
            if well {
                Response::builder().body("[]")
            } else {
                StatusCode::SERVICE_UNAVAILABLE.into()
            }
        }
    });
    let settings = "[gateway.retry]\nattempts = 0\n[gateway.breaker]\nconsecutive = 3\nopen_ms = 300\nopen_max_ms = 300\nprobes = 2";
    let edge = Edge::with(&[("project", project.address)], settings).await;
    let ada = edge.user();
    for _ in 0..3 {
        let answer = edge.get(&ada, "/v1/projects").await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (503, ""),
            "the service's own answer"
        );
    }
    let answer = edge.get(&ada, "/v1/projects").await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "upstream-unavailable")
    );
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(project.calls(), 3, "it was not called");
    assert!(
        edge.metrics()
            .contains("gateway_breaker_state{upstream=\"project\",state=\"open\"} 1"),
        "{}",
        edge.metrics()
    );
    assert_eq!(edge.get(&ada, "/v1/me").await.status, 200, "others are not concerned");

    well.store(true, Ordering::SeqCst);
    eventually(SOON, async || edge.get(&ada, "/v1/projects").await.status == 200).await;
    eventually(SOON, async || {
        edge.get(&ada, "/v1/projects").await;
        edge.metrics()
            .contains("gateway_breaker_state{upstream=\"project\",state=\"closed\"} 1")
    })
    .await;
}

#[tokio::test]
async fn a_client_in_a_hurry_cannot_make_a_service_look_dead() {
    let project = Service::answering(|request| async move {
        if request.uri().query() == Some("slow") {
            std::future::pending().await
        } else {
            Response::builder().body("[]")
        }
    });
    let edge = Edge::with(&[("project", project.address)], "[gateway.breaker]\nconsecutive = 2").await;
    let ada = edge.user();
    for _ in 0..4 {
        let request = edge
            .request(reqwest::Method::GET, "/v1/projects?slow")
            .bearer_auth(&ada.token);
        assert_eq!(
            request
                .header("x-request-timeout-ms", "50")
                .send()
                .await
                .unwrap()
                .status(),
            504
        );
    }
    assert_eq!(edge.get(&ada, "/v1/projects").await.status, 200);
}
