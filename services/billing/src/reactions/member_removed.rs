//! `member.removed`: one person less, unless they are in another project of its maker.

use async_trait::async_trait;
use chassis::Clock;
use contracts::project::MemberRemoved;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::flow::usage;

pub(super) struct MemberRemovedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for MemberRemovedReaction {
    type Event = MemberRemoved;

    async fn react(&self, tx: &Tx, received: &Received<MemberRemoved>) -> Result<(), ReactionError> {
        let event = &received.event;
        Ok(usage::set_member(
            tx,
            event.project_id,
            event.user_id,
            false,
            event.version,
            self.clock.now(),
        )
        .await?)
    }
}
