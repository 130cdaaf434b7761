//! What is told to whom, and that nothing of it is in the way of a release.

use std::{collections::HashMap, time::Instant};

use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{bearer_token, method, path},
};

use super::*;

fn notifier(variables: &[(&str, &str)]) -> Notifier {
    let variables: HashMap<String, String> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Notifier::from_variables(|name| variables.get(name).cloned())
}

fn notice(moment: Moment) -> Notice {
    Notice {
        moment,
        stack: "cloudtaskhub".to_owned(),
        tag: "1.2.0".to_owned(),
        previous: Some("1.1.0".to_owned()),
        actor: "ada@manager".to_owned(),
        started_at: "2026-11-22T10:00:00Z".parse().unwrap(),
        seconds: (moment != Moment::Started).then_some(83.5),
        reason: (moment == Moment::Restored).then(|| "auth: exited with 101".to_owned()),
    }
}

fn body(request: &Request) -> Value {
    request.body_json().unwrap()
}

#[tokio::test]
async fn slack_a_webhook_and_grafana_hear_of_a_release_that_failed_and_what_is_there_now() {
    let server = MockServer::start().await;
    for place in ["/slack", "/hook"] {
        let mock = Mock::given(method("POST")).and(path(place));
        mock.respond_with(ResponseTemplate::new(200))
            .expect(1)
            .mount(&server)
            .await;
    }
    let grafana = Mock::given(method("POST"))
        .and(path("/grafana/api/annotations"))
        .and(bearer_token("glsa of stackctl"));
    grafana
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&server)
        .await;
    let (slack, hook) = (format!("{}/slack", server.uri()), format!("{}/hook", server.uri()));
    let grafana = format!("{}/grafana/", server.uri());
    let notifier = notifier(&[
        ("RELEASE_SLACK_URL", &slack),
        ("RELEASE_WEBHOOK_URL", &hook),
        ("GRAFANA_URL", &grafana),
        ("GRAFANA_TOKEN", "glsa of stackctl"),
    ]);
    assert_eq!(notifier.say(&notice(Moment::Restored)).await, Vec::<String>::new());

    let requests = server.received_requests().await.unwrap();
    let to = |place: &str| body(requests.iter().find(|request| request.url.path() == place).unwrap());
    let text = "cloudtaskhub: the release of 1.2.0 failed; 1.1.0 is back and works after 84 s\nauth: exited with 101";
    assert_eq!(to("/slack"), json!({ "text": text }));
    assert_eq!(
        to("/hook"),
        json!({
            "moment": "restored", "stack": "cloudtaskhub", "tag": "1.2.0", "previous": "1.1.0", "actor": "ada@manager",
            "started_at": "2026-11-22T10:00:00Z", "seconds": 83.5, "reason": "auth: exited with 101", "text": text,
        })
    );
    assert_eq!(
        to("/grafana/api/annotations"),
        json!({
            "time": 1_795_341_600_000_i64, "timeEnd": 1_795_341_683_500_i64, "text": text,
            "tags": ["release", "cloudtaskhub", "restored", "1.2.0"],
        })
    );
}

#[tokio::test]
async fn the_start_is_a_moment_and_has_no_end() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let notifier = notifier(&[("GRAFANA_URL", &server.uri()), ("GRAFANA_TOKEN", "a token")]);
    assert!(notifier.say(&notice(Moment::Started)).await.is_empty());
    let annotation = body(&server.received_requests().await.unwrap()[0]);
    assert_eq!(annotation.get("timeEnd"), None);
    assert_eq!(annotation["text"], "cloudtaskhub: ada@manager releases 1.2.0");
}

#[tokio::test]
async fn without_settings_nobody_is_told_and_nothing_is_wrong() {
    assert_eq!(notifier(&[]).say(&notice(Moment::Started)).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_be_told_is_a_warning_without_the_secret_in_it() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(403))
        .mount(&server)
        .await;
    let refused = format!("{}/services/T0/B0/hidden-in-the-path", server.uri());
    let notifier = notifier(&[
        ("RELEASE_SLACK_URL", &refused),
        // Nobody listens there.
        ("RELEASE_WEBHOOK_URL", "http://hidden:by-name@127.0.0.1:1/hook"), // pragma: allowlist secret
    ]);
    let warnings = notifier.say(&notice(Moment::Succeeded)).await;
    assert_eq!(
        warnings,
        [
            "Slack was not told: it answers 403 Forbidden",
            "the webhook was not told: no connection"
        ]
    );
}

#[tokio::test]
async fn whoever_does_not_answer_holds_a_release_up_for_seconds_only() {
    let server = MockServer::start().await;
    let silent = ResponseTemplate::new(200).set_delay(PATIENCE * 20);
    Mock::given(method("POST")).respond_with(silent).mount(&server).await;
    let begun = Instant::now();
    let warnings = notifier(&[("RELEASE_SLACK_URL", &server.uri())])
        .say(&notice(Moment::Succeeded))
        .await;
    assert_eq!(warnings, ["Slack was not told: no answer in time"]);
    assert!(begun.elapsed() < PATIENCE * 20);
}

#[tokio::test]
async fn secrets_come_from_files_too_and_what_is_wrong_with_them_is_said_once() {
    let server = MockServer::start().await;
    Mock::given(path("/by-file"))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&server)
        .await;
    let folder = tempfile::tempdir().unwrap();
    let (good, empty) = (folder.path().join("slack"), folder.path().join("empty"));
    std::fs::write(&good, format!("{}/by-file\n", server.uri())).unwrap();
    std::fs::write(&empty, "\n").unwrap();
    let name = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let (good, empty, missing) = (name(&good), name(&empty), name(&folder.path().join("missing")));
    let by_file = notifier(&[("RELEASE_SLACK_URL_FILE", &good)]);
    assert_eq!(by_file.say(&notice(Moment::Succeeded)).await, Vec::<String>::new());

    let wrong = notifier(&[
        ("RELEASE_SLACK_URL", "hooks.slack.com/services/hidden"),
        ("RELEASE_WEBHOOK_URL_FILE", &missing),
        ("GRAFANA_URL", "https://grafana.example.com"),
        ("GRAFANA_TOKEN_FILE", &empty),
    ]);
    let warnings = wrong.say(&notice(Moment::Started)).await;
    assert!(!warnings.concat().contains("hidden"), "{warnings:?}");
    for expected in [
        "RELEASE_WEBHOOK_URL_FILE: ",
        "GRAFANA_TOKEN_FILE: the file is empty",
        "RELEASE_SLACK_URL is no address: https://…",
        "GRAFANA_URL is given without GRAFANA_TOKEN: no annotations",
    ] {
        assert!(
            warnings.iter().any(|warning| warning.starts_with(expected)),
            "{expected}: {warnings:?}"
        );
    }
    assert_eq!(wrong.say(&notice(Moment::Succeeded)).await, Vec::<String>::new());
    let both = notifier(&[
        ("RELEASE_SLACK_URL", "https://a.example.com"),
        ("RELEASE_SLACK_URL_FILE", &good),
    ]);
    assert_eq!(
        both.say(&notice(Moment::Started)).await,
        ["RELEASE_SLACK_URL and RELEASE_SLACK_URL_FILE are both given; neither is used"]
    );
}
