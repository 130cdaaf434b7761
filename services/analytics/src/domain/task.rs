//! A task's history: what is known of it by version.
//!
//! Events may come late, twice and in any order. A history is a set of states by version, so the order in which they become
//! known does not matter; what is derived from it (status, first completion) is derived again from all of it. Versions give
//! the order and times the places: a state whose time lies before that of an older version, because two machines' clocks
//! differ, counts from the older one's time on.

use contracts::{
    Timestamp,
    id::{ProjectId, UserId},
    project::TaskSnapshot,
};
use serde::{Deserialize, Serialize};

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not begun.
    Todo,
    /// Somebody is at it.
    InProgress,
    /// Done, but somebody has to look at it.
    InReview,
    /// Done.
    Done,
    /// Will not be done.
    Cancelled,
    /// Gone.
    Deleted,
}

impl Status {
    /// The name in events and the database.
    pub const fn name(self) -> &'static str {
        match self {
            Status::Todo => "todo",
            Status::InProgress => "in_progress",
            Status::InReview => "in_review",
            Status::Done => "done",
            Status::Cancelled => "cancelled",
            Status::Deleted => "deleted",
        }
    }

    /// The status of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [
            Status::Todo,
            Status::InProgress,
            Status::InReview,
            Status::Done,
            Status::Cancelled,
            Status::Deleted,
        ]
        .into_iter()
        .find(|status| status.name() == name)
    }

    /// Whether it is still to be done.
    pub const fn is_open(self) -> bool {
        matches!(self, Status::Todo | Status::InProgress | Status::InReview)
    }

    /// Whether somebody works on it.
    pub const fn is_work(self) -> bool {
        matches!(self, Status::InProgress | Status::InReview)
    }
}

/// A task in one version. The names are short because a history is stored as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Version of the task.
    #[serde(rename = "v")]
    pub version: i64,
    /// Since when, in microseconds since 1970.
    #[serde(rename = "at")]
    pub at: i64,
    /// How far.
    #[serde(rename = "s")]
    pub status: Status,
    /// When it is due, in microseconds since 1970.
    #[serde(rename = "due", default, skip_serializing_if = "Option::is_none")]
    pub due: Option<i64>,
    /// Who works on it.
    #[serde(rename = "who", default, skip_serializing_if = "Vec::is_empty")]
    pub assignees: Vec<UserId>,
}

/// What is known of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its project.
    pub project: ProjectId,
    /// Who made it; absent while only its end is known.
    pub creator: Option<UserId>,
    /// When; absent while only its end is known.
    pub created_at: Option<Timestamp>,
    /// By version, in order.
    pub history: Vec<State>,
}

/// From when on a task was how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    /// Since when.
    pub at: Timestamp,
    /// How far.
    pub status: Status,
    /// When it was due.
    pub due: Option<Timestamp>,
    /// Who worked on it.
    pub assignees: &'a [UserId],
}

impl Task {
    /// Of this project, with nothing known yet.
    pub fn of(project: ProjectId) -> Self {
        Self {
            project,
            creator: None,
            created_at: None,
            history: Vec::new(),
        }
    }

    /// Learns what an event's snapshot says. `None`: the snapshot has a status that this release does not know.
    pub fn learn(&mut self, task: &TaskSnapshot, time: Timestamp) -> Option<()> {
        let status = Status::parse(&task.status)?;
        // A task that was made as done, by an import, was so when it says, and open before.
        let at = match (task.version, task.completed_at) {
            (1, Some(completed)) => completed.max(task.created_at),
            (1, None) => task.created_at,
            (_, completed) => completed.filter(|_| status == Status::Done).unwrap_or(time).min(time),
        };
        self.creator = Some(task.created_by);
        self.created_at = Some(task.created_at);
        self.insert(State {
            version: task.version,
            at: at.as_micros(),
            status,
            due: task.due_at.map(Timestamp::as_micros),
            assignees: task.assignee_ids.clone(),
        });
        Some(())
    }

    /// Learns that the task is gone.
    pub fn bury(&mut self, version: i64, time: Timestamp) {
        self.insert(State {
            version,
            at: time.as_micros(),
            status: Status::Deleted,
            due: None,
            assignees: Vec::new(),
        });
    }

    /// Learns all that `other` knows.
    pub fn merge(&mut self, other: Task) {
        self.creator = self.creator.or(other.creator);
        self.created_at = self.created_at.or(other.created_at);
        for state in other.history {
            self.insert(state);
        }
    }

    /// Two events may carry one version; both say the same.
    fn insert(&mut self, state: State) {
        if let Err(place) = self.history.binary_search_by_key(&state.version, |known| known.version) {
            self.history.insert(place, state);
        }
    }

    /// Forgets what happened at `since` or later; answers whether anything is left.
    pub fn cut(&mut self, since: Timestamp) -> bool {
        self.history.retain(|state| state.at < since.as_micros());
        !self.history.is_empty()
    }

    /// What it was from when on, in order of time.
    pub fn steps(&self) -> Vec<Step<'_>> {
        let mut steps: Vec<Step<'_>> = Vec::with_capacity(self.history.len() + 1);
        if let (Some(created), Some(first)) = (self.created_at, self.history.first())
            && created.as_micros() < first.at
        {
            steps.push(Step {
                at: created,
                status: Status::Todo,
                due: first.due.map(Timestamp::from_micros),
                assignees: &first.assignees,
            });
        }
        for state in &self.history {
            let earliest = steps.last().map_or(i64::MIN, |step| step.at.as_micros());
            steps.push(Step {
                at: Timestamp::from_micros(state.at.max(earliest)),
                status: state.status,
                due: state.due.map(Timestamp::from_micros),
                assignees: &state.assignees,
            });
        }
        steps
    }

    /// How it was just before `moment`; `None` while it did not exist.
    pub fn before(&self, moment: Timestamp) -> Option<Step<'_>> {
        self.steps().into_iter().rfind(|step| step.at < moment)
    }

    /// Whose it is at this step: its assignees', or its maker's when it has none.
    pub fn owners<'a>(&'a self, step: &Step<'a>) -> Vec<UserId> {
        match step.assignees {
            [] => self.creator.into_iter().collect(),
            assignees => assignees.to_vec(),
        }
    }

    /// The newest state that is known.
    pub fn newest(&self) -> Option<&State> {
        self.history.last()
    }

    /// Whether it was ever done.
    pub fn was_done(&self) -> bool {
        self.history.iter().any(|state| state.status == Status::Done)
    }

    /// When it last changed.
    pub fn changed_at(&self) -> Timestamp {
        self.steps().last().map_or(Timestamp::from_micros(0), |step| step.at)
    }
}
