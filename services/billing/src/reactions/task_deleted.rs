//! `task.deleted`: one task less, if it was counted.

use async_trait::async_trait;
use chassis::Clock;
use contracts::project::TaskDeleted;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::{domain::usage::Meter, flow::usage, store};

pub(super) struct TaskDeletedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for TaskDeletedReaction {
    type Event = TaskDeleted;

    async fn react(&self, tx: &Tx, received: &Received<TaskDeleted>) -> Result<(), ReactionError> {
        let (task, project, now) = (received.event.task_id, received.event.project_id, self.clock.now());
        if !store::usage::bury_task(tx, task, project, now).await? {
            return Ok(());
        }
        let project = store::usage::add_tasks(tx, project, -1).await?;
        match project.owner {
            Some(owner) if !project.deleted => Ok(usage::add(tx, owner, Meter::Tasks, -1, now).await?),
            _ => Ok(()),
        }
    }
}
