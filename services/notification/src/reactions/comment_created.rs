//! `comment.created`: who is mentioned is told so; maker and assignees of the task are told of the comment.

use async_trait::async_trait;
use chassis::Clock;
use contracts::project::CommentCreated;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use super::notify::notify;
use crate::domain::notification::{Kind, News, one_line};

pub(super) struct CommentCreatedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for CommentCreatedReaction {
    type Event = CommentCreated;

    async fn react(&self, tx: &Tx, received: &Received<CommentCreated>) -> Result<(), ReactionError> {
        let event = &received.event;
        let mention = News {
            actor: Some(event.author_id),
            project: Some(event.project_id),
            task: Some(event.task_id),
            comment: Some(event.comment_id),
            subject: one_line(&event.task_title),
            detail: one_line(&event.excerpt),
            ..News::new(
                Kind::Mentioned,
                format!("comment:{}", event.comment_id),
                received.envelope.time,
            )
        };
        let now = self.clock.now();
        notify(tx, &mention, event.mentioned_ids.iter().copied(), now).await?;
        // The same cause: who was just told of a mention is not told again; who turned mentions off still is.
        let comment = News {
            kind: Kind::TaskCommented,
            ..mention
        };
        Ok(notify(tx, &comment, event.participant_ids.iter().copied(), now).await?)
    }
}
