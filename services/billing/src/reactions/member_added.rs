//! `member.added`: one more person, unless they are in another project of its maker.

use async_trait::async_trait;
use chassis::Clock;
use contracts::project::MemberAdded;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::flow::usage;

pub(super) struct MemberAddedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for MemberAddedReaction {
    type Event = MemberAdded;

    async fn react(&self, tx: &Tx, received: &Received<MemberAdded>) -> Result<(), ReactionError> {
        let event = &received.event;
        Ok(usage::set_member(
            tx,
            event.project_id,
            event.user_id,
            true,
            event.version,
            self.clock.now(),
        )
        .await?)
    }
}
