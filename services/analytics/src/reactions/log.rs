//! Every event: into the log, into the projections, and from there to what follows at once: milestones and erasures.
//!
//! The log takes an event once, also when the inbox has forgotten it long ago; only what is new to the log is folded.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use async_trait::async_trait;
use chassis::Clock;
use contracts::{
    Event, EventId, Timestamp,
    analytics::MilestoneReached,
    auth::UserDeleted,
    id::{ProjectId, UserId},
};
use database::Tx;
use messaging::{Heard, Observer, ReactionError};
use sea_orm::DbErr;

use crate::{
    domain::{event::Logged, milestone, news::News},
    store::{self, projection::Tables},
};

/// For how long after somebody closed their account events about them may still be on their way.
const STRAGGLERS: Duration = Duration::from_secs(30 * 24 * 3600);

pub(super) struct Log {
    pub(super) clock: Clock,
}

#[async_trait]
impl Observer for Log {
    async fn observe(&self, tx: &Tx, events: &[Heard<'_>]) -> Result<(), ReactionError> {
        let now = self.clock.now();
        store::lock(tx).await?;
        let logged = events
            .iter()
            .map(|heard| Ok(Logged::new(heard.envelope, text(heard)?, now)))
            .collect::<Result<Vec<Logged>, ReactionError>>()?;
        let fresh: HashMap<EventId, i64> = store::event::insert(tx, &logged)
            .await?
            .into_iter()
            .map(|(seq, id)| (id, seq))
            .collect();
        let mut news = News::default();
        for event in logged.iter().filter(|event| fresh.contains_key(&event.id)) {
            news.add(event)
                .map_err(|error| ReactionError::Rejected(messaging::worker::chain(&error)))?;
        }
        let folded = store::fold::apply(tx, Tables::LIVE, news).await?;
        let mut finished: BTreeMap<ProjectId, Vec<String>> = BTreeMap::new();
        for (project, task) in folded.finished {
            finished.entry(project).or_default().push(task.to_string());
        }
        for (project, tasks) in finished {
            // The cause of a milestone is the last event about one of the tasks that were finished.
            let last = events.iter().rfind(|heard| tasks.contains(&heard.envelope.subject));
            if let Some(last) = last {
                last.cause(milestones(tx, project, tasks.len() as u64, now)).await?;
            }
        }
        for user in folded.deleted {
            let id = user.to_string();
            let deleted =
                |heard: &&Heard<'_>| heard.envelope.event_type == UserDeleted::TYPE && heard.envelope.subject == id;
            let ask = store::erasure::ask(tx, user, now);
            match events.iter().rfind(deleted) {
                Some(deleted) => deleted.cause(ask).await?,
                None => ask.await?,
            }
        }
        stragglers(tx, &logged, &fresh, now).await?;
        Ok(())
    }
}

/// The event's value. PostgreSQL stores no NUL, and JSON has no need of one as it is.
fn text(heard: &Heard<'_>) -> Result<String, ReactionError> {
    let rejected = |why: String| ReactionError::Rejected(format!("not a {}: {why}", heard.envelope.event_type));
    let text = std::str::from_utf8(heard.value).map_err(|error| rejected(error.to_string()))?;
    serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|error| rejected(error.to_string()))?;
    Ok(text.to_owned())
}

/// Publishes the milestones that a project passed by finishing `more` tasks.
async fn milestones(tx: &Tx, project: ProjectId, more: u64, now: Timestamp) -> Result<(), DbErr> {
    let Some((name, finished)) = store::member::progress(tx, project).await? else {
        return Ok(());
    };
    for value in milestone::passed(finished.saturating_sub(more), finished) {
        if store::milestone::pass(tx, project, value, now).await? {
            let reached = MilestoneReached {
                project_id: project,
                project_name: name.clone(),
                measure: milestone::MEASURE.to_owned(),
                value,
                member_ids: store::member::of(tx, project).await?,
                reached_at: now,
            };
            messaging::append(tx, &reached)?;
        }
    }
    Ok(())
}

/// Events about people whose data is being erased, or was: the erasure goes back for them.
async fn stragglers(tx: &Tx, logged: &[Logged], fresh: &HashMap<EventId, i64>, now: Timestamp) -> Result<(), DbErr> {
    let erased: Vec<UserId> = store::erasure::recent(tx, now - STRAGGLERS).await?;
    for user in erased {
        let id = user.to_string();
        let first = logged
            .iter()
            .filter(|event| event.data.contains(&id))
            .filter_map(|event| fresh.get(&event.id))
            .min();
        if let Some(first) = first {
            store::erasure::reopen(tx, user, first - 1).await?;
        }
    }
    Ok(())
}
