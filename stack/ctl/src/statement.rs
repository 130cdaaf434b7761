//! What the images of a release say of themselves, by the command `release` of each service.
//!
//! The binary is asked, not a file beside it: what it answers is what it was compiled with. It gets no network, nothing to
//! write to, no capability, and little time.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub use ::statement::{Contraction, Migration, Retired, Statement};
use anyhow::{Context, bail, ensure};
use bollard::{
    Docker,
    container::LogOutput,
    models::{ContainerCreateBody, HostConfig, HostConfigLogConfig},
    query_parameters::{
        CreateContainerOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder, WaitContainerOptions,
    },
};
use futures_util::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};

/// The command prints a constant; a machine that is out of breath still has to start a container for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks the image of a service, which has to be on this node, what it says of itself.
///
/// # Errors
/// When it cannot be run, or does not answer as the services of `CloudTaskHub` do.
pub async fn of(docker: &Docker, image: &str) -> anyhow::Result<Statement> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let name = format!("stackctl-release-{}-{}", std::process::id(), since_epoch.as_nanos());
    let config = ContainerCreateBody {
        image: Some(image.to_owned()),
        cmd: Some(vec!["release".to_owned()]),
        network_disabled: Some(true),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            readonly_rootfs: Some(true),
            cap_drop: Some(vec!["ALL".to_owned()]),
            // What the engine does by default may be a driver whose logs cannot be read back.
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: None,
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    docker
        .create_container(Some(options), config)
        .await
        .with_context(|| format!("{image}: no container can be made of it"))?;
    let answer = tokio::time::timeout(PATIENCE, ask(docker, &name)).await;
    let removal = RemoveContainerOptionsBuilder::default().force(true).build();
    let removed = docker.remove_container(&name, Some(removal)).await;
    let Ok(answer) = answer else {
        bail!("{image}: `release` has no end after {} s", PATIENCE.as_secs());
    };
    let answer = answer.with_context(|| format!("{image}: cannot be asked what it can run on"))?;
    removed.with_context(|| format!("the container {name} cannot be removed"))?;
    read(image, &answer)
}

/// What a container printed, and how it ended.
struct Answer {
    out: Vec<u8>,
    complaint: Vec<u8>,
    code: i64,
}

async fn ask(docker: &Docker, container: &str) -> anyhow::Result<Answer> {
    docker.start_container(container, None).await?;
    let mut ends = docker.wait_container(container, None::<WaitContainerOptions>);
    let code = match ends.next().await {
        // A command that fails is an error to this library, and an answer to us.
        Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => code,
        Some(end) => end?.status_code,
        None => bail!("the engine does not say how it ended"),
    };
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).build();
    let mut logs = docker.logs(container, Some(options));
    let (mut out, mut complaint) = (Vec::new(), Vec::new());
    while let Some(part) = logs.try_next().await? {
        match part {
            LogOutput::StdErr { message } => complaint.extend_from_slice(&message),
            part => out.extend_from_slice(&part.into_bytes()),
        }
    }
    Ok(Answer { out, complaint, code })
}

fn read(image: &str, answer: &Answer) -> anyhow::Result<Statement> {
    if answer.code != 0 {
        let complaint = String::from_utf8_lossy(&answer.complaint);
        let mut lines = complaint.lines().map(str::trim).filter(|line| !line.is_empty());
        let complaint = lines.next().unwrap_or("and says nothing");
        bail!(
            "{image}: `release` ends with {} ({complaint}); is it the image of a service, of a release that knows the command?",
            answer.code
        );
    }
    let statement: Statement = serde_json::from_slice(&answer.out)
        .with_context(|| format!("{image}: what `release` prints is no statement"))?;
    let mistakes = statement.mistakes();
    ensure!(mistakes.is_empty(), "{image}: {}", mistakes.join("; "));
    Ok(statement)
}

/// One hash for the schemas of all events of a release; the same as long as no event changed.
pub fn events_hash(release: &[Statement]) -> String {
    let events: BTreeMap<&String, &String> = release.iter().flat_map(|one| &one.publishes).collect();
    let mut digest = Sha256::new();
    for (event, schema) in events {
        digest.update(format!("{event} {schema}\n"));
    }
    let hash = digest.finalize();
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: i64, out: &str, complaint: &str) -> Answer {
        Answer {
            out: out.as_bytes().to_vec(),
            complaint: complaint.as_bytes().to_vec(),
            code,
        }
    }

    const STATEMENT: &str = r#"{
        "service": "auth", "version": "1.0.0", "revision": "abc", "oldest_release": "0.9.0", "head": "m2",
        "migrations": [{ "name": "m1" }, { "name": "m2", "contraction": { "expansion": "m1", "since": "0.9.0" } }],
        "publishes": { "user.registered.v1": "00ff" }, "consumes": {}, "of_a_newer_release": true
    }"#;

    #[test]
    fn a_statement_is_read_whatever_a_newer_release_adds() {
        let statement = read("hub/auth:1", &answer(0, STATEMENT, "")).unwrap();
        assert_eq!((statement.service.as_str(), statement.head.as_str()), ("auth", "m2"));
        assert!(statement.knows("m1"));
        let contraction = statement.migrations.last().and_then(|last| last.contraction.as_ref());
        assert_eq!(contraction.map(|contraction| contraction.since.as_str()), Some("0.9.0"));
    }

    #[test]
    fn an_image_that_is_something_else_is_refused_with_its_own_words() {
        let other = read(
            "traefik:3",
            &answer(2, "", "\nerror: unrecognized subcommand 'release'\n"),
        )
        .unwrap_err();
        assert!(
            other.to_string().starts_with("traefik:3: `release` ends with 2"),
            "{other}"
        );
        assert!(
            read("echo:1", &answer(0, "release", ""))
                .unwrap_err()
                .to_string()
                .contains("no statement")
        );
        let wrong = STATEMENT.replace(r#""expansion": "m1""#, r#""expansion": "m9""#);
        assert!(
            read("hub/auth:1", &answer(0, &wrong, ""))
                .unwrap_err()
                .to_string()
                .contains("no earlier migration")
        );
    }

    #[test]
    fn the_hash_changes_with_any_event_and_with_nothing_else() {
        let one = read("auth", &answer(0, STATEMENT, "")).unwrap();
        let (mut renamed, mut changed, mut other) = (one.clone(), one.clone(), one.clone());
        renamed.version = "2.0.0".to_owned();
        changed
            .publishes
            .insert("user.registered.v1".to_owned(), "00fe".to_owned());
        other.service = "project".to_owned();
        other.publishes = BTreeMap::from([("task.created.v1".to_owned(), "1".to_owned())]);
        let hash = events_hash(std::slice::from_ref(&one));
        assert_eq!(events_hash(&[renamed]), hash);
        assert_ne!(events_hash(&[changed]), hash);
        assert_eq!(events_hash(&[one.clone(), other.clone()]), events_hash(&[other, one]));
    }
}
