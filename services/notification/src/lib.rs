//! notification: tells users what concerns them, in an inbox, by events, and outside of the house.
//!
//! What becomes of notifications about what is gone: they stay, with their titles, so that an inbox does not change under
//! its owner and a badge moves only when something is read. What goes is the text of comments: as soon as the comment, its
//! task, its project or the reader's membership is gone, excerpts are blanked.
//!
//! What leaves the house is a delivery with a state machine of its own ([`domain::delivery`]): a reaction only writes it
//! down, a worker ([`outbound`]) makes the attempts.

pub mod api;
pub mod digests;
pub mod domain;
pub mod metrics;
pub mod outbound;
pub mod reactions;
pub mod resealing;
pub mod retention;
pub mod secrets;
pub mod settings;
pub mod store;

use std::{sync::Arc, time::Duration};

use chassis::{Assembly, Boot, Service, worker::Pace};
use database::MigrationTrait;
use mail::Transport;

use crate::{
    digests::Digests,
    metrics::Metrics,
    outbound::{Channels, Dispatcher, Guard, Http, SystemLookup, Templates},
    secrets::Secrets,
};

/// Between two looks for what is too old, by whole days.
const JANITOR_PAUSE: Duration = Duration::from_secs(3600);
/// How often secrets are sealed anew, while the master key is exchanged.
const RESEALING_PAUSE: Duration = Duration::from_secs(10);
/// Between two looks for deliveries that are due, beside being told of new ones.
const DELIVERIES_PAUSE: Duration = Duration::from_millis(500);

/// Between two looks for digests that are due, by whole hours.
const DIGESTS_PAUSE: Duration = Duration::from_secs(15);

/// The service.
pub struct Notification;

#[async_trait::async_trait]
impl Service for Notification {
    const NAME: &'static str = "notification";
    type Settings = settings::NotificationSettings;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        store::migrations::all()
    }

    fn document() -> serde_json::Value {
        api::document()
    }

    async fn assemble(boot: &mut Boot<Self::Settings>) -> anyhow::Result<Assembly> {
        let (db, clock, settings) = (boot.db.clone(), boot.clock.clone(), boot.settings.clone());
        let secrets = Arc::new(Secrets::new(settings.seal()?));
        let guard = Guard::new(SystemLookup, settings.webhooks.allow_private);
        let channels = Channels {
            http: Http::new(guard, settings.webhooks.limits)?,
            secrets: Arc::clone(&secrets),
            patience: settings.webhooks.patience,
            transport: Arc::new(Transport::new(&settings.mail_route, &settings.mail_from)?),
            templates: Arc::new(Templates::new()?),
            public_url: settings.public_url.clone(),
        };
        let metrics = Metrics::new(&mut boot.metrics);
        let dispatcher = Dispatcher::new(db.clone(), clock.clone(), settings.room, channels, metrics);
        Ok(Assembly {
            api: api::new(&db, &clock, &secrets, settings.webhooks.allow_private),
            reactions: reactions::all(&clock),
            workers: vec![
                // Digests first: what they write is sent in the same round of a test.
                (
                    Box::new(Digests::new(db.clone(), clock.clone())),
                    Pace::every(DIGESTS_PAUSE),
                ),
                (Box::new(dispatcher), Pace::every(DELIVERIES_PAUSE)),
                (
                    Box::new(resealing::Resealing::new(db.clone(), secrets)),
                    Pace::every(RESEALING_PAUSE),
                ),
                (
                    Box::new(retention::Retention::new(db, clock, settings)),
                    Pace::every(JANITOR_PAUSE),
                ),
            ],
        })
    }
}
