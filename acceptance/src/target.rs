//! An endpoint that receives webhooks, on this machine. `TARGET_HOST` is where a hub elsewhere finds it.

use std::{
    collections::VecDeque,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_STANDARD};
use poem::{
    Request, Response, Server,
    endpoint::make,
    http::{HeaderMap, StatusCode},
    listener::TcpAcceptor,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::until;

/// A message that arrived.
#[derive(Debug, Clone)]
pub struct Message {
    headers: HeaderMap,
    body: String,
}

impl Message {
    /// A header; empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The body.
    ///
    /// # Panics
    /// When it is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a message is JSON")
    }

    /// Whether one of its signatures is by `secret`, as <https://www.standardwebhooks.com> wants it verified.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let key = secret
            .strip_prefix("whsec_")
            .and_then(|key| BASE64_STANDARD.decode(key).ok());
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key.expect("a secret is whsec_ and base64"));
        let (id, timestamp) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let signed = format!("{id}.{timestamp}.{}", self.body);
        self.header("webhook-signature").split(' ').any(|signature| {
            let tag = signature
                .strip_prefix("v1,")
                .and_then(|tag| BASE64_STANDARD.decode(tag).ok());
            tag.is_some_and(|tag| hmac::verify(&key, signed.as_bytes(), &tag).is_ok())
        })
    }
}

#[derive(Default)]
struct Shared {
    answers: Mutex<VecDeque<StatusCode>>,
    messages: Mutex<Vec<Message>>,
}

/// The endpoint; it ends when it is dropped.
pub struct Target {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Target {
    /// One that answers the first messages as told, and then 204.
    ///
    /// # Panics
    /// When this machine has no free port, or a status is none.
    pub async fn answering(answers: &[u16]) -> Self {
        let answers = answers
            .iter()
            .map(|code| StatusCode::from_u16(*code).expect("a status"));
        let shared = Arc::new(Shared {
            answers: Mutex::new(answers.collect()),
            messages: Mutex::default(),
        });
        let (bound, host) = match std::env::var("TARGET_HOST") {
            Ok(host) => (Ipv4Addr::UNSPECIFIED, host),
            Err(_) => (Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST.to_string()),
        };
        let listener = TcpListener::bind((bound, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let url = format!("http://{host}:{port}/hooks");
        let acceptor = TcpAcceptor::from_tokio(listener).expect("a listener");
        let ours = Arc::clone(&shared);
        let endpoint = make(move |request| take(request, Arc::clone(&ours)));
        #[expect(clippy::disallowed_methods, reason = "ends with the target")]
        let task = tokio::spawn(async move {
            let ended = Server::new_with_acceptor(acceptor).run(endpoint).await;
            ended.expect("the target serves until it is dropped");
        });
        Self { url, shared, task }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What has arrived, in order.
    pub fn messages(&self) -> Vec<Message> {
        let messages = self.shared.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.clone()
    }

    /// Waits until so many messages have arrived, and answers them.
    pub async fn got(&self, count: usize) -> Vec<Message> {
        until(&format!("{count} messages have arrived"), async || {
            Some(self.messages()).filter(|messages| messages.len() >= count)
        })
        .await
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(mut request: Request, shared: Arc<Shared>) -> poem::Result<Response> {
    let body = request.take_body().into_string().await?;
    let message = Message {
        headers: request.headers().clone(),
        body,
    };
    // Answer and message belong together, whoever comes at the same time.
    let mut answers = shared.answers.lock().unwrap_or_else(PoisonError::into_inner);
    let mut messages = shared.messages.lock().unwrap_or_else(PoisonError::into_inner);
    messages.push(message);
    Ok(answers.pop_front().unwrap_or(StatusCode::NO_CONTENT).into())
}
