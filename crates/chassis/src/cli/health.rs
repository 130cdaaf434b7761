//! `healthcheck`: what the container asks, without a shell or an HTTP client in the image.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use figment::Figment;

use crate::settings::Source;

const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the process on this machine.
pub(super) fn check(figment: &Figment, live: bool) -> anyhow::Result<String> {
    let mut source = Source::new(figment);
    let address: Option<SocketAddr> = source.parsed("http.internal_listen", "an address like 0.0.0.0:9090");
    let address = address.ok_or_else(|| anyhow::anyhow!(source.mistakes().join("; ")))?;
    let path = if live { "/livez" } else { "/readyz" };
    let answer = ask(reachable(address), path).map_err(|error| anyhow::anyhow!("no answer from {address}: {error}"))?;
    let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
    let body = answer
        .split_once("\r\n\r\n")
        .map_or("", |(_, body)| body)
        .trim()
        .to_owned();
    anyhow::ensure!(status == "200", "{path} answered {status}: {body}");
    Ok(body)
}

/// "All addresses" can be listened on, not connected to.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    // Bounded: whatever listens there may not be ours.
    stream.take(64 * 1024).read_to_string(&mut answer)?;
    Ok(answer)
}
