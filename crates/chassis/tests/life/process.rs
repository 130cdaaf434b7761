//! Starting, failing to start, and stopping.

use std::{
    io::Read,
    net::TcpListener,
    process::{Command, Output},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Running, command, get, open, run, sample, stderr, until, until_true};

#[test]
fn it_starts_answers_and_stops() {
    let running = Running::start(&[]);
    assert_eq!(get(running.public, "/health").0, 200);
    assert_eq!(
        get(running.internal, "/readyz"),
        (200, r#"{"status":"ready"}"#.to_owned())
    );
    assert_eq!(get(running.internal, "/livez").0, 200);
    assert_eq!(get(running.public, "/livez").0, 404);
    let metrics = get(running.internal, "/metrics").1;
    assert!(
        metrics.contains("http_server_request_duration_seconds_bucket{service=\"sample\""),
        "{metrics}"
    );
    assert!(metrics.contains("outbox_pending{service=\"sample\"} 0"), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    running.signal(Signal::TERM);
    let (code, log) = running.end();
    assert_eq!(code, Some(0), "{log:#?}");
    for line in &log {
        let has = |name: &str| line[name].as_str().is_some_and(|text| !text.is_empty());
        assert!(
            ["time", "level", "message", "service", "version"].into_iter().all(has),
            "{line}"
        );
    }
}

#[test]
fn an_error_is_logged_once_with_its_causes_and_the_trace_that_the_client_was_told() {
    let running = Running::start(&[]);
    let mut text = String::new();
    open(running.public, "POST /v1/auth/reset?how=broken")
        .read_to_string(&mut text)
        .unwrap();
    let problem: Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap();
    open(running.public, "POST /v1/auth/reset?how=panic")
        .read_to_string(&mut text)
        .unwrap();
    running.signal(Signal::TERM);
    let (_, log) = running.end();
    let errors: Vec<&Value> = log.iter().filter(|line| line["level"] == "ERROR").collect();
    assert_eq!(errors.len(), 2, "{log:#?}");
    assert_eq!(
        errors[0]["error"],
        "reading notes: table notes_v7 at db.internal is gone"
    );
    assert_eq!(
        (&errors[0]["trace_id"], &errors[0]["service"]),
        (&problem["trace_id"], &Value::from("sample"))
    );
    assert_eq!(errors[1]["panic"], "the handler's own panic text");
    assert!(
        errors[1]["place"].as_str().unwrap().contains("sample.rs"),
        "{}",
        errors[1]
    );
}

#[test]
fn while_it_drains_it_serves_on_and_a_second_signal_ends_it_at_once() {
    let running = Running::start(&[("PROCESS__DRAIN_MS", "3600000")]);
    running.signal(Signal::TERM);
    until_true(|| get(running.internal, "/readyz").0 == 503);
    assert_eq!(get(running.public, "/health").0, 200);
    assert_eq!(get(running.internal, "/livez").0, 200);
    running.signal(Signal::TERM);
    assert_eq!(running.end().0, Some(143));
}

#[test]
fn answers_in_flight_arrive_whole_when_it_stops() {
    let running = Running::start(&[]);
    let mut answer = open(running.public, "GET /.well-known/openid-configuration?count=50");
    let mut text = until(&mut answer, "piece 0\n");
    running.signal(Signal::TERM);
    answer.read_to_string(&mut text).unwrap();
    for piece in 0..50 {
        assert!(text.contains(&format!("piece {piece}\n")), "{text}");
    }
    assert!(text.ends_with("0\r\n\r\n"), "{text}");
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn streams_end_when_it_stops() {
    let running = Running::start(&[]);
    let mut stream = open(running.public, "POST /v1/auth/refresh");
    until(&mut stream, "hello\n");
    running.signal(Signal::INT);
    until(&mut stream, "goodbye\n");
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn a_request_that_never_ends_does_not_keep_it_from_stopping() {
    let running = Running::start(&[("PROCESS__STOP_S", "1"), ("HTTP__DEADLINE_MS", "3600000")]);
    let _waiting = open(running.public, "POST /v1/auth/reset?how=slow");
    until_true(|| {
        get(running.internal, "/metrics")
            .1
            .contains("http_server_active_requests{service=\"sample\"} 1")
    });
    running.signal(Signal::TERM);
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn three_mistakes_in_the_settings_are_three_lines_and_nothing_has_happened() {
    let folder = tempfile::tempdir().unwrap();
    let mistakes = [
        ("HTTP__LISTEN", "everywhere"),
        ("SAMPLE__MOST", "11"),
        ("HTTP__LISTN", "0.0.0.0:80"),
        ("SAMPLE__PASSWORD", "hunter2"),
    ];
    let output = run(folder.path(), &mistakes);
    let lines = stderr(&output);
    assert_eq!((output.status.code(), lines.len()), (Some(64), 3), "{lines:#?}");
    for part in [
        "http.listen must be an address",
        "sample.most must be at most 10",
        "there is no setting http.listn",
    ] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:#?}");
    }
    assert!(!lines.concat().contains("hunter2"));
    assert!(!folder.path().join("sample.db").exists());
}

#[test]
fn settings_come_from_a_file_the_environment_and_secret_files() {
    let folder = tempfile::tempdir().unwrap();
    let (config, secret) = (folder.path().join("hub.toml"), folder.path().join("password"));
    std::fs::write(&config, "[sample]\nmost = 99\n[http]\ndeadline_ms = 1234\n").unwrap();
    std::fs::write(&secret, "hunter2\n").unwrap();
    let named = [
        ("CONFIG", config.to_str().unwrap()),
        ("SAMPLE__PASSWORD_FILE", secret.to_str().unwrap()),
    ];
    // The file's mistake counts, until the environment overrides it.
    assert_eq!(run(folder.path(), &named).status.code(), Some(64));
    let overridden = [named.as_slice(), &[("SAMPLE__MOST", "3")]].concat();
    let running = Running::start(&overridden);
    running.signal(Signal::TERM);
    let (code, log) = running.end();
    assert_eq!(code, Some(0));
    assert!(!format!("{log:?}").contains("hunter2"));
    let missing = run(folder.path(), &[("SAMPLE__PASSWORD_FILE", "/nowhere/at/all")]);
    assert!(stderr(&missing)[0].contains("CLOUDTASKHUB_SAMPLE__PASSWORD_FILE: cannot read /nowhere/at/all"));
}

#[test]
fn an_occupied_port_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = occupied.local_addr().unwrap().to_string();
    let output = run(folder.path(), &[("HTTP__LISTEN", &address)]);
    let lines = stderr(&output);
    assert_eq!((output.status.code(), lines.len()), (Some(1), 1), "{lines:#?}");
    assert!(lines[0].contains(&format!("{address} is occupied")), "{lines:#?}");
}

#[test]
fn a_corrupt_database_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("sample.db"),
        "this is no database, but long enough to look like one".repeat(100),
    )
    .unwrap();
    let output = run(folder.path(), &[]);
    let lines = stderr(&output);
    assert_eq!((output.status.code(), lines.len()), (Some(1), 1), "{lines:#?}");
    assert!(
        lines[0].contains("sample.db") && lines[0].contains("corrupt"),
        "{lines:#?}"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let database = format!("sqlite://{}/sample.db?mode=rwc", file.display());
    let output = run(folder.path(), &[("DATABASE__URL", &database)]);
    let lines = stderr(&output);
    assert_eq!((output.status.code(), lines.len()), (Some(1), 1), "{lines:#?}");
    assert!(lines[0].contains("cannot be written"), "{lines:#?}");
}

#[test]
fn a_worker_that_panics_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &[("SAMPLE__SABOTAGE", "worker")]);
    let lines = stderr(&output);
    assert_eq!((output.status.code(), lines.len()), (Some(70), 1), "{lines:#?}");
    assert!(lines[0].contains("saboteur"), "{lines:#?}");
    let log = String::from_utf8(output.stdout).unwrap();
    assert!(log.contains("sabotage, as it was asked for"), "{log}");
}

#[test]
fn the_other_commands_do_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let with = |arguments: &[&str], settings: &[(&str, &str)]| {
        command(folder.path(), settings).args(arguments).output().unwrap()
    };
    let text = |output: Output| {
        assert_eq!(output.status.code(), Some(0), "{:?}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    // The document needs no settings, nor does what it says of its release; migrating needs the database alone.
    let alone = |argument: &str| {
        let output = Command::new(sample()).env_clear().arg(argument).output().unwrap();
        serde_json::from_str::<Value>(&text(output)).unwrap()
    };
    assert!(alone("openapi")["paths"].is_object());
    let release = alone("release");
    assert_eq!(
        (&release["service"], &release["migrations"][0]["name"]),
        (&Value::from("sample"), &Value::from("m0001_messaging"))
    );
    let fresh = format!("sqlite://{}?mode=rwc", folder.path().join("fresh.db").display());
    let mut migrate = Command::new(sample());
    migrate
        .env_clear()
        .env("CLOUDTASKHUB_DATABASE__URL", fresh)
        .arg("migrate");
    assert!(text(migrate.output().unwrap()).contains("applied m0001_messaging"));
    assert!(text(with(&["migrate"], &[])).contains("applied m0001_messaging"));
    assert_eq!(text(with(&["migrate"], &[])), "the schema is up to date\n");
    assert_eq!(text(with(&["events", "dlq", "list"], &[])), "there are none\n");
    assert!(text(with(&["events", "republish", "--since", "2026-01-01T00:00:00Z"], &[])).starts_with("0 events"));

    let running = Running::start(&[]);
    let internal = running.internal.to_string();
    let asked = [("HTTP__INTERNAL_LISTEN", internal.as_str())];
    assert_eq!(text(with(&["healthcheck"], &asked)), "{\"status\":\"ready\"}\n");
    running.signal(Signal::TERM);
    assert_eq!(running.end().0, Some(0));
    let gone = with(&["healthcheck"], &asked);
    assert_eq!(gone.status.code(), Some(1));
    assert!(stderr(&gone)[0].contains("no answer from"), "{:?}", stderr(&gone));
}
