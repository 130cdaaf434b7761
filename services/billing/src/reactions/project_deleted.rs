//! `project.deleted`: neither it nor what was in it counts any more.

use async_trait::async_trait;
use chassis::Clock;
use contracts::project::ProjectDeleted;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::{domain::usage::Meter, flow::usage, store};

pub(super) struct ProjectDeletedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for ProjectDeletedReaction {
    type Event = ProjectDeleted;

    async fn react(&self, tx: &Tx, received: &Received<ProjectDeleted>) -> Result<(), ReactionError> {
        let (project, now) = (received.event.project_id, self.clock.now());
        let Some(living) = usage::living(tx, project).await? else {
            return Ok(());
        };
        store::usage::bury_project(tx, project, now).await?;
        let Some(owner) = living.owner else {
            return Ok(());
        };
        usage::add(tx, owner, Meter::Projects, -1, now).await?;
        usage::add(tx, owner, Meter::Tasks, -living.tasks, now).await?;
        Ok(usage::count_members(tx, owner, now).await?)
    }
}
