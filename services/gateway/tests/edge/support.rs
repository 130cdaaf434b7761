//! A gateway on a free port, services that do as a test says, and users with tokens.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::{
    Assembled, Clock, Configured, Settings, Tasks,
    process::Server,
    settings::{self, Core},
};
use contracts::{
    Envelope, Event, EventId, Timestamp,
    id::{SessionId, UserId},
};
use database::{Db, Options};
use figment::{
    Figment,
    providers::{Format, Toml},
};
use gateway::{Gateway, settings::GatewaySettings};
use identity::{Claims, KeySource, Role, Scope, Verifier};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::JwkSet};
use messaging::{
    inbox::{Intake, Outcome},
    message::Message,
    worker::{Progress, Worker},
};
use poem::{Body, Endpoint, EndpointExt, Request, Response, http::StatusCode};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a test waits for what must happen.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) const SECRET: &str = "a secret that gateway and auth share";

/// Serves `endpoint` on a free port, as every service is served, until the tasks are dropped.
pub(crate) fn serve(
    tasks: &mut JoinSet<()>,
    http: &settings::Http,
    endpoint: impl Endpoint<Output = Response> + 'static,
) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(Server::new(http, SOON).serve(listener, endpoint, CancellationToken::new()));
    address
}

/// The settings of a gateway in front of services at these addresses.
fn configured(services: &[(&str, SocketAddr)], settings: &str) -> Configured<Gateway> {
    let mut figment = Figment::from(Toml::string(Core::DEFAULTS))
        .merge(Toml::string(GatewaySettings::DEFAULTS))
        .merge(("database.url", "sqlite://elsewhere"))
        .merge(("broker.bootstrap", "embedded"))
        .merge(("identity.introspection_secret", SECRET));
    for name in gateway::settings::UPSTREAMS {
        let given = services.iter().find(|(service, _)| *service == name);
        let address = given.map_or_else(nowhere, |(_, address)| *address);
        figment = figment.merge((format!("gateway.upstreams.{name}.url"), format!("http://{address}")));
    }
    let configured = Configured::read(&figment.merge(Toml::string(settings)));
    configured.map_err(|wrong| wrong.join("\n")).unwrap()
}

/// An address where nobody listens.
pub(crate) fn nowhere() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// A service behind the gateway.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    calls: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Service {
    /// Answers as `answer` says.
    pub(crate) fn answering<F, R>(answer: F) -> Self
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: Future<Output = Response> + Send + 'static,
    {
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let endpoint = poem::endpoint::make(move |request: Request| {
            counter.fetch_add(1, Ordering::SeqCst);
            let answer = answer(request);
            async move { Ok::<_, poem::Error>(answer.await) }
        });
        let mut tasks = JoinSet::new();
        Self {
            address: serve(&mut tasks, &configured(&[], "").core.http, endpoint),
            calls,
            _tasks: tasks,
        }
    }

    /// Answers every request with what it was: method, path, headers, body.
    pub(crate) fn echoing() -> Self {
        Self::answering(|mut request| async move {
            let headers: Vec<(String, String)> = request
                .headers()
                .iter()
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect();
            let body = request.take_body().into_bytes().await.unwrap_or_default();
            let path = request.uri().path_and_query().map(ToString::to_string);
            json_answer(&json!({
                "method": request.method().as_str(), "path": path, "headers": headers, "body": String::from_utf8_lossy(&body),
            }))
        })
    }

    /// Answers with each of `statuses` in turn, then with the last of them for ever.
    pub(crate) fn with_statuses(statuses: &'static [u16]) -> Self {
        let next = AtomicUsize::new(0);
        Self::answering(move |_| {
            let turn = next.fetch_add(1, Ordering::SeqCst).min(statuses.len() - 1);
            async move { StatusCode::from_u16(statuses[turn]).unwrap().into() }
        })
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

pub(crate) fn json_answer(value: &Value) -> Response {
    Response::builder()
        .content_type("application/json")
        .body(value.to_string())
}

/// A stand-in for auth: introspects what a test gave out.
pub(crate) struct Auth {
    pub(crate) service: Service,
    tokens: Arc<Mutex<HashMap<String, Value>>>,
    down: Arc<AtomicBool>,
}

impl Auth {
    pub(crate) fn start() -> Self {
        let tokens: Arc<Mutex<HashMap<String, Value>>> = Arc::default();
        let down = Arc::new(AtomicBool::new(false));
        let (known, out) = (Arc::clone(&tokens), Arc::clone(&down));
        let service = Service::answering(move |mut request| {
            let (known, out) = (Arc::clone(&known), Arc::clone(&out));
            async move {
                if out.load(Ordering::SeqCst) {
                    return StatusCode::SERVICE_UNAVAILABLE.into();
                }
                if request.uri().path() != "/v1/auth/introspect" {
                    return json_answer(&json!({"id": "me", "authorization": request.header("authorization")}));
                }
                if request.header("authorization") != Some(&format!("Bearer {SECRET}")) {
                    return StatusCode::UNAUTHORIZED.into();
                }
                let form = request.take_body().into_string().await.unwrap();
                let answer = form
                    .strip_prefix("token=")
                    .and_then(|token| known.lock().unwrap().get(token).cloned());
                json_answer(&answer.unwrap_or_else(|| json!({"active": false})))
            }
        });
        Self { service, tokens, down }
    }

    pub(crate) fn know(&self, token: &str, answer: Value) {
        self.tokens.lock().unwrap().insert(token.to_owned(), answer);
    }

    pub(crate) fn forget(&self, token: &str) {
        self.tokens.lock().unwrap().remove(token);
    }

    pub(crate) fn go_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }
}

struct Keys(JwkSet);

#[async_trait::async_trait]
impl KeySource for Keys {
    async fn keys(&self) -> Result<JwkSet, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.clone())
    }
}

/// A user with a session and its access token.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) session: SessionId,
    pub(crate) token: String,
}

/// A gateway that runs.
pub(crate) struct Edge {
    pub(crate) address: SocketAddr,
    pub(crate) auth: Auth,
    pub(crate) clock: Clock,
    pub(crate) db: Db,
    pub(crate) stop: CancellationToken,
    pub(crate) client: reqwest::Client,
    intake: Intake,
    metrics: Registry,
    key: EncodingKey,
    /// The same with its public half, PKCS #8.
    keys: Vec<u8>,
    _tasks: JoinSet<()>,
    folder: tempfile::TempDir,
}

impl Edge {
    /// In front of services at these addresses; the others are not there.
    pub(crate) async fn in_front_of(services: &[(&str, SocketAddr)]) -> Self {
        Self::with(services, "").await
    }

    /// With settings of its own.
    pub(crate) async fn with(services: &[(&str, SocketAddr)], settings: &str) -> Self {
        let auth = Auth::start();
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/gateway.db?mode=rwc", folder.path().display());
        let mut options = Options::new(url);
        options.durable = false;
        let db = Db::open(&options).await.unwrap();
        database::migrate(&db, &chassis::migrations::<Gateway>()).await.unwrap();
        let keys = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
        Self::on(auth, folder, db, keys.as_ref().to_vec(), services, settings).await
    }

    /// Another process on the same data, in front of other services; its users stay signed in.
    pub(crate) async fn again_in_front_of(self, services: &[(&str, SocketAddr)]) -> Self {
        let Self {
            auth, db, keys, folder, ..
        } = self;
        Self::on(auth, folder, db, keys, services, "").await
    }

    async fn on(
        auth: Auth,
        folder: tempfile::TempDir,
        db: Db,
        keys: Vec<u8>,
        services: &[(&str, SocketAddr)],
        settings: &str,
    ) -> Self {
        let own = [services, &[("auth", auth.service.address)]].concat();
        let configured = configured(&own, settings);
        let http = configured.core.http.clone();

        let pair = Ed25519KeyPair::from_pkcs8(&keys).unwrap();
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let published = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "test", "x": public}]});
        let published = Keys(serde_json::from_value(published).unwrap());
        let verifier = Arc::new(Verifier::new(published, "http://auth.localhost:8080", "cloudtaskhub"));

        let (clock, stop) = (Clock::system(), CancellationToken::new());
        let tasks = Tasks::new("gateway");
        let assembled = Assembled::new(
            configured,
            db,
            clock.clone(),
            verifier,
            Registry::default(),
            tasks,
            stop.clone(),
        );
        let assembled = assembled.await.unwrap();
        let mut tasks = JoinSet::new();
        let address = serve(&mut tasks, &http, assembled.endpoint.map_to_response());
        for (worker, pace) in assembled.workers {
            let (mut worker, stop): (Box<dyn Worker>, _) = (worker, stop.clone());
            tasks.spawn(async move {
                let progress = Progress::new(worker.name());
                messaging::worker::run(worker.as_mut(), pace, progress, stop).await;
            });
        }
        Self {
            address,
            auth,
            clock,
            db: assembled.db.clone(),
            stop,
            client: reqwest::Client::builder()
                .timeout(Duration::from_secs(30))
                .no_proxy()
                .build()
                .unwrap(),
            intake: Intake::new(assembled.db, "gateway", "0.0.0", assembled.reactions),
            metrics: assembled.metrics,
            key: EncodingKey::from_ed_der(&keys),
            keys,
            _tasks: tasks,
            folder,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A user who signed in.
    pub(crate) fn user(&self) -> User {
        let (id, session) = (UserId::new(), SessionId::new());
        let token = self.sign(id, Some(session), None);
        let exp = Timestamp::now().as_seconds() + 600;
        self.auth.know(
            &token,
            json!({"active": true, "sub": id, "sid": session, "role": "user", "plan": "free", "exp": exp}),
        );
        User { id, session, token }
    }

    pub(crate) fn sign(&self, user: UserId, session: Option<SessionId>, scopes: Option<Vec<Scope>>) -> String {
        let now = Timestamp::now().as_seconds();
        let claims = Claims {
            iss: "http://auth.localhost:8080".to_owned(),
            aud: "cloudtaskhub".to_owned(),
            sub: user,
            sid: session,
            pat: None,
            role: Role::User,
            plan: "free".to_owned(),
            scopes,
            iat: now,
            exp: now + 600,
        };
        let header = Header {
            kid: Some("test".to_owned()),
            ..Header::new(Algorithm::EdDSA)
        };
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }

    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub(crate) async fn get(&self, user: &User, path: &str) -> Answer {
        Answer::of(
            self.client
                .get(self.url(path))
                .bearer_auth(&user.token)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn post(&self, user: &User, path: &str, body: &Value) -> Answer {
        let request = self.client.post(self.url(path)).bearer_auth(&user.token);
        Answer::of(
            request
                .header("content-type", "application/json")
                .body(body.to_string())
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    /// Hears `event`, as if the broker brought it.
    pub(crate) async fn hear<E: Event>(&self, event: &E) -> EventId {
        let id = EventId::new();
        let envelope = Envelope {
            id,
            source: format!("/services/{}", E::TOPIC.publisher()),
            event_type: E::TYPE.to_owned(),
            time: Timestamp::now(),
            subject: event.key(),
            causation_id: None,
            traceparent: None,
            tracestate: None,
        };
        let value = serde_json::to_vec(event).unwrap();
        let message = Message::of(&envelope, E::TOPIC.name(), value);
        let outcomes = self.intake.take(&[message], 1).await.unwrap();
        assert_eq!(outcomes, [Outcome::Applied]);
        id
    }

    /// What `/metrics` would show.
    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.metrics).unwrap();
        text
    }
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self {
            status,
            headers,
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The kind of problem.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let kind = self.json()["type"].as_str().unwrap().to_owned();
        kind.strip_prefix("urn:cloudtaskhub:problem:").unwrap().to_owned()
    }

    /// Header values that an echoing service saw.
    pub(crate) fn seen(&self, name: &str) -> Vec<String> {
        let headers = self.json()["headers"].as_array().unwrap().clone();
        let named = headers.iter().filter(|pair| pair[0] == name);
        named.map(|pair| pair[1].as_str().unwrap().to_owned()).collect()
    }
}

/// A body that is made while it is sent: `chunks` of `size` bytes.
pub(crate) fn generated(
    chunks: usize,
    size: usize,
) -> impl futures_util::Stream<Item = Result<bytes::Bytes, std::io::Error>> {
    let chunk = bytes::Bytes::from(vec![b'x'; size]);
    futures_util::stream::iter((0..chunks).map(move |_| Ok(chunk.clone())))
}

pub(crate) fn body(
    stream: impl futures_util::Stream<Item = Result<bytes::Bytes, std::io::Error>> + Send + 'static,
) -> Body {
    Body::from_bytes_stream(stream)
}
