//! `task.assigned`: the assignee is told.

use async_trait::async_trait;
use chassis::Clock;
use contracts::project::TaskAssigned;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use super::notify::notify;
use crate::domain::notification::{Kind, News, one_line};

pub(super) struct TaskAssignedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for TaskAssignedReaction {
    type Event = TaskAssigned;

    async fn react(&self, tx: &Tx, received: &Received<TaskAssigned>) -> Result<(), ReactionError> {
        let event = &received.event;
        let news = News {
            actor: Some(event.actor_id),
            project: Some(event.project_id),
            task: Some(event.task_id),
            subject: one_line(&event.title),
            ..News::new(
                Kind::TaskAssigned,
                format!("assigned:{}:{}", event.task_id, event.version),
                received.envelope.time,
            )
        };
        Ok(notify(tx, &news, [event.assignee_id], self.clock.now()).await?)
    }
}
