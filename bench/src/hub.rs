//! The hub under test: its own process, its own folder, its own port.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::process::{Child, Command};

use crate::client::Client;

pub(crate) struct Hub {
    pub(crate) address: SocketAddr,
    pub(crate) ready_after: Duration,
    internal: SocketAddr,
    child: Child,
    _data: Option<tempfile::TempDir>,
}

/// How a hub differs from one that a user would start.
#[derive(Default)]
pub(crate) struct Conditions<'a> {
    /// A part that is down.
    pub(crate) without: Option<&'a str>,
    /// Whether webhooks may have targets on this machine.
    pub(crate) local_targets: bool,
}

impl Hub {
    /// One with nothing in it.
    pub(crate) async fn start(binary: &Path, conditions: &Conditions<'_>) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let hub = Self::start_in(binary, data.path(), conditions).await?;
        Ok(Self {
            _data: Some(data),
            ..hub
        })
    }

    /// One in a folder that outlives it.
    pub(crate) async fn start_in(binary: &Path, data: &Path, conditions: &Conditions<'_>) -> anyhow::Result<Self> {
        let address = free_address()?;
        let internal = free_address()?;
        let begun = Instant::now();
        let child = Command::new(binary)
            .arg("serve")
            .args(["--port", &address.port().to_string()])
            .args(["--internal-port", &internal.port().to_string()])
            .arg("--data")
            .arg(data)
            .args(conditions.without.into_iter().flat_map(|part| ["--without", part]))
            .env(
                "CLOUDTASKHUB_NOTIFICATION__WEBHOOKS__ALLOW_PRIVATE_TARGETS",
                conditions.local_targets.to_string(),
            )
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started; build it with `make bench`", binary.display()))?;
        let mut hub = Self {
            address,
            ready_after: Duration::ZERO,
            internal,
            child,
            _data: None,
        };
        while !hub.is_ready().await {
            anyhow::ensure!(hub.child.try_wait()?.is_none(), "the hub ended before it was ready");
            anyhow::ensure!(
                begun.elapsed() < Duration::from_secs(60),
                "the hub was not ready after a minute"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        hub.ready_after = begun.elapsed();
        Ok(hub)
    }

    async fn is_ready(&self) -> bool {
        match Client::connect(self.internal).await {
            Ok(mut client) => client
                .call("GET", "/readyz", "", None)
                .await
                .is_ok_and(|(status, _)| status.is_success()),
            Err(_) => false,
        }
    }

    /// Waits until no event waits to be published, and answers how long that took.
    pub(crate) async fn drained(&self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let mut client = Client::connect(self.internal).await?;
        loop {
            let (_, body) = client.call("GET", "/metrics", "", None).await?;
            let text = String::from_utf8_lossy(&body).into_owned();
            let waiting: f64 = text
                .lines()
                .filter(|line| line.starts_with("outbox_pending") || line.starts_with("consumer_lag"))
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum();
            if waiting == 0.0 {
                return Ok(begun.elapsed());
            }
            anyhow::ensure!(
                begun.elapsed() < Duration::from_secs(120),
                "{waiting} events still wait after two minutes"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Resident memory, by the kernel's account.
    pub(crate) fn resident_mb(&self) -> anyhow::Result<f64> {
        self.memory_mb("VmRSS:")
    }

    /// The most resident memory that it ever had.
    pub(crate) fn peak_mb(&self) -> anyhow::Result<f64> {
        self.memory_mb("VmHWM:")
    }

    /// A line of proc_pid_status(5).
    fn memory_mb(&self, name: &str) -> anyhow::Result<f64> {
        let pid = self.child.id().context("the hub ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .with_context(|| format!("no {name}"))?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib / 1024.0)
    }

    /// Stops it as Ctrl-C does.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let pid = self.child.id().context("the hub ended")?;
        let sent = Command::new("kill").args(["-INT", &pid.to_string()]).status().await?;
        anyhow::ensure!(sent.success(), "the hub could not be told to stop");
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait())
            .await
            .context("the hub did not stop")??;
        anyhow::ensure!(ended.success(), "the hub ended with {ended}");
        Ok(())
    }
}

pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
