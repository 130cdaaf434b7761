//! `member.removed`: they are not told of what happened before, and comments are not shown to them.

use async_trait::async_trait;
use contracts::project::MemberRemoved;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::store::{
    membership,
    notification::{Hidden, blank_excerpts},
    tombstone,
};

pub(super) struct MemberRemovedReaction;

#[async_trait]
impl Reaction for MemberRemovedReaction {
    type Event = MemberRemoved;

    async fn react(&self, tx: &Tx, received: &Received<MemberRemoved>) -> Result<(), ReactionError> {
        let (project, user) = (received.event.project_id, received.event.user_id);
        membership::end(tx, project, user, received.event.version).await?;
        tombstone::depart(tx, project, user, received.envelope.time).await?;
        Ok(blank_excerpts(tx, Hidden::ProjectTo(project, user)).await?)
    }
}
