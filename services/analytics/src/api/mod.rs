//! HTTP in and out: handlers and what is on the wire. No SQL, no rule.

pub mod business;
pub mod event;
pub mod me;
pub mod personal;
pub mod project;
pub mod rendered;
pub mod series;

use chassis::{Api, Clock, Problem};
use database::Db;
use poem_openapi::Tags;

use crate::domain::figures::FiguresError;

/// Groups of operations in the document.
#[derive(Tags)]
pub enum Tag {
    /// Figures of a project, of the caller, of the whole hub.
    Analytics,
    /// The log of events, for admins.
    Events,
    /// What is held about the caller.
    PersonalData,
}

type Operations = (
    project::ProjectApi,
    me::MeApi,
    business::BusinessApi,
    event::EventApi,
    personal::PersonalApi,
);

const TITLE: &str = "CloudTaskHub analytics";

/// The OpenAPI document of all operations.
pub fn document() -> serde_json::Value {
    Api::document::<Operations>(TITLE)
}

/// All operations.
pub fn new(db: &Db, clock: &Clock) -> Api {
    let (db, clock) = (db.clone(), clock.clone());
    let operations: Operations = (
        project::ProjectApi {
            db: db.clone(),
            clock: clock.clone(),
        },
        me::MeApi {
            db: db.clone(),
            clock: clock.clone(),
        },
        business::BusinessApi { db: db.clone(), clock },
        event::EventApi { db: db.clone() },
        personal::PersonalApi { db },
    );
    Api::new(TITLE, operations)
}

impl From<FiguresError> for Problem {
    fn from(error: FiguresError) -> Self {
        match error {
            FiguresError::NoSuchProject => Problem::not_found("project-not-found", error.to_string()),
            FiguresError::Range(wrong) => Problem::invalid(wrong),
            FiguresError::Store(_) => Problem::internal(error),
        }
    }
}
