//! `task.created`: one more task of the project's maker.

use async_trait::async_trait;
use chassis::Clock;
use contracts::project::TaskCreated;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::{domain::usage::Meter, flow::usage, store};

pub(super) struct TaskCreatedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for TaskCreatedReaction {
    type Event = TaskCreated;

    async fn react(&self, tx: &Tx, received: &Received<TaskCreated>) -> Result<(), ReactionError> {
        let (task, project) = (received.event.task_id, received.event.task.project_id);
        if !store::usage::add_task(tx, task, project).await? {
            return Ok(());
        }
        let project = store::usage::add_tasks(tx, project, 1).await?;
        match project.owner {
            Some(owner) if !project.deleted => Ok(usage::add(tx, owner, Meter::Tasks, 1, self.clock.now()).await?),
            _ => Ok(()),
        }
    }
}
