//! What analytics publishes: milestones and reports.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    event::events,
    id::{ProjectId, ReportId, UserId},
};

/// A project reached a round number of finished tasks, for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MilestoneReached {
    /// Which project.
    pub project_id: ProjectId,
    /// Its name.
    pub project_name: String,
    /// What was counted: `tasks_completed`.
    pub measure: String,
    /// The number: 10, 50, 100, 500, ….
    pub value: u64,
    /// Its members then.
    pub member_ids: Vec<UserId>,
    /// When.
    pub reached_at: Timestamp,
}

/// A user's report of the last week is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportGenerated {
    /// Which report.
    pub report_id: ReportId,
    /// For whom.
    pub user_id: UserId,
    /// First moment of the week.
    pub from: Timestamp,
    /// First moment after it.
    pub to: Timestamp,
    /// Tasks that the user finished in it.
    pub tasks_completed: u64,
    /// Tasks that the user made in it.
    pub tasks_created: u64,
    /// Comments that the user wrote in it.
    pub comments: u64,
    /// Tasks of the user that are overdue at its end.
    pub overdue: u64,
}

/// Analytics holds nothing of a closed account any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnalyticsErased {
    /// Whose account.
    pub user_id: UserId,
    /// When.
    pub erased_at: Timestamp,
}

events! { Analytics:
    MilestoneReached = "milestone.reached.v1" by project_id;
    ReportGenerated = "report.generated.v1" by user_id;
    AnalyticsErased = "erasure.analytics_completed.v1" by user_id;
}
