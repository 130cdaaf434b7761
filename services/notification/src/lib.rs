//! notification: tells users what concerns them, in an inbox and by events.
//!
//! What becomes of notifications about what is gone: they stay, with their titles, so that an inbox does not change under
//! its owner and a badge moves only when something is read. What goes is the text of comments: as soon as the comment, its
//! task, its project or the reader's membership is gone, excerpts are blanked.

pub mod api;
pub mod domain;
pub mod reactions;
pub mod retention;
pub mod settings;
pub mod store;

use std::time::Duration;

use chassis::{Assembly, Boot, Service, worker::Pace};
use database::MigrationTrait;

/// Between two looks for what is too old, by whole days.
const JANITOR_PAUSE: Duration = Duration::from_secs(3600);

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
        let (db, clock) = (boot.db.clone(), boot.clock.clone());
        Ok(Assembly {
            api: api::new(&db, &clock),
            reactions: reactions::all(&clock),
            workers: vec![(
                Box::new(retention::Retention::new(db, clock, boot.settings.clone())),
                Pace::every(JANITOR_PAUSE),
            )],
        })
    }
}
