//! `comment.deleted`: it is not shown any more.

use async_trait::async_trait;
use contracts::project::CommentDeleted;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::store::notification::{Hidden, blank_excerpts};

pub(super) struct CommentDeletedReaction;

#[async_trait]
impl Reaction for CommentDeletedReaction {
    type Event = CommentDeleted;

    async fn react(&self, tx: &Tx, received: &Received<CommentDeleted>) -> Result<(), ReactionError> {
        Ok(blank_excerpts(tx, Hidden::Comment(received.event.comment_id)).await?)
    }
}
