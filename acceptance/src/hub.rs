//! A hub to tell stories to.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use reqwest::{Client, Url};
use tokio::process::{Child, Command};

use crate::{Answer, until};

/// A running hub, ours or somebody else's.
pub struct Hub {
    base: Url,
    client: Client,
    own: Option<Own>,
}

/// A hub that this story started.
struct Own {
    child: Child,
    internal: SocketAddr,
    data: PathBuf,
    _folder: Option<tempfile::TempDir>,
}

/// How to start a hub.
#[derive(Default)]
pub struct Start {
    data: Option<PathBuf>,
    variables: Vec<(String, String)>,
    missing: Vec<String>,
}

impl Start {
    /// In this folder, which outlives the hub.
    #[must_use]
    pub fn in_folder(mut self, data: &Path) -> Self {
        self.data = Some(data.to_owned());
        self
    }

    /// With an environment variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// As if this part of it were down: the name of a service, or `broker`.
    #[must_use]
    pub fn without(mut self, part: &str) -> Self {
        self.missing.push(part.to_owned());
        self
    }

    /// Starts it and waits until it is ready.
    pub async fn ready(self) -> Hub {
        let mut hub = self.begin();
        hub.until_ready().await;
        hub
    }

    /// Starts it and waits for nothing.
    pub fn begin(self) -> Hub {
        let (data, folder) = match self.data {
            Some(data) => (data, None),
            None => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                (folder.path().to_owned(), Some(folder))
            }
        };
        let (public, internal) = (free_address(), free_address());
        let mut command = command(&data, public.port());
        command
            .args(["--internal-port", &internal.port().to_string()])
            .args(self.missing.iter().flat_map(|part| ["--without", part]))
            .envs(self.variables)
            // A hub that tests start many times need not survive a power failure.
            .env("CLOUDTASKHUB_DATABASE__DURABLE", "false")
            // Its port changes with each start; tokens shall outlive that.
            .env("CLOUDTASKHUB_IDENTITY__ISSUER", "http://auth.localhost")
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let child = command.spawn().expect("the hub's binary starts");
        let base: Url = format!("http://gateway.localhost:{}", public.port())
            .parse()
            .expect("an address");
        Hub {
            client: client(&base),
            base,
            own: Some(Own {
                child,
                internal,
                data,
                _folder: folder,
            }),
        }
    }
}

/// The hub's command line, for stories about how it starts.
pub fn command(data: &Path, port: u16) -> Command {
    let mut command = binary();
    command
        .arg("serve")
        .args(["--port", &port.to_string()])
        .arg("--data")
        .arg(data);
    command
}

/// Carries out an operator's command on the folder of a hub; answers what it says.
///
/// # Panics
/// When it fails, showing why.
pub async fn operate(data: &Path, arguments: &[&str]) -> String {
    let output = binary().args(arguments).arg("--data").arg(data).output().await;
    let output = output.expect("the hub's binary starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {complaint}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn binary() -> Command {
    Command::new(std::env::var_os("HUB_BINARY").map_or_else(built_binary, PathBuf::from))
}

fn built_binary() -> PathBuf {
    // Beside the test's own binary: target/debug/deps/acceptance-… → target/debug/hub-under-test.
    let mut path = std::env::current_exe().expect("this program has a path");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.join("hub-under-test")
}

/// A port that nobody uses now.
fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

fn client(base: &Url) -> Client {
    let mut builder = Client::builder().timeout(Duration::from_secs(30)).no_proxy();
    let host = base.host_str().unwrap_or_default();
    let addresses = match std::env::var("HUB_ADDRESS") {
        Ok(list) => list
            .split(',')
            .map(|address| address.parse().expect("HUB_ADDRESS has addresses with ports"))
            .collect(),
        // RFC 6761: names under .localhost are the loopback address; not every resolver knows.
        Err(_) if host.ends_with(".localhost") => {
            vec![SocketAddr::from((
                Ipv4Addr::LOCALHOST,
                base.port_or_known_default().unwrap_or(80),
            ))]
        }
        Err(_) => Vec::new(),
    };
    if !addresses.is_empty() {
        for service in ["gateway", "auth", "project", "billing", "notification", "analytics"] {
            builder = builder.resolve_to_addrs(&host.replacen("gateway", service, 1), &addresses);
        }
    }
    builder.build().expect("an HTTP client")
}

impl Hub {
    /// The hub that `HUB_URL` names, or a new one.
    pub async fn any() -> Self {
        Self::any_or(Start::default()).await
    }

    /// The hub that `HUB_URL` names, or one that is started like this.
    ///
    /// # Panics
    /// When `HUB_URL` is no address, or is missing and this suite was built without a hub.
    pub async fn any_or(start: Start) -> Self {
        match std::env::var("HUB_URL") {
            Ok(url) => {
                let base: Url = url.parse().expect("HUB_URL is an address");
                Self {
                    client: client(&base),
                    base,
                    own: None,
                }
            }
            Err(_) if cfg!(feature = "own-hub") => start.ready().await,
            Err(_) => panic!("set HUB_URL to the gateway of a running hub: http://gateway.localhost:8080"),
        }
    }

    /// A new hub with nothing in it.
    pub async fn own() -> Self {
        Start::default().ready().await
    }

    /// Its gateway's address.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The HTTP client that finds its hosts.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The address of one of its hosts: `auth`.
    pub fn host(&self, service: &str) -> Url {
        let mut url = self.base.clone();
        let host = self.base.host_str().unwrap_or_default().replacen("gateway", service, 1);
        url.set_host(Some(&host)).expect("a host");
        url
    }

    /// Where its files are.
    ///
    /// # Panics
    /// When it is somebody else's.
    pub fn data(&self) -> &Path {
        &self.own.as_ref().expect("a hub of this story").data
    }

    /// Asks its internal port.
    pub async fn internal(&self, path: &str) -> Option<Answer> {
        let internal = self.own.as_ref().expect("a hub of this story").internal;
        Answer::of(self.client.get(format!("http://{internal}{path}")).send().await.ok()?).await
    }

    async fn until_ready(&mut self) {
        until("the hub is ready", async || {
            let ready = self
                .internal("/readyz")
                .await
                .is_some_and(|answer| answer.status == 200);
            ready.then_some(())
        })
        .await;
    }

    /// Ends it as Ctrl-C does; answers how it ended.
    pub async fn interrupt(mut self) -> ExitStatus {
        let own = self.own.as_mut().expect("a hub of this story");
        let pid = own.child.id().expect("it runs").to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .await
                .expect("kill")
                .success()
        );
        tokio::time::timeout(crate::PATIENCE, own.child.wait())
            .await
            .expect("it ends")
            .expect("it can be waited for")
    }

    /// Ends it as a power failure does.
    pub async fn kill(mut self) {
        self.own
            .as_mut()
            .expect("a hub of this story")
            .child
            .kill()
            .await
            .expect("it can be killed");
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let own = self.own.as_mut().expect("a hub of this story");
        tokio::time::timeout(crate::PATIENCE, own.child.wait())
            .await
            .expect("it ends")
            .expect("it can be waited for")
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        let own = self.own.as_mut().expect("a hub of this story");
        own.child.try_wait().expect("it can be asked").is_none()
    }
}
