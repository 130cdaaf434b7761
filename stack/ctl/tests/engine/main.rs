//! Releases as an operator meets them, on a real engine that manages a Swarm, each story with a stack of its own:
//! `cargo test -p stackctl --test engine -- --ignored`. Needs `debian:bookworm-slim`, or a way to fetch it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod stage;

use stage::{Answer, Stage, docker, eventually};

const IMAGE: &str = "{{.Spec.TaskTemplate.ContainerSpec.Image}}";
const REPLICAS: &str = "{{.Spec.Mode.Replicated.Replicas}}";
const SECRET: &str = "{{range .Spec.TaskTemplate.ContainerSpec.Secrets}}{{.SecretName}}{{end}}";
const CONFIG: &str = "{{range .Spec.TaskTemplate.ContainerSpec.Configs}}{{.ConfigName}}{{end}}";

#[tokio::test]
#[ignore = "needs an engine"]
async fn a_release_stands_and_the_next_one_takes_its_place() {
    let stage = Stage::new("forward").await.unwrap();
    let dry = stage.ctl(&["deploy", "--tag", "v1", "--dry-run"]).await.unwrap();
    assert_eq!(dry.code, 0, "{dry:#?}");
    assert!(stage.ledger().await.unwrap().is_empty());

    let first = stage.deploy("v1", 0).await.unwrap();
    assert_eq!(first.result["release"], 1, "{first:#?}");
    assert_eq!(stage.running("web").await.unwrap(), ["v1", "v1"]);
    let variable = stage
        .inspect("web", "{{range .Spec.TaskTemplate.ContainerSpec.Env}}{{.}}{{end}}")
        .await
        .unwrap();
    assert_eq!(variable, "PRICE=5$ or more");

    let diff = stage.ctl(&["diff", "--tag", "v2"]).await.unwrap().result;
    assert_eq!(diff["diff"]["images"][0]["what"], "web", "{diff:#}");
    assert_eq!(diff["diff"]["images"].as_array().unwrap().len(), 1);
    assert_eq!(diff["diff"]["settings"].as_array().unwrap().len(), 0, "{diff:#}");
    assert_eq!(diff["diff"]["drift"].as_array().unwrap().len(), 0, "{diff:#}");

    let store = stage.inspect("store", "{{.Version.Index}}").await.unwrap();
    stage.deploy("v2", 0).await.unwrap();
    assert_eq!(stage.running("web").await.unwrap(), ["v2", "v2"]);
    assert_ne!(
        stage.inspect("store", "{{.Version.Index}}").await.unwrap(),
        store,
        "it follows the new definition"
    );
    assert_eq!(stage.running("store").await.unwrap(), ["v1"]);

    let status = stage.ctl(&["status"]).await.unwrap().result;
    assert_eq!(
        (&status["release"], &status["tag"]),
        (&2.into(), &"v2".into()),
        "{status:#}"
    );
    let ledger = stage.ledger().await.unwrap();
    assert_eq!(ledger.len(), 2);
    assert_eq!(
        (&ledger[1]["outcome"], &ledger[1]["actor"]),
        (&"succeeded".into(), &"ann@test".into())
    );
    // The same again changes nothing, and is a release all the same.
    stage.deploy("v2", 0).await.unwrap();
    assert_eq!(stage.ledger().await.unwrap().len(), 3);
}

#[tokio::test]
#[ignore = "needs an engine"]
async fn what_was_changed_by_hand_is_seen_and_taken_back() {
    let stage = Stage::new("hand").await.unwrap();
    stage.deploy("v1", 0).await.unwrap();
    docker(&[
        "service",
        "update",
        "--detach",
        "--env-add",
        "HAND=made",
        "ctltest-hand_web",
    ])
    .await
    .unwrap();
    let answer = stage.deploy("v1", 2).await.unwrap();
    assert!(
        answer.result["problems"]
            .to_string()
            .contains("another update of web is under way"),
        "{answer:#?}"
    );
    let waited = stage.ctl(&["wait", "--service", "web"]).await.unwrap();
    assert_eq!((waited.code, &waited.result["ready"]), (0, &true.into()), "{waited:#?}");
    let diff = stage.ctl(&["diff", "--tag", "v1"]).await.unwrap().result;
    assert_eq!(diff["diff"]["drift"][0]["what"], "web HAND", "{diff:#}");
    stage.deploy("v1", 0).await.unwrap();
    let variables = stage
        .inspect("web", "{{.Spec.TaskTemplate.ContainerSpec.Env}}")
        .await
        .unwrap();
    assert!(!variables.contains("HAND"), "{variables}");
}

#[tokio::test]
#[ignore = "needs an engine"]
async fn a_secret_that_was_exchanged_since_is_not_asked_for_by_a_rollback() {
    let stage = Stage::new("secret").await.unwrap();
    stage
        .edit(
            "    stop_grace_period: 5s\n    deploy:\n      <<: *deploy\n      replicas: 1",
            "    secrets: [key]\n    deploy:\n      <<: *deploy\n      replicas: 1",
        )
        .unwrap();
    stage
        .edit(
            "\nconfigs:\n  greeting",
            "\nsecrets:\n  key: {external: true, name: \"${STACK}_key_${KEY_VERSION:-1}\"}\n\nconfigs:\n  greeting",
        )
        .unwrap();
    stage.secret("key", 1).await.unwrap();
    stage.deploy("v1", 0).await.unwrap();
    stage.secret("key", 2).await.unwrap();
    stage.deploy("v2", 0).await.unwrap();
    assert_eq!(stage.inspect("store", SECRET).await.unwrap(), "ctltest-secret_key_2");
    eventually("nobody has the old one", async || {
        Ok(docker(&["secret", "rm", "ctltest-secret_key_1"]).await.is_ok())
    })
    .await
    .unwrap();

    let answer = stage.ctl(&["rollback"]).await.unwrap();
    assert_eq!(answer.code, 0, "{answer:#?}");
    assert!(
        answer
            .said
            .contains("ctltest-secret_key_1 is gone: ctltest-secret_key_2 is taken instead"),
        "{}",
        answer.said
    );
    assert_eq!(stage.running("web").await.unwrap(), ["v1", "v1"]);
    assert_eq!(stage.inspect("store", SECRET).await.unwrap(), "ctltest-secret_key_2");
}

#[tokio::test]
#[ignore = "needs an engine"]
async fn a_release_that_is_asked_to_stop_is_taken_back() {
    let stage = Stage::new("stopped").await.unwrap();
    stage.deploy("v1", 0).await.unwrap();
    let child = stage.command(&["deploy", "--tag", "v2"]).spawn().unwrap();
    let pid = child.id().unwrap().to_string();
    eventually("the update is under way", async || {
        Ok(stage.inspect("web", IMAGE).await?.contains(":v2"))
    })
    .await
    .unwrap();
    assert!(
        std::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(
        output.status.code(),
        Some(4),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(stage.running("web").await.unwrap(), ["v1", "v1"]);
    let ledger = stage.ledger().await.unwrap();
    assert!(
        ledger[1]["reason"].as_str().unwrap().contains("SIGTERM"),
        "{}",
        ledger[1]["reason"]
    );
}

/// Releases v2, then this, which must fail and leave all of v2. Answers the failure.
async fn taken_back(stage: &Stage, bad: &str) -> serde_json::Value {
    stage.deploy("v2", 0).await.unwrap();
    // Two services change, one of them for the worse.
    stage.edit("STORE_TAG:-v1", "STORE_TAG:-v3").unwrap();
    // Long enough for what sickens late, on a machine that is out of breath.
    let answer = stage.ctl(&["deploy", "--tag", bad, "--stable", "20"]).await.unwrap();
    assert_eq!((answer.code, &answer.result["restored"]), (4, &1.into()), "{answer:#?}");
    assert_eq!(stage.running("web").await.unwrap(), ["v2", "v2"], "{answer:#?}");
    assert_eq!(stage.running("store").await.unwrap(), ["v1"], "{answer:#?}");
    let ledger = stage.ledger().await.unwrap();
    assert_eq!(
        (&ledger[1]["outcome"], &ledger[1]["restored"]),
        (&"failed".into(), &1.into())
    );
    assert!(
        ledger[1]["reason"].as_str().unwrap().contains("web"),
        "{}",
        ledger[1]["reason"]
    );
    answer.result["failure"].clone()
}

#[tokio::test]
#[ignore = "needs an engine"]
async fn a_release_that_crashes_is_taken_back_and_its_last_words_are_told() {
    let stage = Stage::new("crash").await.unwrap();
    let failure = taken_back(&stage, "crash").await;
    assert_eq!(
        (&failure["service"], &failure["task"]["exit_code"]),
        (&"web".into(), &3.into()),
        "{failure:#}"
    );
    assert!(
        failure["task"]["image"].as_str().unwrap().contains("web:crash"),
        "{failure:#}"
    );
    let log = failure["task"]["log"].to_string();
    assert!(log.contains("cannot open the database"), "{failure:#}");
}

#[tokio::test]
#[ignore = "needs an engine"]
async fn a_release_that_is_never_healthy_is_taken_back_with_what_its_check_said() {
    let stage = Stage::new("sick").await.unwrap();
    let failure = taken_back(&stage, "sick").await;
    assert_eq!(failure["service"], "web", "{failure:#}");
    assert!(
        failure["task"]["health"].as_str().unwrap().contains("no broker"),
        "{failure:#}"
    );
}

#[tokio::test]
#[ignore = "needs an engine"]
async fn a_release_that_sickens_after_a_while_is_taken_back() {
    let stage = Stage::new("late").await.unwrap();
    let failure = taken_back(&stage, "late").await;
    assert_eq!(failure["service"], "web", "{failure:#}");
    assert!(
        failure["task"]["health"]
            .as_str()
            .unwrap()
            .contains("the pool is empty"),
        "{failure:#}"
    );
}

#[tokio::test]
#[ignore = "needs an engine"]
async fn an_image_that_does_not_exist_is_refused_before_anything_changes() {
    let stage = Stage::new("missing").await.unwrap();
    stage.deploy("v1", 0).await.unwrap();
    let before = stage.inspect("web", "{{.Version.Index}}").await.unwrap();
    // A secret is missing as well: both are told at once.
    stage
        .edit(
            "\nconfigs:\n  greeting",
            "\nsecrets:\n  key: {external: true, name: ctltest-no-such-secret}\n\nconfigs:\n  greeting",
        )
        .unwrap();
    let answer = stage.deploy("v9", 2).await.unwrap();
    let problems = answer.result["problems"].to_string();
    assert!(
        problems.contains("ctltest/web:v9") && problems.contains("ctltest-no-such-secret"),
        "{problems}"
    );
    assert_eq!(stage.inspect("web", "{{.Version.Index}}").await.unwrap(), before);
    assert_eq!(stage.ledger().await.unwrap().len(), 1);
}

#[tokio::test]
#[ignore = "needs an engine"]
async fn the_second_of_two_releases_at_once_is_told_who_holds_the_lock() {
    let stage = Stage::new("lock").await.unwrap();
    let slow = Answer::of(stage.command(&["deploy", "--tag", "v1", "--stable", "8"]));
    let second = async {
        eventually("the first begins", async || {
            Ok(
                docker(&["service", "ls", "--quiet", "--filter", "name=ctltest-lock_web"])
                    .await?
                    .lines()
                    .count()
                    == 1,
            )
        })
        .await
        .unwrap();
        stage.deploy("v2", 3).await.unwrap()
    };
    let (first, second) = tokio::join!(slow, second);
    assert_eq!(first.unwrap().code, 0);
    let holder = &second.result["holder"];
    assert_eq!(
        (&holder["holder"], &holder["purpose"]),
        (&"ann@test".into(), &"deploy v1".into())
    );
    assert_eq!(stage.ledger().await.unwrap().len(), 1);
    // Nobody holds it now.
    stage.deploy("v2", 0).await.unwrap();
}

#[tokio::test]
#[ignore = "needs an engine"]
async fn a_release_that_was_killed_is_noticed_and_repaired_by_the_next() {
    let stage = Stage::new("killed").await.unwrap();
    stage.deploy("v1", 0).await.unwrap();
    let mut killed = stage.command(&["deploy", "--tag", "v2"]).spawn().unwrap();
    eventually("the update is under way", async || {
        Ok(stage.inspect("web", IMAGE).await?.contains(":v2"))
    })
    .await
    .unwrap();
    killed.kill().await.unwrap();
    let status = stage.ctl(&["status"]).await.unwrap().result;
    assert_eq!(status["release"], serde_json::Value::Null, "{status:#}");
    assert!(status["lock"]["purpose"] == "deploy v2", "{status:#}");

    let answer = stage.ctl(&["rollback"]).await.unwrap();
    assert_eq!(answer.code, 0, "{answer:#?}");
    assert!(
        answer.said.contains("took over the lock of ann@test (deploy v2)"),
        "{}",
        answer.said
    );
    assert!(
        answer.said.contains("release 2 (v2) of ann@test was killed"),
        "{}",
        answer.said
    );
    assert_eq!(stage.running("web").await.unwrap(), ["v1", "v1"]);
    let ledger = stage.ledger().await.unwrap();
    assert_eq!(
        (&ledger[1]["outcome"], &ledger[2]["target"]),
        (&"interrupted".into(), &1.into())
    );
}

#[tokio::test]
#[ignore = "needs an engine"]
async fn a_rollback_brings_back_what_was_deployed_then_whatever_the_files_say_today() {
    let stage = Stage::new("rollback").await.unwrap();
    stage.deploy("v1", 0).await.unwrap();
    let then = stage.inspect("web", CONFIG).await.unwrap();
    stage.greet("good day").unwrap();
    stage.edit("replicas: 2", "replicas: 3").unwrap();
    stage.deploy("v2", 0).await.unwrap();
    assert_ne!(stage.inspect("web", CONFIG).await.unwrap(), then);
    stage.edit("replicas: 3", "replicas: 4").unwrap();
    stage.edit("  store:", "  shop:").unwrap();

    let answer = stage.ctl(&["rollback"]).await.unwrap();
    assert_eq!((answer.code, &answer.result["tag"]), (0, &"v1".into()), "{answer:#?}");
    assert_eq!(stage.running("web").await.unwrap(), ["v1", "v1"]);
    assert_eq!(stage.inspect("web", REPLICAS).await.unwrap(), "2");
    assert_eq!(stage.inspect("web", CONFIG).await.unwrap(), then);
    let ledger = stage.ledger().await.unwrap();
    assert_eq!(ledger[2]["definition"], ledger[0]["definition"]);

    // There is nothing before v1, and forward again is by name.
    let answer = stage.ctl(&["rollback"]).await.unwrap();
    assert_eq!(answer.code, 2, "{answer:#?}");
    let answer = stage.ctl(&["rollback", "--tag", "v2"]).await.unwrap();
    assert_eq!(answer.code, 0, "{answer:#?}");
    assert_eq!(stage.running("web").await.unwrap(), ["v2"; 3]);
}

#[tokio::test]
#[ignore = "needs an engine"]
async fn a_release_that_fails_its_check_is_taken_back_and_one_that_cannot_be_says_what_to_do() {
    let stage = Stage::new("check").await.unwrap();
    stage.deploy("v1", 0).await.unwrap();
    let check = stage
        .script("case $(docker service inspect --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}' ${STACK}_web) in *web:v3*) echo orders are lost; exit 1;; esac")
        .unwrap();
    let answer = stage
        .ctl(&["deploy", "--tag", "v3", "--smoke-command", &check])
        .await
        .unwrap();
    assert_eq!(answer.code, 4, "{answer:#?}");
    assert!(
        answer.result["failure"]["reason"]
            .as_str()
            .unwrap()
            .contains("orders are lost"),
        "{answer:#?}"
    );
    assert_eq!(stage.running("web").await.unwrap(), ["v1", "v1"]);

    // A check that nothing passes: the previous release does not, either.
    let answer = stage
        .ctl(&["deploy", "--tag", "v2", "--smoke-command", "false"])
        .await
        .unwrap();
    assert_eq!(answer.code, 5, "{answer:#?}");
    assert!(
        answer.result["commands"].to_string().contains("rollback --release 1"),
        "{answer:#?}"
    );
    assert_eq!(answer.result["services"]["web"]["state"], "ready", "{answer:#?}");
    let status = stage.ctl(&["status"]).await.unwrap().result;
    assert!(
        status["standing"]
            .as_str()
            .unwrap()
            .contains("make rollback goes back to release 1"),
        "{status:#}"
    );
    assert_eq!(stage.ctl(&["rollback"]).await.unwrap().code, 0);
}

#[tokio::test]
#[ignore = "needs an engine"]
async fn a_first_release_that_finds_no_node_has_nothing_to_go_back_to() {
    let stage = Stage::new("unplaced").await.unwrap();
    let mut command = stage.command(&["deploy", "--tag", "v1", "--unplaced", "3"]);
    command.env("CONSTRAINT", "node.labels.ctltest == nowhere");
    let answer = Answer::of(command).await.unwrap();
    assert_eq!(answer.code, 5, "{answer:#?}");
    assert!(
        answer.result["failure"]["reason"]
            .as_str()
            .unwrap()
            .contains("no suitable node"),
        "{answer:#?}"
    );
    assert!(
        answer.result["commands"].to_string().contains("docker stack rm"),
        "{answer:#?}"
    );
    stage.deploy("v1", 0).await.unwrap();
}

#[tokio::test]
#[ignore = "needs an engine"]
async fn what_no_kept_release_needs_is_removed_and_cannot_be_gone_back_to() {
    let stage = Stage::new("prune").await.unwrap();
    for (number, tag) in ["v1", "v2", "v3", "v4"].into_iter().enumerate() {
        stage.greet(&format!("greeting {number}")).unwrap();
        let answer = stage.ctl(&["deploy", "--tag", tag, "--keep", "2"]).await.unwrap();
        assert_eq!(answer.code, 0, "{answer:#?}");
    }
    assert_eq!(stage.configs().await.unwrap().len(), 2);
    let ledger = stage.ledger().await.unwrap();
    assert_eq!(ledger.len(), 4, "the ledger forgets nothing");
    let answer = stage.ctl(&["rollback", "--release", "1"]).await.unwrap();
    assert_eq!(answer.code, 2, "{answer:#?}");
    assert!(answer.result["problems"].to_string().contains("config"), "{answer:#?}");
    assert_eq!(stage.ctl(&["rollback", "--release", "3"]).await.unwrap().code, 0);
}
