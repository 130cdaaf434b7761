//! A service under test.

use std::{
    marker::PhantomData,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use chassis::{
    Assembled, Clock, Configured, Service, Tasks,
    settings::Layers,
    worker::{Pace, Step, Worker},
};
use contracts::{
    Envelope, Event, EventId,
    id::{SessionId, UserId},
};
use database::Db;
use identity::{Claims, Role, Verifier};
use messaging::{
    dead_letter,
    inbox::{Intake, Outcome},
    message::Message,
    outbox,
};
use poem::{Endpoint, Request, Response, endpoint::BoxEndpoint};
use prometheus_client::registry::Registry;
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    actor::Actor,
    keys::{Keys, TestKeys},
    place::Place,
    published::Published,
};

/// The issuer of the tests' access tokens.
const ISSUER: &str = "http://auth.localhost:8080";
const AUDIENCE: &str = "cloudtaskhub";

/// What every service is set to in tests. Its own defaults apply beside this.
const SETTINGS: &str = r#"
[http]
deadline_ms = 60000
[broker]
bootstrap = "embedded"
[identity]
introspection_secret = "the secret that services share in tests"
"#;

/// A service in its own database, with nothing running by itself.
pub struct TestService<S: Service> {
    /// Its database.
    pub db: Db,
    /// Its clock; `advance` lets time pass.
    pub clock: Clock,
    app: Arc<App>,
    intake: Intake,
    workers: tokio::sync::Mutex<Vec<(Box<dyn Worker>, Pace)>>,
    figment: figment::Figment,
    verifier: Arc<Verifier>,
    dead_letters: AtomicUsize,
    stop: CancellationToken,
    place: Arc<Place>,
    _service: PhantomData<fn() -> S>,
}

/// The part of it that answers requests.
pub(crate) struct App {
    endpoint: BoxEndpoint<'static, Response>,
    pub(crate) document: Value,
    keys: Keys,
}

impl App {
    pub(crate) async fn call(&self, mut request: Request) -> Response {
        let here = poem::Addr::SocketAddr(([127, 0, 0, 1], 40_000).into());
        if request.data::<poem::web::RemoteAddr>().is_none() {
            request.set_data(poem::web::RemoteAddr(here));
        }
        self.endpoint.get_response(request).await
    }
}

impl<S: Service> TestService<S> {
    /// Starts it with its defaults.
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// Starts it with `settings` (TOML) over its defaults.
    pub async fn with(settings: &str) -> Self {
        Self::at(settings, Clock::system()).await
    }

    /// Starts it at the time of `clock`.
    pub async fn at(settings: &str, clock: Clock) -> Self {
        Self::assembled(settings, clock, Arc::new(Place::make().await)).await
    }

    /// Starts another on the same database, at the same time, with `settings` (TOML) over its defaults: a second replica, or
    /// a later start. Tokens of the users of one are not good for the other.
    pub async fn twin(&self, settings: &str) -> Self {
        Self::assembled(settings, self.clock.clone(), Arc::clone(&self.place)).await
    }

    async fn assembled(settings: &str, clock: Clock, place: Arc<Place>) -> Self {
        chassis::telemetry::for_tests();
        let database = format!(
            "[database]\nurl = \"{}\"\nmax_connections = 4\ndurable = false",
            place.url()
        );
        let layers = Layers::of_service::<S>()
            .toml("testkit", SETTINGS)
            .toml("testkit", &database);
        let (figment, mut mistakes) = layers.toml("the test's settings", settings).finish();
        let configured = Configured::<S>::read(&figment).map_err(|mut more| mistakes.append(&mut more));
        let Ok(configured) = configured else {
            panic!("settings:\n{}", mistakes.join("\n"))
        };
        assert!(mistakes.is_empty(), "settings:\n{}", mistakes.join("\n"));

        database::testing::migrate_by_next_release(S::NAME, &place.url());
        let db = Db::open(&configured.core.database.options())
            .await
            .expect("the test's database");
        database::migrate(&db, &chassis::migrations::<S>())
            .await
            .expect("the migrations");

        let keys = Keys::generate();
        let itself = Arc::new(OnceLock::new());
        let source = TestKeys {
            ours: keys.public(),
            app: Arc::clone(&itself),
        };
        let identity = &configured.core.identity;
        let verifier = Arc::new(Verifier::new(source, &identity.issuer, &identity.audience));
        let (tasks, stop) = (Tasks::new(S::NAME), CancellationToken::new());
        let assembled = Assembled::new::<S>(
            configured,
            db.clone(),
            clock.clone(),
            Arc::clone(&verifier),
            Registry::default(),
            tasks,
            stop.clone(),
        );
        let Assembled {
            endpoint,
            document,
            reactions,
            workers,
            ..
        } = assembled.await.expect("the service starts");

        let app = Arc::new(App {
            endpoint,
            document,
            keys,
        });
        // Set once, just here.
        let _ = itself.set(Arc::downgrade(&app));
        Self {
            intake: Intake::new(db.clone(), S::NAME, env!("CARGO_PKG_VERSION"), reactions),
            db,
            clock,
            app,
            workers: tokio::sync::Mutex::new(workers),
            figment,
            verifier,
            dead_letters: AtomicUsize::new(0),
            stop,
            place,
            _service: PhantomData,
        }
    }

    /// The service's OpenAPI document.
    pub fn document(&self) -> &Value {
        &self.app.document
    }

    /// Somebody with an account and a valid session.
    pub fn user(&self) -> Actor {
        self.user_with(|_| {})
    }

    /// Somebody whose access token says what `change` makes of it.
    pub fn user_with(&self, change: impl FnOnce(&mut Claims)) -> Actor {
        let now = contracts::Timestamp::now().as_seconds();
        let mut claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: UserId::new(),
            sid: Some(SessionId::new()),
            pat: None,
            role: Role::User,
            plan: "free".to_owned(),
            scopes: None,
            iat: now,
            exp: now + 24 * 3600,
        };
        change(&mut claims);
        Actor::new(Arc::clone(&self.app), claims.sub, Some(self.app.keys.sign(&claims)))
    }

    /// Somebody who shows `token`, such as one that auth issued.
    pub fn user_with_token(&self, id: UserId, token: impl Into<String>) -> Actor {
        Actor::new(Arc::clone(&self.app), id, Some(token.into()))
    }

    /// Somebody without a token.
    pub fn anonymous(&self) -> Actor {
        Actor::new(Arc::clone(&self.app), UserId::new(), None)
    }

    /// An event reaches the service, as the consumer brings it.
    ///
    /// # Panics
    /// When it cannot be handled: for that see [`TestService::deliver_as`].
    pub async fn deliver<E: Event>(&self, event: &E) -> EventId {
        let envelope = self.envelope(event);
        let outcome = self
            .take(
                &envelope,
                E::TOPIC.name(),
                serde_json::to_vec(event).expect("the event as JSON"),
            )
            .await;
        if matches!(outcome, Outcome::DeadLettered | Outcome::Parked) {
            let letters = self.dead_letters().await;
            panic!(
                "{} was not handled ({outcome:?}): {:?}",
                E::TYPE,
                letters.last().map(|letter| &letter.error)
            );
        }
        envelope.id
    }

    /// The envelope that `event` would be published in now; change it to deliver something unusual.
    pub fn envelope<E: Event>(&self, event: &E) -> Envelope {
        Envelope {
            id: EventId::new(),
            source: format!("/services/{}", E::TOPIC.publisher()),
            event_type: E::TYPE.to_owned(),
            time: self.clock.now(),
            subject: event.key(),
            causation_id: None,
            traceparent: None,
            tracestate: None,
        }
    }

    /// A message reaches the service: a duplicate, an old or a broken one. Dead letters must be looked at with
    /// [`TestService::dead_letters`], or the test fails when the service is dropped.
    pub async fn deliver_as(&self, envelope: &Envelope, value: impl Into<Vec<u8>>) -> Outcome {
        let kind = contracts::event::catalogue()
            .into_iter()
            .find(|kind| kind.type_name == envelope.event_type);
        let topic = kind.map_or("project.events", |kind| kind.topic.name());
        self.take(envelope, topic, value.into()).await
    }

    async fn take(&self, envelope: &Envelope, topic: &str, value: Vec<u8>) -> Outcome {
        let message = Message::of(envelope, topic, value);
        let outcomes = self
            .intake
            .take(std::slice::from_ref(&message), 1)
            .await
            .expect("the database");
        let outcome = outcomes.first().copied().expect("one outcome for one message");
        if matches!(outcome, Outcome::DeadLettered | Outcome::Parked) {
            self.dead_letters.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    /// The dead letters so far; having looked, the test expects them.
    pub async fn dead_letters(&self) -> Vec<dead_letter::Model> {
        self.dead_letters.store(0, Ordering::Relaxed);
        let all = dead_letter::Entity::find().order_by_asc(dead_letter::Column::Seq);
        all.all(self.db.read()).await.expect("the dead letters")
    }

    /// Every worker does steps until it has nothing to do.
    ///
    /// # Panics
    /// When a step fails, or one never finds an end.
    pub async fn step_workers(&self) {
        for (worker, _) in self.workers.lock().await.iter_mut() {
            let name = worker.name();
            let mut steps = 0;
            while worker
                .step()
                .await
                .unwrap_or_else(|error| panic!("a step of {name}: {error:?}"))
                == Step::Full
            {
                steps += 1;
                assert!(steps < 10_000, "{name} finds no end");
            }
        }
    }

    /// As if the process had ended and begun again: the workers know no more than what is in the database.
    ///
    /// # Panics
    /// When the service does not start again.
    pub async fn restart_workers(&self) {
        let configured = Configured::<S>::read(&self.figment).expect("the settings it was started with");
        let assembled = Assembled::new::<S>(
            configured,
            self.db.clone(),
            self.clock.clone(),
            Arc::clone(&self.verifier),
            Registry::default(),
            Tasks::new(S::NAME),
            self.stop.clone(),
        );
        *self.workers.lock().await = assembled.await.expect("the service starts again").workers;
    }

    /// The worker named `name` does one step; its error is the test's to look at.
    ///
    /// # Errors
    /// The step's.
    ///
    /// # Panics
    /// When there is no such worker.
    pub async fn step(&self, name: &str) -> Result<Step, chassis::worker::StepError> {
        let mut workers = self.workers.lock().await;
        let worker = workers.iter_mut().find(|(worker, _)| worker.name() == name);
        worker
            .unwrap_or_else(|| panic!("there is no worker {name}"))
            .0
            .step()
            .await
    }

    /// All that was published, in order; copies of dead letters left out.
    pub async fn published(&self) -> Vec<Published> {
        let rows = outbox::Entity::find()
            .order_by_asc(outbox::Column::Seq)
            .all(self.db.read())
            .await
            .expect("the outbox");
        let events = rows.into_iter().filter(|row| row.topic.ends_with(".events"));
        let published = events.map(|row| Published {
            event_type: row.event_type,
            key: row.key,
            data: serde_json::from_str(&row.payload).expect("the event's JSON"),
            causation_id: row.causation_id,
            // 00-TRACE-SPAN-FLAGS
            trace_id: row
                .traceparent
                .and_then(|header| header.split('-').nth(1).map(str::to_owned)),
        });
        published.collect()
    }

    /// The published events of one type, in order.
    pub async fn published_of<E: Event>(&self) -> Vec<E> {
        self.published().await.iter().filter_map(Published::as_event).collect()
    }

    /// As if the process began to stop: streams end.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl<S: Service> Drop for TestService<S> {
    fn drop(&mut self) {
        let left = self.dead_letters.load(Ordering::Relaxed);
        if left > 0 && !std::thread::panicking() {
            panic!("{left} dead letters that the test did not look at");
        }
    }
}
