//! One keep-alive connection to the hub, with as little between it and the socket as HTTP allows.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

pub(crate) struct Client {
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        #[expect(clippy::disallowed_methods, reason = "ends with the connection")]
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                report_lost(&error);
            }
        });
        Ok(Self { sender })
    }

    /// Sends one request and answers when its head has come.
    pub(crate) async fn open(
        &mut self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<hyper::Response<Incoming>> {
        let request = request(method, path, token);
        let request = match body {
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::new(Bytes::from(serde_json::to_vec(body)?)))?,
            None => request.body(Full::new(Bytes::new()))?,
        };
        self.send(request).await
    }

    /// Sends a request of [`request`] and answers when its head has come.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<hyper::Response<Incoming>> {
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }

    /// Sends one request and reads the whole answer.
    pub(crate) async fn call(
        &mut self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let answer = self.open(method, path, token, body).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    /// As [`Client::call`], waiting while a rate limit says so.
    pub(crate) async fn until_allowed(
        &mut self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        for _ in 0..120 {
            let answer = self.open(method, path, token, body).await?;
            let status = answer.status();
            let wait = answer
                .headers()
                .get(header::RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok());
            let bytes = answer.into_body().collect().await?.to_bytes();
            if status == StatusCode::TOO_MANY_REQUESTS {
                tokio::time::sleep(Duration::from_secs(wait.unwrap_or(1))).await;
                continue;
            }
            if !status.is_success() {
                bail!("{method} {path} answered {status}: {}", String::from_utf8_lossy(&bytes));
            }
            return serde_json::from_slice(&bytes).with_context(|| format!("{method} {path} answered no JSON"));
        }
        bail!("{method} {path} was throttled for two minutes")
    }
}

/// A request to the gateway that has no body yet.
pub(crate) fn request(method: &str, path: &str, token: &str) -> hyper::http::request::Builder {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "gateway.localhost");
    match token {
        "" => request,
        token => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
    }
}

/// The whole of an answer that must be a success with JSON.
pub(crate) async fn read(answer: hyper::Response<Incoming>) -> anyhow::Result<Value> {
    let status = answer.status();
    let bytes = answer.into_body().collect().await?.to_bytes();
    anyhow::ensure!(
        status.is_success(),
        "answered {status}: {}",
        String::from_utf8_lossy(&bytes)
    );
    serde_json::from_slice(&bytes).context("answered no JSON")
}

#[expect(clippy::print_stderr, reason = "the benchmark's own log")]
fn report_lost(error: &hyper::Error) {
    eprintln!("a connection was lost: {error}");
}
