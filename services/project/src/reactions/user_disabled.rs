//! `user.disabled`: the account is shut: it cannot be invited and does not count as an owner. Memberships stay.

use async_trait::async_trait;
use contracts::auth::UserDisabled;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::store;

pub(super) struct UserDisabledReaction;

#[async_trait]
impl Reaction for UserDisabledReaction {
    type Event = UserDisabled;

    async fn react(&self, tx: &Tx, received: &Received<UserDisabled>) -> Result<(), ReactionError> {
        let event = &received.event;
        store::user::learn_status(tx, event.user_id, true, event.version).await?;
        Ok(())
    }
}
