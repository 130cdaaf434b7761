//! Runs `examples/sample.rs` as a process, and speaks to it over real sockets.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// `examples/sample.rs`, which `cargo test` builds beside this test.
pub(crate) fn sample() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let built = tests.ancestors().nth(2).unwrap().join("examples/sample");
    assert!(
        built.exists(),
        "build it first: cargo build -p chassis --example sample"
    );
    built
}

pub(crate) fn command(folder: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(sample());
    let database = format!("sqlite://{}?mode=rwc", folder.join("sample.db").display());
    command
        .env_clear()
        .env("CLOUDTASKHUB_HTTP__LISTEN", "127.0.0.1:0")
        .env("CLOUDTASKHUB_HTTP__INTERNAL_LISTEN", "127.0.0.1:0")
        .env("CLOUDTASKHUB_DATABASE__URL", database)
        .env("CLOUDTASKHUB_BROKER__BOOTSTRAP", "embedded")
        .env("CLOUDTASKHUB_PROCESS__DRAIN_MS", "0")
        .envs(
            settings
                .iter()
                .map(|(name, value)| (format!("CLOUDTASKHUB_{name}"), *value)),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs it to its end.
pub(crate) fn run(folder: &Path, settings: &[(&str, &str)]) -> Output {
    command(folder, settings).output().unwrap()
}

pub(crate) fn stderr(output: &Output) -> Vec<String> {
    String::from_utf8(output.stderr.clone())
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// A process that has told that it is ready.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) public: SocketAddr,
    pub(crate) internal: SocketAddr,
    log: Vec<Value>,
    rest: BufReader<std::process::ChildStdout>,
    _folder: TempDir,
}

impl Running {
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_in(settings, &[])
    }

    /// With other variables than settings, too.
    #[expect(clippy::zombie_processes, reason = "Drop waits for it")]
    pub(crate) fn start_in(settings: &[(&str, &str)], environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(folder.path(), settings);
        let mut child = command.envs(environment.iter().copied()).spawn().unwrap();
        let mut rest = BufReader::new(child.stdout.take().unwrap());
        let mut log = Vec::new();
        loop {
            let mut line = String::new();
            if rest.read_line(&mut line).unwrap() == 0 {
                let output = child.wait_with_output().unwrap();
                panic!("it ended before it was ready: {:?} {log:?}", stderr(&output));
            }
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
            log.push(line);
            let line = log.last().unwrap();
            if line["message"] == "ready" {
                let address = |name: &str| line[name].as_str().unwrap().parse().unwrap();
                let (public, internal) = (address("public"), address("internal"));
                return Self {
                    child,
                    public,
                    internal,
                    log,
                    rest,
                    _folder: folder,
                };
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit code, and the rest of its log.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<Value>) {
        let mut text = String::new();
        self.rest.read_to_string(&mut text).unwrap();
        let code = self.child.wait().unwrap().code();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")));
        self.log.extend(lines);
        (code, std::mem::take(&mut self.log))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After a failed test; one that has ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request; the connection, at the start of the answer.
pub(crate) fn open(address: SocketAddr, request: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: sample.localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    BufReader::new(stream)
}

/// Status and body of `GET path`.
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut text = String::new();
    open(address, &format!("GET {path}")).read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

pub(crate) fn until(mut read: impl BufRead, word: &str) -> String {
    let mut text = String::new();
    while !text.contains(word) {
        assert_ne!(
            read.read_line(&mut text).unwrap(),
            0,
            "it ended without {word:?}: {text}"
        );
    }
    text
}

pub(crate) fn until_true(mut condition: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(
            std::time::Instant::now() < end,
            "what the test waits for did not happen"
        );
        std::thread::yield_now();
    }
}
