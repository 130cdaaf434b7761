//! What every service answers, whatever its operations do.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, reason = "its main is for the stories of a whole process")]
#[path = "../examples/sample.rs"]
mod sample;

use sample::Sample;
use serde_json::json;
use testkit::{Answer, TestService};

const NOTES: &str = "/v1/auth/verify";
const FAIL: &str = "/v1/auth/reset";

async fn app() -> TestService<Sample> {
    TestService::start().await
}

/// A problem with a trace id, as RFC 9457 has it.
fn told(answer: &Answer, status: u16, kind: &str) {
    assert_eq!((answer.status, answer.problem()), (status, kind), "{}", answer.text());
    let trace = answer.json["trace_id"].as_str().unwrap_or_default();
    assert!(
        trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{}",
        answer.text()
    );
    assert!(
        !answer.json["detail"].as_str().unwrap_or_default().is_empty(),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn the_document_is_complete_and_the_guarded_operation_is_guarded() {
    app().await.check_authorisation().await;
}

#[tokio::test]
async fn a_note_is_created_with_location_and_tag() {
    let app = app().await;
    let note = app
        .anonymous()
        .post(NOTES, json!({"title": "Fix the valve"}))
        .await
        .expect(201);
    assert_eq!(note.json, json!({"title": "Fix the valve", "count": 0}));
    assert_eq!(
        (note.header("location"), note.header("etag")),
        (Some("/v1/notes/1"), Some("\"v1\""))
    );
    assert_eq!(note.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(note.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_body_that_cannot_be_understood_says_what_is_wrong_with_it() {
    let app = app().await;
    let send = |bytes: &[u8]| {
        app.anonymous()
            .request("POST", NOTES)
            .header("content-type", "application/json")
            .body(bytes)
    };
    told(&send(b"").await, 400, "malformed-request");
    told(&send(b"{\"title\": ").await, 400, "malformed-request");
    told(&send(b"{\"title\": \"\xff\xfe\"}").await, 400, "malformed-request");
    told(&send(b"{\"title\": \"a\"} and more").await, 400, "malformed-request");
    told(&send(b"[[[[[[[[").await, 422, "validation-failed");
}

#[tokio::test]
async fn a_wrong_value_is_pointed_at() {
    let app = app().await;
    let cases = [
        (json!({"title": 7}), "#/title"),
        (json!({"title": "a", "count": -1}), "#/count"),
        (json!({"title": "a", "cuont": 1}), "#/cuont"),
        (json!({"count": 1}), "#"),
        (json!([]), "#"),
    ];
    for (body, pointer) in cases {
        let answer = app.anonymous().post(NOTES, body.clone()).await;
        told(&answer, 422, "validation-failed");
        assert_eq!(answer.wrong(), [pointer], "{body}: {}", answer.text());
    }
}

#[tokio::test]
async fn another_content_type_is_refused() {
    let app = app().await;
    let plain = app
        .anonymous()
        .request("POST", NOTES)
        .header("content-type", "text/plain")
        .body("{}")
        .await;
    told(&plain, 415, "unsupported-media-type");
    let none = app.anonymous().request("POST", NOTES).body("{}").await;
    told(&none, 415, "unsupported-media-type");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_it_says_its_size_or_not() {
    let app = TestService::<Sample>::with("[http]\nbody_limit_bytes = 100").await;
    let large = json!({"title": "x".repeat(200)}).to_string();
    let call = || {
        app.anonymous()
            .request("POST", NOTES)
            .header("content-type", "application/json")
    };
    told(&call().body(large.clone()).await, 413, "body-too-large");
    told(&call().chunked(large).await, 413, "body-too-large");
    let small = json!({"title": "x"}).to_string();
    assert_eq!(call().chunked(small).await.status, 201);
}

#[tokio::test]
async fn a_parameter_that_cannot_be_read_is_named() {
    let app = app().await;
    let wrong = |answer: &Answer, name: &str, expected: &str| {
        told(answer, 422, "validation-failed");
        let errors = json!([{"pointer": name, "detail": expected}]);
        assert_eq!(answer.json["errors"], errors);
    };
    for value in ["many", "-1", "1.5", "", "99999999999999999999", "%FF"] {
        let answer = app.user().get(format!("/v1/tasks/mine?limit={value}")).await;
        wrong(
            &answer,
            "?limit",
            "must be a whole number from 0 to 18446744073709551615",
        );
    }
    let missing = app.anonymous().request("POST", FAIL).await;
    wrong(&missing, "?how", "is required, and must be a text");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let app = app().await;
    for path in ["/", "/v1/nothing", "/v1/tasks/", "/v1/tasks/a/b", "/v1/tasks/%FF"] {
        let answer = app.user().get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        told(&answer, 404, "no-such-path");
    }
    let wrong = app.user().delete("/v1/tasks/mine").await;
    told(&wrong, 405, "method-not-allowed");
    assert_eq!(wrong.header("allow"), Some("GET, HEAD, OPTIONS"));
    told(
        &app.anonymous().request("DELETE", "/health").await,
        405,
        "method-not-allowed",
    );
}

#[tokio::test]
async fn head_and_options_are_answered() {
    let app = app().await;
    let head = app.user().request("HEAD", "/v1/tasks/mine").await.expect(200);
    assert!(head.bytes.is_empty());
    let options = app.anonymous().request("OPTIONS", NOTES).await.expect(204);
    assert_eq!(options.header("allow"), Some("POST, OPTIONS"));
    told(
        &app.anonymous().request("OPTIONS", "/v1/nothing").await,
        404,
        "no-such-path",
    );
}

#[tokio::test]
async fn an_error_of_ours_is_told_without_its_text() {
    let app = app().await;
    let answer = app.anonymous().request("POST", format!("{FAIL}?how=broken")).await;
    told(&answer, 500, "internal-error");
    assert!(!answer.text().contains("notes"), "{}", answer.text());
}

#[tokio::test]
async fn a_panic_in_a_handler_is_an_error_like_any_other() {
    let app = app().await;
    let answer = app.anonymous().request("POST", format!("{FAIL}?how=panic")).await;
    told(&answer, 500, "internal-error");
    assert!(!answer.text().contains("own panic"), "{}", answer.text());
    app.anonymous().get("/health").await.expect(200);
}

#[tokio::test]
async fn a_request_ends_at_its_deadline() {
    let app = TestService::<Sample>::with("[http]\ndeadline_ms = 20").await;
    let slow = || app.anonymous().request("POST", format!("{FAIL}?how=slow"));
    told(&slow().await, 504, "deadline-passed");
    // A client may ask for less, not for more.
    let more = slow().header("x-request-timeout-ms", "3600000").await;
    told(&more, 504, "deadline-passed");
    assert!(
        more.json["detail"].as_str().unwrap().contains("within 20 ms"),
        "{}",
        more.text()
    );
    let less = slow().header("x-request-timeout-ms", "1").await;
    assert!(
        less.json["detail"].as_str().unwrap().contains("within 1 ms"),
        "{}",
        less.text()
    );
    told(
        &slow().header("x-request-timeout-ms", "soon").await,
        400,
        "malformed-request",
    );
    told(
        &slow().header("x-request-timeout-ms", "0").await,
        400,
        "malformed-request",
    );
}

#[tokio::test]
async fn an_answer_belongs_to_the_trace_of_its_request() {
    let app = app().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
    let answer = app
        .anonymous()
        .get("/v1/nothing")
        .header("traceparent", &traceparent)
        .await;
    assert_eq!(
        (answer.json["trace_id"].as_str(), answer.header("x-request-id")),
        (Some(trace), Some(trace))
    );
    let named = app.anonymous().get("/health").header("x-request-id", "build-42").await;
    assert_eq!(named.header("x-request-id"), Some("build-42"));
    let insane = app.anonymous().get("/health").header("x-request-id", "a b<c>").await;
    assert_ne!(insane.header("x-request-id"), Some("a b<c>"));
}

#[tokio::test]
async fn large_answers_are_compressed_for_those_who_ask() {
    let app = app().await;
    let large = |coding: &'static str| app.user().get("/v1/tasks/large").header("accept-encoding", coding);
    let plain = large("identity").await.expect(200);
    assert!(plain.bytes.len() > 100_000 && plain.header("content-encoding").is_none());
    for coding in ["gzip", "deflate, GZIP;q=0.5, br"] {
        let packed = large(coding).raw().await;
        assert_eq!(packed.header("content-encoding"), Some("gzip"), "{coding}");
        assert!(
            packed.bytes.len() < 1000 && packed.bytes.starts_with(&[0x1f, 0x8b]),
            "{coding}"
        );
    }
    assert!(large("gzip;q=0").await.header("content-encoding").is_none());
    let small = app
        .user()
        .get("/v1/tasks/mine")
        .header("accept-encoding", "gzip")
        .await
        .expect(200);
    assert!(small.header("content-encoding").is_none());
}

#[tokio::test]
async fn pages_of_listed_origins_may_call() {
    let app = TestService::<Sample>::with("[http]\ncors_origins = [\"https://hub.example.com\"]").await;
    let from = |origin: &str| app.anonymous().get("/health").header("origin", origin);
    let listed = from("https://hub.example.com").await.expect(200);
    assert_eq!(
        listed.header("access-control-allow-origin"),
        Some("https://hub.example.com")
    );
    let other = from("https://evil.example.com").await.expect(200);
    assert_eq!(other.header("access-control-allow-origin"), None);
    let preflight = app
        .anonymous()
        .request("OPTIONS", NOTES)
        .header("origin", "https://hub.example.com");
    let preflight = preflight
        .header("access-control-request-method", "POST")
        .await
        .expect(204);
    assert!(
        preflight
            .header("access-control-allow-headers")
            .is_some_and(|headers| headers.contains("authorization"))
    );
}

#[tokio::test]
async fn the_documentation_works_offline() {
    let app = app().await;
    let document = app.anonymous().get("/openapi.json").await.expect(200);
    assert_eq!(document.json["info"]["title"], "Sample");
    let page = app.anonymous().get("/docs").await.expect(200);
    let text = page.text();
    assert!(text.contains("SwaggerUIBundle") && text.contains("takeNote"));
    assert!(!text.contains("src=\"http"), "the page loads something from elsewhere");
}
