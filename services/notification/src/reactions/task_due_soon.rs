//! `task.due_soon`: its assignees, or its maker, are told.

use async_trait::async_trait;
use chassis::Clock;
use contracts::project::TaskDueSoon;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use super::notify::notify;
use crate::domain::notification::{Kind, News, one_line};

pub(super) struct TaskDueSoonReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for TaskDueSoonReaction {
    type Event = TaskDueSoon;

    async fn react(&self, tx: &Tx, received: &Received<TaskDueSoon>) -> Result<(), ReactionError> {
        let event = &received.event;
        let news = News {
            project: Some(event.project_id),
            task: Some(event.task_id),
            subject: one_line(&event.title),
            detail: event.due_at.to_string(),
            ..News::new(
                Kind::TaskDueSoon,
                format!("due:{}:{}", event.task_id, event.due_at),
                received.envelope.time,
            )
        };
        Ok(notify(tx, &news, event.user_ids.iter().copied(), self.clock.now()).await?)
    }
}
