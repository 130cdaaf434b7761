//! A disabled user is out at every replica at once; a changed one is asked about again.

use async_trait::async_trait;
use contracts::auth::{UserDisabled, UserUpdated};
use database::Tx;
use messaging::{Reaction, ReactionError, Reactions, Received};

use crate::{domain::revocation::Revocation, store::stream_event};

pub(super) fn add(reactions: Reactions) -> Reactions {
    reactions.on(EndUser).on(ForgetUser)
}

struct EndUser;

#[async_trait]
impl Reaction for EndUser {
    type Event = UserDisabled;

    async fn react(&self, tx: &Tx, received: &Received<UserDisabled>) -> Result<(), ReactionError> {
        Ok(stream_event::append_revocation(tx, Revocation::User(received.event.user_id)).await?)
    }
}

struct ForgetUser;

#[async_trait]
impl Reaction for ForgetUser {
    type Event = UserUpdated;

    async fn react(&self, tx: &Tx, received: &Received<UserUpdated>) -> Result<(), ReactionError> {
        Ok(stream_event::append_revocation(tx, Revocation::Knowledge(received.event.user_id)).await?)
    }
}
