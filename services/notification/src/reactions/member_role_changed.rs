//! `member.role_changed`: the new role is remembered.

use async_trait::async_trait;
use contracts::project::MemberRoleChanged;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::store::membership;

pub(super) struct MemberRoleChangedReaction;

#[async_trait]
impl Reaction for MemberRoleChangedReaction {
    type Event = MemberRoleChanged;

    async fn react(&self, tx: &Tx, received: &Received<MemberRoleChanged>) -> Result<(), ReactionError> {
        let event = &received.event;
        Ok(membership::learn(tx, event.project_id, event.user_id, &event.role, event.version).await?)
    }
}
