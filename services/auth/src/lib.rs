//! auth: users, credentials, sessions, personal access tokens, global roles and signing keys.

pub mod api;
pub mod commands;
pub mod domain;
pub mod keyring;
pub mod metrics;
pub mod reactions;
pub mod settings;
pub mod state;
pub mod store;
pub mod workers;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chassis::{Api, Assembly, Boot, Desk, Service};
use database::MigrationTrait;
use identity::ServiceSecret;
use mail::Transport;
use messaging::worker::{Pace, Worker};
use poem::{EndpointExt, middleware::AddData};
use tokio::sync::Notify;

use crate::{
    api::{
        erasure::ErasureApi, introspection::IntrospectionApi, key::KeyApi, mail::MailApi, password::PasswordApi,
        personal_data::PersonalDataApi, session::SessionApi, token::TokenApi, user::UserApi,
    },
    domain::password::Hasher,
    keyring::Keyring,
    metrics::Metrics,
    settings::AuthSettings,
    state::State,
    workers::{Janitor, KeyKeeper, Mailer},
};

/// The service.
pub struct Auth;

const TITLE: &str = "CloudTaskHub auth";

/// Every operation it serves.
type Operations = (
    UserApi,
    SessionApi,
    PasswordApi,
    MailApi,
    TokenApi,
    IntrospectionApi,
    KeyApi,
    ErasureApi,
    PersonalDataApi,
);

/// How often keys are looked after, and so how soon a replica sees those of another.
const KEYS: Pace = Pace::every(Duration::from_secs(30));
/// How often mails are looked for, beside being told.
const MAILS: Pace = Pace::every(Duration::from_secs(5));
/// How often it is tidied.
const TIDY: Pace = Pace::every(Duration::from_secs(60));

#[async_trait]
impl Service for Auth {
    const NAME: &'static str = "auth";
    type Settings = AuthSettings;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        store::migrations::all()
    }

    fn document() -> serde_json::Value {
        Api::document::<Operations>(TITLE)
    }

    fn commands() -> Vec<clap::Command> {
        vec![commands::command()]
    }

    async fn command(_: &str, arguments: &clap::ArgMatches, desk: &Desk<AuthSettings>) -> anyhow::Result<String> {
        commands::execute(arguments, &desk.db, &desk.clock).await
    }

    async fn assemble(boot: &mut Boot<AuthSettings>) -> anyhow::Result<Assembly> {
        let settings = boot.settings.clone();
        let (db, clock) = (boot.db.clone(), boot.clock.clone());
        let reactions = reactions::all(&clock);
        let seal = Arc::new(settings.seal()?);
        let keyring = Keyring::open(db.clone(), clock.clone(), Arc::clone(&seal), &settings).await?;
        let mailer = Mailer {
            db: db.clone(),
            clock: clock.clone(),
            delivery: settings.mail,
            public_url: settings.public_url.clone(),
            transport: Transport::new(&settings.mail_route, &settings.mail_from)?,
            bell: Arc::new(Notify::new()),
            metrics: Metrics::new(&mut boot.metrics),
        };
        let state = Arc::new(State {
            hasher: Hasher::new(settings.password)?,
            verifier: Arc::clone(&boot.verifier),
            mail_bell: Arc::clone(&mailer.bell),
            metrics: mailer.metrics.clone(),
            keyring: Arc::clone(&keyring),
            seal,
            settings,
            db: db.clone(),
            clock: clock.clone(),
        });
        let janitor = Janitor {
            db,
            clock,
            forget_failures: state.settings.account.forget,
        };
        let secret = ServiceSecret(state.settings.introspection_secrets.clone());
        let workers: Vec<(Box<dyn Worker>, Pace)> = vec![
            (Box::new(KeyKeeper { keyring }), KEYS),
            (Box::new(mailer), MAILS),
            (Box::new(janitor), TIDY),
        ];
        let api = Api::new(TITLE, operations(&state));
        let api = api.map(|endpoint| api::page::beside(endpoint).with(AddData::new(secret)).map_to_response());
        Ok(Assembly {
            api,
            reactions,
            workers,
        })
    }
}

fn operations(state: &Arc<State>) -> Operations {
    let state = || Arc::clone(state);
    (
        UserApi { state: state() },
        SessionApi { state: state() },
        PasswordApi { state: state() },
        MailApi { state: state() },
        TokenApi { state: state() },
        IntrospectionApi { state: state() },
        KeyApi { state: state() },
        ErasureApi { state: state() },
        PersonalDataApi { state: state() },
    )
}
