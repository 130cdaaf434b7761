//! `task.deleted`: nobody is told of it any more, and its comments are not shown.

use async_trait::async_trait;
use contracts::project::TaskDeleted;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::store::{
    notification::{Hidden, blank_excerpts},
    tombstone,
};

pub(super) struct TaskDeletedReaction;

#[async_trait]
impl Reaction for TaskDeletedReaction {
    type Event = TaskDeleted;

    async fn react(&self, tx: &Tx, received: &Received<TaskDeleted>) -> Result<(), ReactionError> {
        let task = received.event.task_id;
        tombstone::bury_task(tx, task, received.envelope.time).await?;
        Ok(blank_excerpts(tx, Hidden::Task(task)).await?)
    }
}
