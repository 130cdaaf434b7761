//! `project.created`: counted for its maker, with the tasks and members that were heard of before it.

use async_trait::async_trait;
use chassis::Clock;
use contracts::project::ProjectCreated;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::{domain::usage::Meter, flow::usage, store};

pub(super) struct ProjectCreatedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for ProjectCreatedReaction {
    type Event = ProjectCreated;

    async fn react(&self, tx: &Tx, received: &Received<ProjectCreated>) -> Result<(), ReactionError> {
        let (project, owner, now) = (received.event.project_id, received.event.actor_id, self.clock.now());
        let Some(living) = usage::living(tx, project).await? else {
            return Ok(());
        };
        if living.owner.is_some() {
            return Ok(());
        }
        store::usage::set_owner(tx, project, owner).await?;
        usage::add(tx, owner, Meter::Projects, 1, now).await?;
        if living.tasks != 0 {
            usage::add(tx, owner, Meter::Tasks, living.tasks, now).await?;
        }
        Ok(usage::count_members(tx, owner, now).await?)
    }
}
