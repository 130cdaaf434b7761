//! A stack of its own for each story, on the engine of this machine; gone when the story ends.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{process::Command, sync::OnceCell};

/// The variants of the image that stories release.
const VARIANTS: [&str; 7] = ["v1", "v2", "v3", "v4", "crash", "sick", "late"];
static BUILT: OnceCell<()> = OnceCell::const_new();

/// A stack of a story.
pub(crate) struct Stage {
    pub(crate) stack: String,
    folder: TempDir,
}

/// How the tool answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    /// The result: JSON on stdout.
    pub(crate) result: Value,
    /// The progress.
    pub(crate) said: String,
}

impl Stage {
    /// An empty stage for the story of this name.
    pub(crate) async fn new(story: &str) -> anyhow::Result<Self> {
        BUILT.get_or_try_init(build).await?;
        let folder = tempfile::tempdir()?;
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/fixture/stack.yml");
        std::fs::copy(fixture, folder.path().join("stack.yml"))?;
        let stage = Self {
            stack: format!("ctltest-{story}"),
            folder,
        };
        stage.greet("hello")?;
        // What a story left that was broken off.
        stage.clear();
        Ok(stage)
    }

    /// Writes the file that becomes a config.
    pub(crate) fn greet(&self, words: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(self.folder.path().join("greeting.txt"), words)?)
    }

    /// Changes today's stack file.
    pub(crate) fn edit(&self, from: &str, to: &str) -> anyhow::Result<()> {
        let file = self.folder.path().join("stack.yml");
        let text = std::fs::read_to_string(&file)?;
        ensure!(text.contains(from), "the stack file has no '{from}'");
        Ok(std::fs::write(file, text.replace(from, to))?)
    }

    /// Writes a program that the tool can call, and answers its path.
    pub(crate) fn script(&self, text: &str) -> anyhow::Result<String> {
        let file = self.folder.path().join("check.sh");
        std::fs::write(&file, text)?;
        Ok(format!("sh {}", file.display()))
    }

    /// The tool, for this stack, patient enough for a busy machine.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stackctl"));
        for name in [
            "TAG",
            "ENV",
            "OVERLAYS",
            "DOMAIN",
            "WAIT",
            "STABLE",
            "SMOKE_COMMAND",
            "SMOKE_AT",
        ] {
            command.env_remove(name);
        }
        command
            .args(["--stack", &self.stack, "--output", "json", "--actor", "ann@test"])
            .args(arguments)
            .env("STACK_FILES", self.folder.path())
            .env("STABLE", "2")
            .env("NO_SMOKE", "true")
            .env("MIN_FREE_GB", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs the tool to its end.
    pub(crate) async fn ctl(&self, arguments: &[&str]) -> anyhow::Result<Answer> {
        Answer::of(self.command(arguments)).await
    }

    /// Deploys a tag and expects this exit status.
    pub(crate) async fn deploy(&self, tag: &str, code: i32) -> anyhow::Result<Answer> {
        let answer = self.ctl(&["deploy", "--tag", tag]).await?;
        ensure!(answer.code == code, "deploying {tag}: {answer:#?}");
        Ok(answer)
    }

    /// The images of a service's tasks that run, without what pins them.
    pub(crate) async fn running(&self, service: &str) -> anyhow::Result<Vec<String>> {
        let name = format!("{}_{service}", self.stack);
        let said = docker(&[
            "service",
            "ps",
            "--filter",
            "desired-state=running",
            "--format",
            "{{.Image}} {{.CurrentState}}",
            &name,
        ])
        .await?;
        let up = said.lines().filter(|line| line.contains(" Running "));
        let tag = |line: &str| Some(line.split_once(':')?.1.split(['.', ' ']).next()?.to_owned());
        Ok(up.filter_map(tag).collect())
    }

    /// One value of a service's specification, by Go's template.
    pub(crate) async fn inspect(&self, service: &str, template: &str) -> anyhow::Result<String> {
        let name = format!("{}_{service}", self.stack);
        Ok(docker(&["service", "inspect", "--format", template, &name])
            .await?
            .trim()
            .to_owned())
    }

    /// The ledger, oldest first.
    pub(crate) async fn ledger(&self) -> anyhow::Result<Vec<Value>> {
        let answer = self.ctl(&["releases", "--limit", "100"]).await?;
        answer.result.as_array().cloned().context("a list of releases")
    }

    /// Makes a version of a secret.
    pub(crate) async fn secret(&self, name: &str, version: u32) -> anyhow::Result<()> {
        let file = self.folder.path().join("greeting.txt");
        let (name, file) = (
            format!("{}_{name}_{version}", self.stack),
            file.to_str().context("a path")?,
        );
        docker(&["secret", "create", &name, file]).await?;
        Ok(())
    }

    /// Names of the stack's configs that are files.
    pub(crate) async fn configs(&self) -> anyhow::Result<Vec<String>> {
        let filter = format!("label=cloudtaskhub.config={}", self.stack);
        let said = docker(&["config", "ls", "--filter", &filter, "--format", "{{.Name}}"]).await?;
        Ok(said.lines().map(str::to_owned).collect())
    }

    /// Removes all that a story makes, images excepted.
    fn clear(&self) {
        let script = format!(
            "docker stack rm {0} >/dev/null 2>&1; \
             until [ -z \"$(docker ps -aq --filter label=com.docker.stack.namespace={0})\" ]; do sleep 0.2; done; \
             docker config ls --format '{{{{.Name}}}}' | grep '^{0}_' | xargs -r docker config rm >/dev/null; \
             docker secret ls --format '{{{{.Name}}}}' | grep '^{0}_' | xargs -r docker secret rm >/dev/null",
            self.stack
        );
        drop(std::process::Command::new("sh").args(["-c", &script]).status());
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Answer {
    /// Waits for its end.
    pub(crate) async fn of(mut command: Command) -> anyhow::Result<Self> {
        let output = command.output().await?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(Self {
            code: output.status.code().context("killed")?,
            result: serde_json::from_slice(&output.stdout).unwrap_or_default(),
            said,
        })
    }
}

/// Docker's command line.
pub(crate) async fn docker(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("docker")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "docker {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Waits until this is so.
pub(crate) async fn eventually(what: &str, mut is: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let waiting = async {
        loop {
            if is().await? {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), waiting)
        .await
        .with_context(|| format!("waited for: {what}"))?
}

async fn build() -> anyhow::Result<()> {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/fixture");
    let fixture = fixture.to_str().context("a path")?;
    for variant in VARIANTS {
        let (argument, web, store) = (
            format!("VARIANT={variant}"),
            format!("ctltest/web:{variant}"),
            format!("ctltest/store:{variant}"),
        );
        docker(&[
            "build",
            "--quiet",
            "--build-arg",
            &argument,
            "--tag",
            &web,
            "--tag",
            &store,
            fixture,
        ])
        .await?;
    }
    Ok(())
}
