//! project: projects, members, tasks, labels, comments, activity and search.

pub mod api;
pub mod domain;
mod due;
mod formats;
mod importer;
mod reactions;
pub mod settings;
pub mod store;

use async_trait::async_trait;
use chassis::{Api, Assembly, Boot, Service};
use database::MigrationTrait;
use messaging::worker::Pace;

use crate::{
    api::{
        activity::ActivityApi, bulk::BulkApi, comment::CommentApi, export::ExportApi, import::ImportApi,
        invitation::InvitationApi, label::LabelApi, member::MemberApi, personal_data::PersonalDataApi,
        project::ProjectApi, search::SearchApi, task::TaskApi, task_page::TaskPageApi,
    },
    due::DueScheduler,
    importer::Importer,
    settings::ProjectSettings,
};

/// The service.
pub struct Project;

const TITLE: &str = "CloudTaskHub project";

/// Every operation it serves.
type Operations = (
    ProjectApi,
    MemberApi,
    InvitationApi,
    ActivityApi,
    TaskApi,
    TaskPageApi,
    BulkApi,
    LabelApi,
    CommentApi,
    SearchApi,
    ImportApi,
    ExportApi,
    PersonalDataApi,
);

#[async_trait]
impl Service for Project {
    const NAME: &'static str = "project";
    type Settings = ProjectSettings;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        store::migrations::all()
    }

    fn document() -> serde_json::Value {
        Api::document::<Operations>(TITLE)
    }

    async fn assemble(boot: &mut Boot<ProjectSettings>) -> anyhow::Result<Assembly> {
        let (db, clock) = (&boot.db, &boot.clock);
        let operations: Operations = (
            ProjectApi {
                db: db.clone(),
                clock: clock.clone(),
            },
            MemberApi {
                db: db.clone(),
                clock: clock.clone(),
            },
            InvitationApi {
                db: db.clone(),
                clock: clock.clone(),
            },
            ActivityApi { db: db.clone() },
            TaskApi {
                db: db.clone(),
                clock: clock.clone(),
            },
            TaskPageApi { db: db.clone() },
            BulkApi {
                db: db.clone(),
                clock: clock.clone(),
            },
            LabelApi {
                db: db.clone(),
                clock: clock.clone(),
            },
            CommentApi {
                db: db.clone(),
                clock: clock.clone(),
            },
            SearchApi { db: db.clone() },
            ImportApi {
                db: db.clone(),
                clock: clock.clone(),
            },
            ExportApi { db: db.clone() },
            PersonalDataApi { db: db.clone() },
        );
        let due = DueScheduler {
            db: db.clone(),
            clock: clock.clone(),
            ahead: boot.settings.due_soon,
        };
        let importer = Importer::new(db.clone(), clock.clone(), boot.settings.import_stalled);
        Ok(Assembly {
            api: Api::new(TITLE, operations),
            reactions: reactions::all(clock),
            workers: vec![
                (Box::new(due), Pace::every(boot.settings.due_scan)),
                (Box::new(importer), Pace::every(boot.settings.import_scan)),
            ],
        })
    }
}
