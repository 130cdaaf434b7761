//! Somebody who uses the hub.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use reqwest::{Client, Method, RequestBuilder, Url};
use serde_json::{Value, json};

use crate::{Hub, PATIENCE, stream::Stream, until};

/// Every demo person's password.
pub const PASSWORD: &str = "correct horse battery staple";

/// An answer, read to its end.
#[derive(Debug)]
#[must_use]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON body, or null.
    pub json: Value,
    /// Body as text.
    pub text: String,
    headers: reqwest::header::HeaderMap,
}

impl Answer {
    /// Reads an answer; `None` when it broke off.
    pub async fn of(response: reqwest::Response) -> Option<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.ok()?;
        Some(Self {
            status,
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
            headers,
        })
    }

    /// The body, of an answer that must have this status.
    ///
    /// # Panics
    /// When it has another, showing the body.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The kind of problem: `task-not-found`.
    ///
    /// # Panics
    /// When it is no problem with a trace id.
    pub fn problem(&self) -> &str {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}",
            self.text
        );
        assert!(self.json["trace_id"].is_string(), "{}", self.text);
        self.json["type"]
            .as_str()
            .and_then(|kind| kind.strip_prefix("urn:cloudtaskhub:problem:"))
            .expect("a kind")
    }
}

/// Somebody with an account, or without.
#[derive(Clone)]
pub struct Person {
    client: Client,
    base: Url,
    /// Address.
    pub email: String,
    /// `usr_…`; empty without an account.
    pub id: String,
    /// Name for mentions.
    pub handle: String,
    /// Access token; empty when not signed in.
    pub token: String,
    /// Refresh token.
    pub refresh_token: String,
}

impl Person {
    /// Somebody whom the hub does not know, with an address nobody else has.
    pub fn stranger(hub: &Hub, name: &str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        Self {
            client: hub.client().clone(),
            base: hub.base().clone(),
            email: format!("{name}.{now:x}.{number}@example.com"),
            id: String::new(),
            handle: String::new(),
            token: String::new(),
            refresh_token: String::new(),
        }
    }

    /// Somebody with a new account, signed in.
    pub async fn join(hub: &Hub, name: &str) -> Self {
        let mut person = Self::stranger(hub, name);
        person.register().await;
        person
    }

    /// Goes on at another hub (or the same, started again).
    pub fn move_to(&mut self, hub: &Hub) {
        self.client = hub.client().clone();
        self.base = hub.base().clone();
    }

    /// Opens an account and signs in.
    pub async fn register(&mut self) {
        let name = self.email.split('.').next().unwrap_or_default().to_owned();
        let body = json!({ "email": self.email, "password": PASSWORD, "display_name": name });
        let user = self.post("/v1/auth/register", body).await.expect(201);
        self.id = user["id"].as_str().expect("an id").to_owned();
        self.handle = user["handle"].as_str().expect("a handle").to_owned();
        self.sign_in().await;
    }

    /// Signs in.
    pub async fn sign_in(&mut self) {
        let body = json!({ "email": self.email, "password": PASSWORD });
        let session = self.post("/v1/auth/login", body).await.expect(200);
        self.token = session["access_token"].as_str().expect("an access token").to_owned();
        self.refresh_token = session["refresh_token"].as_str().expect("a refresh token").to_owned();
    }

    /// Gets a fresh access token.
    pub async fn refresh(&mut self) {
        let body = json!({ "refresh_token": self.refresh_token });
        let session = self.post("/v1/auth/refresh", body).await.expect(200);
        self.token = session["access_token"].as_str().expect("an access token").to_owned();
        self.refresh_token = session["refresh_token"].as_str().expect("a refresh token").to_owned();
    }

    /// Sends a request to the gateway, or to another host when `path` is an address.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let answer = self.try_send(method, path, headers, body).await;
        answer.unwrap_or_else(|| panic!("{method} {path} was not answered"))
    }

    /// As [`Person::send`]; `None` when no answer comes. Waits as long as a rate limit asks for, since all stories at one
    /// hub may come from one address, or a hub that is short of something. Asks again when a router in front of the hub
    /// had nobody to pass the request on to.
    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Option<Answer> {
        let begun = Instant::now();
        loop {
            let mut request = self.request(method, path, headers);
            if let Some(body) = &body {
                request = request.json(body);
            }
            let answer = Answer::of(request.send().await.ok()?).await?;
            let asked = answer.header("retry-after").and_then(|wait| wait.parse().ok());
            let wait = match (answer.status, asked) {
                (429, asked) => Duration::from_secs(asked.expect("a limit says how long to wait")),
                (503, _) if begun.elapsed() > PATIENCE => return Some(answer),
                (503, Some(wait)) => Duration::from_secs(wait),
                // Not the hub's: what it refuses is a problem in JSON.
                (503, None) if answer.json.is_null() => Duration::from_millis(250),
                _ => return Some(answer),
            };
            tokio::time::sleep(wait).await;
        }
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> RequestBuilder {
        let url = self.base.join(path).expect("a path");
        let mut request = self
            .client
            .request(Method::from_bytes(method.as_bytes()).expect("a method"), url);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
    }

    /// Posts a file.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn upload(&self, path: &str, kind: &str, file: impl Into<String>) -> Answer {
        let answer = self.try_upload(path, kind, file).await;
        answer.unwrap_or_else(|| panic!("POST {path} was not answered"))
    }

    /// As [`Person::upload`]; `None` when no answer comes.
    pub async fn try_upload(&self, path: &str, kind: &str, file: impl Into<String>) -> Option<Answer> {
        let request = self.request("POST", path, &[("Content-Type", kind)]).body(file.into());
        Answer::of(request.send().await.ok()?).await
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).await
    }

    /// `POST`
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &[], Some(body)).await
    }

    /// `DELETE`
    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], None).await
    }

    /// Makes a project; answers its id.
    pub async fn create_project(&self, name: &str) -> String {
        let made = self.post("/v1/projects", json!({ "name": name })).await.expect(201);
        made["id"].as_str().expect("an id").to_owned()
    }

    /// Makes a task; answers it.
    pub async fn create_task(&self, project: &str, task: Value) -> Value {
        self.post(&format!("/v1/projects/{project}/tasks"), task)
            .await
            .expect(201)
    }

    /// Finishes a task.
    pub async fn finish(&self, task: &Value) {
        let path = format!("/v1/tasks/{}", task["id"].as_str().expect("an id"));
        let tag = self.get(&path).await.header("etag").expect("an etag").to_owned();
        let body = Some(json!({ "status": "done" }));
        self.send("PATCH", &path, &[("If-Match", &tag)], body).await.expect(200);
    }

    /// Orders a plan by the month; answers the order's id. The same `key` is the same order.
    pub async fn order(&self, plan: &str, seats: u32, key: &str) -> String {
        let body = json!({ "plan": plan, "seats": seats, "interval": "month" });
        let accepted = self
            .send("POST", "/v1/orders", &[("Idempotency-Key", key)], Some(body))
            .await
            .expect(202);
        accepted["id"].as_str().expect("an id").to_owned()
    }

    /// Waits until an order has come to its end, and answers it.
    pub async fn order_ended(&self, order: &str) -> Value {
        until("the order has ended", async || {
            let order = self.get(&format!("/v1/orders/{order}")).await.expect(200);
            let ended = order["status"] == "completed" || order["status"] == "failed";
            ended.then_some(order)
        })
        .await
    }

    /// Brings somebody into a project, and waits until they are in it: their account may be news to the project service.
    pub async fn bring_in(&self, project: &str, other: &Person, role: &str) {
        let body = json!({ "email": other.email, "role": role });
        self.post(&format!("/v1/projects/{project}/members"), body)
            .await
            .expect(201);
        until("the new member sees the project", async || {
            (other.get(&format!("/v1/projects/{project}")).await.status == 200).then_some(())
        })
        .await;
    }

    /// Waits for a notification of this type and answers it.
    pub async fn notified(&self, kind: &str) -> Value {
        until(&format!("{} is notified of {kind}", self.email), async || {
            let list = self.get("/v1/notifications").await.expect(200);
            list["items"]
                .as_array()?
                .iter()
                .find(|item| item["type"] == kind)
                .cloned()
        })
        .await
    }

    /// Opens the live stream.
    pub async fn stream(&self, last_event_id: Option<&str>) -> Stream {
        let url = self.base.join("/v1/stream").expect("a path");
        let mut request = self
            .client
            .get(url)
            .bearer_auth(&self.token)
            .timeout(Duration::from_secs(600));
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().await.expect("the stream is answered");
        assert_eq!(response.status().as_u16(), 200);
        Stream::new(response)
    }
}
