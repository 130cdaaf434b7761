//! analytics: what happened in the hub, as figures.
//!
//! Every event is written down once in a log. From it, batch by batch, the projections are folded that figures are made of;
//! they can be made again from the log at any time, beside the old ones, and compared (see [`rebuild`]).

pub mod api;
pub mod commands;
pub mod domain;
pub mod reactions;
pub mod rebuild;
pub mod settings;
pub mod store;
pub mod workers;

use std::time::Duration;

use chassis::{Assembly, Boot, Desk, Service, worker::Pace};
use database::MigrationTrait;

/// Between two looks for what is too old, by whole days.
const JANITOR_PAUSE: Duration = Duration::from_secs(3600);
/// Between two looks for reports and erasures that are due.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// The service.
pub struct Analytics;

#[async_trait::async_trait]
impl Service for Analytics {
    const NAME: &'static str = "analytics";
    type Settings = settings::AnalyticsSettings;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        store::migrations::all()
    }

    fn document() -> serde_json::Value {
        api::document()
    }

    async fn assemble(boot: &mut Boot<Self::Settings>) -> anyhow::Result<Assembly> {
        let (db, clock) = (boot.db.clone(), boot.clock.clone());
        let settings = &boot.settings;
        let retention = workers::retention::Retention::new(db.clone(), clock.clone(), settings.keep_events);
        let reports = workers::report::Reports::new(db.clone(), clock.clone(), settings.report_delay);
        let erasure = workers::erasure::Erase::new(db.clone(), clock.clone());
        Ok(Assembly {
            api: api::new(&db, &clock),
            reactions: reactions::all(&clock),
            workers: vec![
                (Box::new(retention), Pace::every(JANITOR_PAUSE)),
                (Box::new(reports), Pace::every(LOOK_PAUSE)),
                (Box::new(erasure), Pace::every(LOOK_PAUSE)),
            ],
        })
    }

    fn commands() -> Vec<clap::Command> {
        vec![commands::command()]
    }

    async fn command(name: &str, arguments: &clap::ArgMatches, desk: &Desk<Self::Settings>) -> anyhow::Result<String> {
        match name {
            "rebuild" => commands::execute(arguments, &desk.db, &desk.clock).await,
            _ => anyhow::bail!("analytics has no command {name}"),
        }
    }
}
