//! The overview.

use poem::{Request, Response};
use serde_json::json;

use crate::support::{Answer, Edge, Service, json_answer, nowhere};

async fn project(request: Request) -> Response {
    let (path, query) = (
        request.uri().path().to_owned(),
        request.uri().query().unwrap_or_default().to_owned(),
    );
    match path.as_str() {
        "/v1/projects" => json_answer(&json!({"items": [{"id": "prj_1"}], "next_cursor": null})),
        "/v1/me/tasks" if query.starts_with("due_before=20") => {
            json_answer(&json!({"items": [{"id": "tsk_1"}], "next_cursor": null}))
        }
        _ => panic!("{path}?{query}"),
    }
}

#[tokio::test]
async fn everything_at_a_glance_in_one_answer() {
    let (project, notification) = (
        Service::answering(project),
        Service::answering(|_| async { json_answer(&json!({"unread_count": 7})) }),
    );
    let edge = Edge::in_front_of(&[("project", project.address), ("notification", notification.address)]).await;
    let ada = edge.user();
    let home = edge.get(&ada, "/v1/home").await;
    assert_eq!(home.status, 200, "{}", home.text);
    let expected = json!({
        "me": {"id": "me", "authorization": format!("Bearer {}", ada.token)},
        "projects": [{"id": "prj_1"}], "unread_count": 7, "tasks_due": [{"id": "tsk_1"}], "degraded": [], "withheld": [],
    });
    assert_eq!(home.json(), expected);
}

#[tokio::test]
async fn a_part_whose_service_is_down_or_hangs_or_talks_nonsense_is_null_and_listed() {
    let notification = Service::answering(|_| std::future::pending());
    let settings = "[gateway.home]\ntimeout_ms = 200";
    let edge = Edge::with(
        &[("project", nowhere()), ("notification", notification.address)],
        settings,
    )
    .await;
    let ada = edge.user();
    let home = edge.get(&ada, "/v1/home").await;
    assert_eq!(home.status, 200, "{}", home.text);
    let home = home.json();
    assert_eq!(home["me"]["id"], "me");
    for part in ["projects", "unread_count", "tasks_due"] {
        assert_eq!(home[part], json!(null), "{part}");
    }
    assert_eq!(home["degraded"], json!(["projects", "unread_count", "tasks_due"]));

    let nonsense = Service::answering(|_| async { Response::builder().body("<html>") });
    let edge = Edge::in_front_of(&[("project", nonsense.address), ("notification", nonsense.address)]).await;
    let home = edge.get(&edge.user(), "/v1/home").await;
    assert_eq!(
        (home.status, &home.json()["degraded"]),
        (200, &json!(["projects", "unread_count", "tasks_due"]))
    );
}

#[tokio::test]
async fn without_a_token_there_is_no_overview() {
    let edge = Edge::in_front_of(&[]).await;
    let answer = Answer::of(edge.request(reqwest::Method::GET, "/v1/home").send().await.unwrap()).await;
    assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthenticated"));
}
