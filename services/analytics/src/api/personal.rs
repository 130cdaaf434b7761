//! What is held about the caller, for them to take along.

use chassis::{Problem, http::json::Json};
use contracts::Timestamp;
use database::Db;
use identity::Bearer;
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};

use super::{Tag, event::Event};
use crate::{domain::figures::FiguresError, store};

/// Events at most.
const EVENTS: u64 = 10_000;

/// Operations on personal data.
pub struct PersonalApi {
    /// The service's database.
    pub db: Db,
}

/// What the caller did in a quarter of an hour.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct HeldActivity {
    /// When the quarter began.
    pub from: String,
    /// `task_created`, `task_completed`, `comment` or `other`.
    pub kind: String,
    /// How often.
    pub count: u64,
}

/// What analytics holds about the caller.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct AnalyticsData {
    /// Who.
    pub user_id: String,
    /// The projects whose figures the caller may see.
    pub project_ids: Vec<String>,
    /// What the caller did.
    pub activity: Vec<HeldActivity>,
    /// First days of the weeks that the caller got reports of.
    pub report_weeks: Vec<String>,
    /// The newest events about the caller's account, 10,000 at most.
    pub events: Vec<Event>,
}

#[OpenApi]
impl PersonalApi {
    /// Read what analytics holds about the caller.
    #[oai(
        path = "/v1/personal-data/analytics",
        method = "get",
        operation_id = "getPersonalDataOfAnalytics",
        tag = "Tag::PersonalData"
    )]
    async fn personal_data(&self, Bearer(caller): Bearer) -> Result<Json<AnalyticsData>, Problem> {
        let (db, user) = (self.db.read(), caller.user);
        let (beginning, end) = (Timestamp::from_micros(i64::MIN), Timestamp::from_micros(i64::MAX));
        let activity = store::activity::of(db, user, beginning, end)
            .await
            .map_err(FiguresError::from)?;
        let projects = store::member::projects_of(db, user).await.map_err(FiguresError::from)?;
        let weeks = store::report::weeks(db, user).await.map_err(FiguresError::from)?;
        let events = store::event::about(db, &user.to_string(), EVENTS)
            .await
            .map_err(FiguresError::from)?;
        let held = activity.into_iter().map(|(slot, kind, count)| HeldActivity {
            from: slot.to_string(),
            kind: kind.name().to_owned(),
            count,
        });
        Ok(Json(AnalyticsData {
            user_id: user.to_string(),
            project_ids: projects.iter().map(ToString::to_string).collect(),
            activity: held.collect(),
            report_weeks: weeks.iter().map(ToString::to_string).collect(),
            events: events.into_iter().map(Event::from).collect(),
        }))
    }
}
