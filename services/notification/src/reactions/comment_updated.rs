//! `comment.updated`: notifications show the new text; who is mentioned now and was not before is told.

use async_trait::async_trait;
use chassis::Clock;
use contracts::project::CommentUpdated;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use super::notify::notify;
use crate::{
    domain::notification::{Kind, News, one_line},
    store::notification::rewrite_excerpt,
};

pub(super) struct CommentUpdatedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for CommentUpdatedReaction {
    type Event = CommentUpdated;

    async fn react(&self, tx: &Tx, received: &Received<CommentUpdated>) -> Result<(), ReactionError> {
        let event = &received.event;
        let excerpt = one_line(&event.excerpt);
        rewrite_excerpt(tx, event.comment_id, &excerpt).await?;
        let mention = News {
            actor: Some(event.author_id),
            project: Some(event.project_id),
            task: Some(event.task_id),
            comment: Some(event.comment_id),
            subject: one_line(&event.task_title),
            detail: excerpt,
            ..News::new(
                Kind::Mentioned,
                format!("comment:{}", event.comment_id),
                received.envelope.time,
            )
        };
        Ok(notify(tx, &mention, event.mentioned_ids.iter().copied(), self.clock.now()).await?)
    }
}
