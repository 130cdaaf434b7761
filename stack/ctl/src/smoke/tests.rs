//! The story, told to a hub of canned answers: what is asked where, and what is said when an answer is wrong. The real hub
//! hears it in the stack's own tests.

use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{header, method, path},
};

use super::*;

/// A hub behind a router: each host answers `/health`, and the gateway what a user asks for. The mocks of `wrong` come first.
async fn hub(wrong: Vec<Mock>) -> (MockServer, Target) {
    let server = MockServer::start().await;
    for mock in wrong {
        mock.mount(&server).await;
    }
    let port = server.address().port();
    for service in SERVICES {
        let host = format!("{service}.hub.example.com:{port}");
        Mock::given(method("GET"))
            .and(path("/health"))
            .and(header("host", host.as_str()))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "status": "ok" })))
            .mount(&server)
            .await;
    }
    let gateway = format!("gateway.hub.example.com:{port}");
    for (verb, place, status, body) in [
        ("POST", "/v1/auth/register", 201, json!({ "id": "usr_1" })),
        ("POST", "/v1/auth/login", 200, json!({ "access_token": "a token" })),
        ("POST", "/v1/projects", 201, json!({ "id": "prj_1" })),
        (
            "POST",
            "/v1/projects/prj_1/members",
            201,
            json!({ "status": "pending" }),
        ),
        ("GET", "/v1/projects/prj_1", 200, json!({ "id": "prj_1" })),
        ("POST", "/v1/projects/prj_1/tasks", 201, json!({ "id": "tsk_1" })),
        (
            "GET",
            "/v1/notifications",
            200,
            json!({ "items": [{ "type": "project_invited" }, { "type": "task_assigned", "task_id": "tsk_1" }] }),
        ),
        ("DELETE", "/v1/me", 202, json!({ "id": "ers_1" })),
        ("GET", "/v1/erasures/ers_1", 200, json!({ "status": "completed" })),
    ] {
        Mock::given(method(verb))
            .and(path(place))
            .and(header("host", gateway.as_str()))
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .mount(&server)
            .await;
    }
    let mut target = Target::new(server.uri().parse().unwrap(), "hub.example.com");
    target.patience = Duration::from_millis(700);
    (server, target)
}

fn answering(verb: &str, place: &str, answer: ResponseTemplate) -> Mock {
    Mock::given(method(verb)).and(path(place)).respond_with(answer)
}

async fn asked(server: &MockServer, verb: &str, place: &str) -> Vec<Request> {
    let all = server.received_requests().await.unwrap_or_default();
    let those = all
        .into_iter()
        .filter(|request| request.method.as_str() == verb && request.url.path() == place);
    those.collect()
}

#[tokio::test]
async fn two_people_register_work_are_notified_and_leave() {
    let (server, target) = hub(Vec::new()).await;
    let report = run(&target).await.unwrap();
    let names: Vec<&str> = report.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "every service answers at its own host",
            "Ada registers and signs in",
            "Bob registers and signs in",
            "Ada creates a project",
            "Ada brings Bob into it",
            "Ada creates a task for Bob",
            "Bob is notified of the task, through the broker",
            "the accounts are closed",
            "every service has erased them",
        ]
    );
    let accounts = asked(&server, "POST", "/v1/auth/register").await;
    let emails: Vec<String> = accounts
        .iter()
        .map(|request| {
            request.body_json::<Value>().unwrap()["email"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert!(
        emails[0].starts_with("smoke.ada.") && emails[1].ends_with("@example.com"),
        "{emails:?}"
    );
    assert_eq!(asked(&server, "DELETE", "/v1/me").await.len(), 2);
}

#[tokio::test]
async fn a_step_that_fails_is_named_with_the_request_the_status_and_the_hubs_words() {
    let problem = json!({ "title": "Unavailable", "detail": "the database does not answer", "trace_id": "4bf9" });
    let refused = answering(
        "POST",
        "/v1/projects",
        ResponseTemplate::new(503).set_body_json(problem),
    );
    let (server, target) = hub(vec![refused]).await;
    let error = format!("{:#}", run(&target).await.unwrap_err());
    assert_eq!(
        error,
        "smoke test: failed where Ada creates a project: POST /v1/projects at gateway.hub.example.com answered 503 Service \
         Unavailable: the database does not answer (trace 4bf9)"
    );
    assert_eq!(asked(&server, "DELETE", "/v1/me").await.len(), 2, "both have left");
}

#[tokio::test]
async fn news_that_do_not_come_are_waited_for_no_longer_than_the_patience() {
    let nothing = answering(
        "GET",
        "/v1/notifications",
        ResponseTemplate::new(200).set_body_json(json!({ "items": [] })),
    );
    let (server, mut target) = hub(vec![nothing]).await;
    target.patience = Duration::from_secs(1);
    let error = format!("{:#}", run(&target).await.unwrap_err());
    assert_eq!(
        error,
        "smoke test: failed where Bob is notified of the task, through the broker: Bob's notifications do not show the task, \
         1 s long"
    );
    assert!(asked(&server, "GET", "/v1/notifications").await.len() > 1);
    assert_eq!(asked(&server, "DELETE", "/v1/me").await.len(), 2);
}

#[tokio::test]
async fn a_host_that_the_router_does_not_know_is_named_with_what_it_said() {
    let (_server, target) = hub(vec![answering(
        "GET",
        "/health",
        ResponseTemplate::new(404).set_body_string("404 page not found"),
    )])
    .await;
    let error = format!("{:#}", run(&target).await.unwrap_err());
    for part in [
        "every service answers at its own host",
        "gateway.hub.example.com does not answer",
        "404 page not found",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_and_an_account_that_stays_fails_the_test() {
    let limit = answering(
        "POST",
        "/v1/auth/login",
        ResponseTemplate::new(429).insert_header("retry-after", "0"),
    );
    let stays = answering("DELETE", "/v1/me", ResponseTemplate::new(500).set_body_string("no"));
    let (server, mut target) = hub(vec![limit.up_to_n_times(2), stays]).await;
    target.patience = Duration::from_secs(20);
    let error = format!("{:#}", run(&target).await.unwrap_err());
    assert_eq!(asked(&server, "POST", "/v1/auth/login").await.len(), 4);
    assert!(
        error.contains("failed where the accounts are closed: the account of smoke."),
        "{error}"
    );
}

#[tokio::test]
async fn where_nobody_listens_it_says_so() {
    let mut target = Target::new("http://127.0.0.1:1".parse().unwrap(), "localhost");
    target.patience = Duration::from_millis(300);
    let error = format!("{:#}", run(&target).await.unwrap_err());
    assert!(
        error.contains("gateway.localhost does not answer") && error.ends_with("no connection"),
        "{error}"
    );
}
