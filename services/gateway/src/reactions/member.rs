//! Who joins or leaves a project hears of it, as do its members; the streams' audience follows.

use async_trait::async_trait;
use contracts::project::{MemberAdded, MemberInvited, MemberRemoved, MemberRoleChanged};
use database::Tx;
use messaging::{Reaction, ReactionError, Reactions, Received};

use super::{Announce, Announced, announce};
use crate::{domain::audience::Audience, store::membership};

pub(super) fn add(reactions: Reactions) -> Reactions {
    reactions
        .on(Announce::<MemberInvited>::new())
        .on(Announce::<MemberRoleChanged>::new())
        .on(NoteJoining)
        .on(NoteLeaving)
}

impl Announced for MemberInvited {
    fn audience(&self) -> Audience {
        Audience::project(self.project_id)
    }
}

impl Announced for MemberRoleChanged {
    fn audience(&self) -> Audience {
        Audience::project(self.project_id)
    }
}

impl Announced for MemberAdded {
    fn audience(&self) -> Audience {
        Audience::project_and(self.project_id, self.user_id)
    }
}

impl Announced for MemberRemoved {
    fn audience(&self) -> Audience {
        Audience::project_and(self.project_id, self.user_id)
    }
}

struct NoteJoining;

#[async_trait]
impl Reaction for NoteJoining {
    type Event = MemberAdded;

    async fn react(&self, tx: &Tx, received: &Received<MemberAdded>) -> Result<(), ReactionError> {
        let event = &received.event;
        membership::note(tx, event.project_id, event.user_id, true, event.version).await?;
        Ok(announce(tx, received).await?)
    }
}

struct NoteLeaving;

#[async_trait]
impl Reaction for NoteLeaving {
    type Event = MemberRemoved;

    async fn react(&self, tx: &Tx, received: &Received<MemberRemoved>) -> Result<(), ReactionError> {
        let event = &received.event;
        membership::note(tx, event.project_id, event.user_id, false, event.version).await?;
        Ok(announce(tx, received).await?)
    }
}
